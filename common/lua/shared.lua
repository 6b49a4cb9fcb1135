-- shared.lua: what several steps do. A step's text gets the functions it calls, and those that
-- they call; a function may call only what stands above it.
--
-- A job's fields are read once into a table (`h`); a missing field is false. Times are Redis's, in
-- milliseconds. Whatever is written begins with a command that Redis allows when out of memory
-- (ZREM, PEXPIRE, LPOP), in all steps but enqueue, append, retry and those of schedules and routes.
--
-- A queue's numbers are read once a step, changed in Lua, and written once at its end: `counters`
-- is an empty table that the step makes, fills by count() and writes by save().

-- Milliseconds since 1970, by Redis's clock.
local function now_ms()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A whole number as Redis wants it in ids: all digits, no exponent. Redis would turn the numbers among
-- a command's words into text by way of floating point, which takes three times as long.
local function text(number)
    return string.format('%d', number)
end

-- The named fields of a hash as a table.
local function read(key, ...)
    local values, h = redis.call('HMGET', key, ...), {}
    for i, name in ipairs({...}) do
        h[name] = values[i]
    end
    return h
end

-- A flat list of names and values as a table.
local function pairs_of(flat)
    local fields = {}
    for i = 1, #flat, 2 do
        fields[flat[i]] = flat[i + 1]
    end
    return fields
end

-- What the steps that move a job need to know of it.
local function read_job(id)
    return read(key_job(id), 'state', 'queue', 'priority', 'feature_id', 'chat_id', 'size', 'owner',
        'first', 'attempt', 'last', 'attempts', 'deaths', 'max_attempts', 'deadline_ms', 'deadline',
        'retention_ms', 'history', 'type', 'timeout_ms', 'ready', 'number', 'sequence')
end

local function is_alive(state)
    return state == 'waiting' or state == 'delayed' or state == 'running'
end

-- The two halves of an entry's id.
local function halves(id)
    local a, n = string.match(id, '^(%d+)-(%d+)$')
    return tonumber(a), tonumber(n)
end

-- The worker's id in a fencing token `<worker>:<A>`.
local function worker_of(owner)
    return string.match(owner, '^(.*):%d+$') or owner
end

-- XINFO STREAM as a table; nil where there is no key; 'broken' where it is not a stream, or has ids
-- that leave no room for ours (Lua's numbers are exact up to 2^53).
local function stream_info(stream)
    -- Nearly always there is none: an error of XINFO's would be the dearer answer.
    if redis.call('EXISTS', stream) == 0 then return nil end
    local flat = redis.pcall('XINFO', 'STREAM', stream)
    if flat.err then
        if redis.call('TYPE', stream).ok ~= 'stream' then return 'broken' end
        return error(flat)
    end
    local info = pairs_of(flat)
    local a, n = halves(info['last-generated-id'])
    if a >= 2 ^ 53 or n >= 2 ^ 53 then return 'broken' end
    return info
end

local function is_marker(fields)
    return (fields.type == 'queued' or fields.type == 'start') and fields.job
end

local function is_terminal(fields)
    if fields.type and fields.job then
        return fields.type == 'done' or fields.type == 'failed' or fields.type == 'cancelled'
            or fields.type == 'expired'
    end
    return fields.data == '[DONE]'
end

-- A stream of ours. A broken key in its place is removed: no step could ever end the job otherwise.
local function own_info(stream)
    local info = stream_info(stream)
    if info ~= 'broken' then return info end
    redis.call('DEL', stream)
    return nil
end

-- Where an attempt's entries end: its last N; -1 where all of it is gone, its marker too; nil and
-- true where somebody else wrote behind them, or took from their middle. `last` is what the job's
-- hash says. A stream whose last entries were deleted knows their ids still, and would refuse them
-- (from Redis 7.2 on XSETID does not help): it goes as a whole.
local function attempt_end(stream, attempt, last)
    local info = own_info(stream)
    if not info then return -1 end
    local a, n = halves(info['last-generated-id'])
    if a > attempt or (a == attempt and n > last) then return nil, true end
    if a < attempt and info.length > 0 then return -1 end
    local entry = info['last-entry']
    if entry and info.length ~= select(2, halves(entry[1])) + 1 then return nil, true end
    if entry and entry[1] == info['last-generated-id'] then return n end
    redis.call('DEL', stream)
    return -1
end

-- An attempt's marker; what stands before it goes in the same command. replaces: the job that this one
-- cancelled, for followers of that one who come to read after the marker `queued` is gone; or nothing.
local function write_start(stream, id, first, number, attempt, reason, worker, replaces)
    local marker = text(attempt) .. '-0'
    redis.call('XADD', stream, 'MINID', '=', marker, marker, 'type', 'start', 'job', id,
        'first', first, 'attempt', number, 'reason', reason, 'worker', worker,
        unpack(replaces and {'replaces', replaces} or {}))
end

-- Whatever one of several jobs in a step came to is its own affair: what function(...) answers, or the
-- error that a command of it failed with, as on a key of a wrong type.
local function alone(what, ...)
    local good, answer = pcall(what, ...)
    if good then return answer end
    return type(answer) == 'table' and answer or {err = tostring(answer)}
end

-- The words ARGV[from] to ARGV[to] as the attempt's messages number, number + 1, … Answers the last N;
-- or nil and the answer of a step that stops here.
local function write_messages(stream, attempt, number, from, to)
    local a = attempt .. '-'
    for i = from, to do
        local added = redis.pcall('XADD', stream, a .. number, 'data', ARGV[i])
        -- Its length was ours, and it is not: who removed it wrote as many. Any other error is Redis's own.
        if added.err then
            return nil, string.find(added.err, 'equal or smaller', 1, true) and {'FOREIGN', 0} or added
        end
        number = number + 1
    end
    return number - 1
end

-- The same where some may be there already, which are not added again. last: as the job's hash says, which
-- is to be told the last N where that is another one.
--
-- An attempt's stream is its marker and N messages, without a hole; so when the length is N + 1,
-- nobody else wrote and nothing is lost, and no entry needs to be read.
local function add_messages(id, owner, stream, attempt, last, first, from, to)
    if redis.pcall('XLEN', stream) ~= last + 1 then
        local found, foreign = attempt_end(stream, tonumber(attempt), last)
        if foreign then return nil, {'FOREIGN', 0} end
        if found < 0 then
            if first > 1 then return nil, {'GONE', 0} end
            local h = read_job(id)
            write_start(stream, id, h.first, h.number, tonumber(attempt), 'history_lost', worker_of(owner))
            found = 0
        end
        last = found
    end
    if first > last + 1 then return nil, {'GONE', last} end
    return write_messages(stream, attempt, last + 1, from + last - first + 1, to)
end

-- ---- a queue's numbers ----

-- A queue's own clock stands still while the queue is paused, and so its deadlines do. Somebody may
-- set `paused` by hand: from when on is noticed here, at the next step.
local function count(counters, queue, now)
    local c = counters[queue]
    if c then return c end
    c = read(key_queue(queue), 'waiting', 'bytes', 'dead_bytes', 'in', 'out', 'taken', 'paused',
        'paused_at', 'stood', 'reaped')
    for _, name in ipairs({'waiting', 'bytes', 'dead_bytes', 'in', 'out', 'taken', 'stood'}) do
        c[name] = tonumber(c[name] or nil) or 0
    end
    c.paused = c.paused == '1'
    c.paused_at = tonumber(c.paused_at or nil)
    if c.paused and not c.paused_at then
        c.paused_at, c.pause_changed = now, true
    elseif not c.paused and c.paused_at then
        c.stood, c.paused_at, c.pause_changed = c.stood + now - c.paused_at, nil, true
    end
    -- Until the reaper has seen that Redis's clock went back, the queue's stands still.
    c.now, c.read = (c.paused_at or math.max(now, tonumber(c.reaped or nil) or 0)) - c.stood, now
    counters[queue] = c
    return c
end

-- A few tokens are enough: a claim that leaves jobs puts one back.
local function wake(queue)
    local list = key_wake(queue)
    if redis.call('LLEN', list) < 16 then redis.call('RPUSH', list, '1') end
end

local function save(counters)
    for queue, c in pairs(counters) do
        if c.changed then
            redis.call('HSET', key_queue(queue), 'waiting', text(c.waiting), 'bytes', text(c.bytes), 'in',
                text(c['in']), 'out', text(c.out), 'taken', text(c.taken), 'dead_bytes',
                text(c.dead_bytes))
        end
        -- The first reap is to see how long nobody was there, and whether the clock went back.
        if c.changed and not c.reaped then
            redis.call('HSETNX', key_queue(queue), 'reaped', text(c.read))
        end
        if c.pause_changed then
            redis.call('HDEL', key_queue(queue), 'paused_at')
            redis.call('HSET', key_queue(queue), 'stood', c.stood,
                c.paused_at and 'paused_at' or 'stood', c.paused_at or c.stood)
        end
        if c.wake then wake(queue) end
    end
end

-- ---- lines ----

-- Into the line of its feature; a feature that had nobody waiting gets its turn. A queue's
-- `waiting` is `in` less `out`, and a job's position is its sequence less `out`.
-- Answers what is to stand in the job's hash.
local function line_up(c, id, h, now, at_head)
    local push = at_head and 'LPUSH' or 'RPUSH'
    if redis.call(push, key_line(h.queue, h.priority, h.feature_id), id) == 1 then
        redis.call(push, key_turns(h.queue, h.priority), h.feature_id)
    end
    local sequence
    if at_head then
        sequence, c.out = c.out, c.out - 1
    else
        c['in'] = c['in'] + 1
        sequence = c['in']
    end
    c.waiting, c.bytes = c.waiting + 1, c.bytes + h.size
    c.changed, c.wake = true, true
    local deadline = text(c.now + h.deadline_ms)
    redis.call('ZADD', key_deadlines(h.queue), deadline, id)
    return {'state', 'waiting', 'ready', text(now), 'deadline', deadline, 'sequence', text(sequence)}
end

-- What leaves the line, by whatever way.
local function count_out(c, size)
    c.waiting, c.bytes, c.out = c.waiting - 1, c.bytes - size, c.out + 1
    c.changed = true
end

-- About how far a waiting job stands from the nearer end of its line: at most that far from the
-- queue's.
local function distance(c, h)
    local position = (tonumber(h.sequence or nil) or c.out) - c.out
    return math.max(0, math.min(position, c.waiting - position))
end

-- Out of the middle of its line, from the end that is nearer. Who was taken from it already is
-- `popped`.
local function leave_line(c, id, h)
    local line = key_line(h.queue, h.priority, h.feature_id)
    local late = (tonumber(h.sequence or nil) or c.out) - c.out > c.waiting / 2
    if not h.popped and redis.call('LREM', line, late and -1 or 1, id) == 1
        and redis.call('EXISTS', line) == 0 then
        redis.call('LREM', key_turns(h.queue, h.priority), 0, h.feature_id)
    end
    count_out(c, h.size)
end

-- Nobody owns the job any more.
local function disown(id, h)
    redis.call('ZREM', key_running(h.queue), id)
    if h.owner then
        redis.call('HDEL', key_worker(worker_of(h.owner)), 'job:' .. id)
        redis.call('HDEL', key_job(id), 'owner')
    end
end

-- The attempt in hand is over without an end of the job: it waits again, from now on.
local function return_to_line(counters, id, h, now)
    disown(id, h)
    redis.call('PERSIST', key_stream(h.feature_id, h.chat_id))
    redis.call('PERSIST', key_job(id)) -- an end that failed half way may have given it an expiry
    redis.call('HSET', key_job(id), unpack(line_up(count(counters, h.queue, now), id, h, now, true)))
end

-- One line of the job's history, newest last, the 20 newest kept.
local function remember(id, h, now, what, reason, detail)
    local history = h.history and cjson.decode(h.history) or {}
    history[#history + 1] = {at = now, what = what, reason = reason, detail = detail,
        attempt = tonumber(h.number), worker = h.owner and worker_of(h.owner) or nil}
    if #history > 20 then table.remove(history, 1) end
    redis.call('HSET', key_job(id), 'history', cjson.encode(history))
end

-- ---- ends ----

-- A terminal entry behind all that is there. Where the stream was lost its marker is made first, so
-- that it can be told whose it is.
local function write_end_somehow(stream, id, h, attempt, last, kind, more)
    local info = own_info(stream)
    local a, n = attempt, last
    if info then a, n = halves(info['last-generated-id']) end
    if a == attempt then n = math.max(n, last) end
    if not info or info.length == 0 or a < attempt then
        redis.call('DEL', stream)
        a, n = attempt, last
        if h.attempt then
            write_start(stream, id, h.first, h.number, attempt, 'history_lost', '')
        else
            redis.call('XADD', stream, h.first .. '-0', 'type', 'queued', 'job', id, 'first', h.first)
        end
    end
    redis.call('XADD', stream, text(a) .. '-' .. text(n + 1), 'type', kind, 'data', '[DONE]', 'job',
        id, unpack(more))
end

-- A stream of ours is a marker and `last` messages: so nearly always the end's id is known. `measured`
-- is a job whose stream the step has just found to be so.
local function write_end(stream, id, h, kind, more)
    local attempt, last = tonumber(h.attempt or h.first), tonumber(h.last or 0)
    if h.measured or redis.pcall('XLEN', stream) == last + 1 then
        local added = redis.pcall('XADD', stream, 'NOMKSTREAM', text(attempt) .. '-' .. text(last + 1),
            'type', kind, 'data', '[DONE]', 'job', id, unpack(more))
        if added and not added.err then return end
    end
    write_end_somehow(stream, id, h, attempt, last, kind, more)
end

-- The end of a job in its chat and in its hash; it stands in no list any more, or is about to leave
-- them. more: further fields of the entry. fields: of the hash. A chat that has another job by now
-- keeps its stream as it is.
local function write_off(id, h, now, state, kind, keep_ms, more, fields)
    local chat, job = key_chat(h.feature_id, h.chat_id), key_job(id)
    local stream = key_stream(h.feature_id, h.chat_id)
    redis.call('PEXPIRE', job, keep_ms)
    local current = redis.call('GET', chat)
    if not current or current == id then
        write_end(stream, id, h, kind, more)
        redis.call('PEXPIRE', stream, keep_ms)
        redis.call('PEXPIRE', chat, keep_ms)
    end
    redis.call('HSET', job, 'state', state, 'ended', text(now), unpack(fields))
end

-- The job ends: out of every list, its terminal entry written, its keys on their way out.
local function end_job(counters, id, h, now, state, kind, keep_ms, more, fields)
    local c = count(counters, h.queue, now)
    redis.call('ZREM', key_deadlines(h.queue), id)
    if redis.call('ZREM', key_delayed(h.queue), id) == 1 then
        c.bytes, c.changed = c.bytes - h.size, true
    end
    if h.state == 'waiting' then leave_line(c, id, h) end
    disown(id, h)
    write_off(id, h, now, state, kind, keep_ms, more, fields)
end

local function end_expired(counters, id, h, now, ttl)
    end_job(counters, id, h, now, 'expired', 'expired', h.retention_ms or ttl, {'reason', 'deadline'}, {})
end

-- From outside. Whoever owned it is told.
local function end_cancelled(counters, id, h, now, ttl, why, more)
    end_job(counters, id, h, now, 'cancelled', 'cancelled', h.retention_ms or ttl, more, {'error', why})
    if h.owner then redis.call('PUBLISH', key_worker(worker_of(h.owner)), id) end
end

-- ---- the dead ----

-- A dead job is dropped: its chat and stream have times of their own.
local function drop_dead(c, queue, id)
    redis.call('ZREM', key_dead(queue), id)
    c.dead_bytes = math.max(0, c.dead_bytes - (redis.call('HGET', key_job(id), 'size') or 0))
    c.changed = true
    redis.call('DEL', key_job(id))
end

-- Too many, too large, too old: the oldest dead go. keep: {retention_ms, most, most bytes}.
-- At most 100 a call.
local function bound_dead(c, queue, now, keep)
    local dead = key_dead(queue)
    local count = redis.call('ZCARD', dead)
    for left = count, math.max(1, count - 99), -1 do
        local oldest = redis.call('ZRANGE', dead, 0, 0, 'WITHSCORES')
        if left <= keep[2] and c.dead_bytes <= keep[3] and tonumber(oldest[2]) > now - keep[1] then return end
        drop_dead(c, queue, oldest[1])
    end
    if c.dead_bytes ~= 0 and redis.call('EXISTS', dead) == 0 then c.dead_bytes, c.changed = 0, true end
end

-- Tries used up: `failed` in the stream, the job among the dead with its reason. The hash's own
-- expiry lies behind the moment at which the reaper takes it from the list.
local function bury(counters, id, h, now, ttl, reason, detail, keep)
    local tries = (h.attempts or 0) + (h.deaths or 0)
    end_job(counters, id, h, now, 'dead', 'failed', h.retention_ms or ttl,
        {'reason', reason, 'detail', detail, 'attempts', tries},
        {'error', reason, 'error_detail', detail})
    redis.call('PEXPIRE', key_job(id), text(keep[1] + 3600000))
    redis.call('ZADD', key_dead(h.queue), now, id)
    local c = count(counters, h.queue, now)
    c.dead_bytes, c.changed = c.dead_bytes + h.size, true
    bound_dead(c, h.queue, now, keep)
end

-- The worker or the task process is lost: back at once, or dead when that happened too often.
local function die(counters, id, h, now, ttl, reason, detail, deaths_most, keep)
    redis.call('ZREM', key_running(h.queue), id)
    h.deaths = redis.call('HINCRBY', key_job(id), 'deaths', 1)
    remember(id, h, now, 'death', reason, detail)
    if h.deaths >= deaths_most then
        bury(counters, id, h, now, ttl, reason, detail, keep)
        return 'dead'
    end
    return_to_line(counters, id, h, now)
    return 'waiting'
end

-- Delayed jobs whose time has come join the line; at most 100 a call.
local function promote(counters, queue, now)
    local delayed = key_delayed(queue)
    local due = redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, 100)
    if #due == 0 then return 0 end
    local c = count(counters, queue, now)
    for _, id in ipairs(due) do
        redis.call('ZREM', delayed, id)
        local h = read_job(id)
        if h.state == 'delayed' then
            c.bytes = c.bytes - h.size
            redis.call('HSET', key_job(id), unpack(line_up(c, id, h, now, false)))
        end
    end
    return #due
end

-- ---- chats ----

-- A chat at this moment, as the list that struct chat_view is read from; and its stream_info.
local function look(feature, chat)
    local id = redis.call('GET', key_chat(feature, chat))
    local info = stream_info(key_stream(feature, chat))
    local kind, marker, ended, last_id, marker_id = 'none', nil, 0, nil, nil
    if info == 'broken' then
        kind = 'broken'
    elseif info and info['first-entry'] then
        marker, marker_id = pairs_of(info['first-entry'][2]), info['first-entry'][1]
        last_id = info['last-entry'][1]
        kind = is_marker(marker) and 'ours' or 'foreign'
        ended = is_terminal(pairs_of(info['last-entry'][2])) and 1 or 0
    end
    if kind == 'ours' and not id then id = marker.job end
    if kind == 'ours' and id ~= marker.job then kind, ended = 'none', 0 end
    local h = id and read(key_job(id), 'state', 'queue', 'first', 'attempt', 'number', 'owner',
        'sequence') or {}
    -- A stream of ours without an end, whose job is lost, will never end: nothing is there.
    if kind == 'ours' and ended == 0 and not h.state then kind, id = 'none', nil end
    local first, attempt, number = 0, 0, 0
    if kind == 'ours' then
        first = marker.first or 0
        attempt = halves(marker_id)
        if marker.type == 'start' then number = tonumber(marker.attempt) or 0 end
    elseif kind == 'none' and h.first then
        first, attempt = h.first, h.attempt or h.first
        last_id = attempt .. '-0'
        number = tonumber(h.number or 0)
    end
    local position = 0
    if h.state == 'waiting' then
        local out = redis.call('HGET', key_queue(h.queue), 'out') or 0
        position = math.max(1, h.sequence - out)
    end
    return {id or '', h.state or '', kind, ended, tostring(first), type(attempt) == 'number'
        and text(attempt) or attempt, last_id or '0-0', number, position,
        h.owner and worker_of(h.owner) or ''}, info
end

-- ---- a new job ----

-- The queue that a feature's new jobs go to: an operator's route goes before the queue that the file
-- of features has for it; own: that one, false or '' for none.
local function queue_for(feature, own)
    return redis.call('HGET', key_routes(), feature) or own and own ~= '' and own or 'default'
end

-- Whether it would take one more job of this size. limits: {most waiting, most bytes}.
local function is_full(c, queue, size, limits)
    return c.waiting + redis.call('ZCARD', key_delayed(queue)) >= tonumber(limits[1])
        or c.bytes + size > tonumber(limits[2])
end

-- A new job takes the chat: its place in the line, or among the delayed until `due`; its marker,
-- and its hash. The first write is one that a full Redis refuses. job: type, queue, feature_id,
-- chat_id, priority, size, deadline_ms; fields: what else is to stand in its hash. there, info: as
-- look() has just given them. What runs is cancelled.
local function put_in(counters, id, job, now, due, there, info, ttl, fields)
    local c, stream = count(counters, job.queue, now), key_stream(job.feature_id, job.chat_id)
    local current, alive = there[1], is_alive(there[2])
    local top = info and halves(info['last-generated-id']) or 0
    local first = text(math.max(now, top + 1, (alive and tonumber(there[6]) or 0) + 1))
    local state
    if due > now then
        redis.call('ZADD', key_delayed(job.queue), due, id)
        c.bytes, c.changed = c.bytes + job.size, true
        -- Whoever waits on the list for up to a second is to hear of it in time.
        if due - now < 1000 then c.wake = true end
        state = {'state', 'delayed', 'due', due}
    else
        state = line_up(c, id, job, now, false)
    end
    if job.queue ~= 'default' then redis.call('SADD', key_queues(), job.queue) end
    local replaces = {}
    redis.call('SET', key_chat(job.feature_id, job.chat_id), id)
    if alive then
        end_cancelled(counters, current, read_job(current), now, ttl, 'replaced', {})
        replaces = {'replaces', current}
        fields[#fields + 1], fields[#fields + 2] = 'replaces', current
    end
    redis.call('XADD', stream, 'MINID', '=', first .. '-0', first .. '-0', 'type', 'queued', 'job', id,
        'first', first, unpack(replaces))
    if info then redis.call('PERSIST', stream) end
    for _, word in ipairs(state) do
        fields[#fields + 1] = word
    end
    redis.call('HSET', key_job(id), 'type', job.type, 'feature_id', job.feature_id, 'chat_id',
        job.chat_id, 'queue', job.queue, 'priority', job.priority, 'size', text(job.size), 'first', first,
        'attempts', '0', 'deaths', '0', 'created', text(now), 'deadline_ms', job.deadline_ms,
        unpack(fields))
    return first, state[2]
end

-- ---- what is shown to people ----

-- A page of a sorted set by score and then member: the ids behind the cursor "score:id", and the cursor
-- for the next page, '' behind the last; and the cursor behind each id. Where the cursor's own id is
-- gone, it starts where it stood.
local function page_of(set, cursor, limit)
    local start = 0
    local score, id = string.match(cursor, '^(%d+):(.*)$')
    if score then
        local rank = redis.call('ZSCORE', set, id) == score and redis.call('ZRANK', set, id)
        if rank then
            start = rank + 1
        else
            -- Within a score members are in order.
            start = redis.call('ZCOUNT', set, '-inf', '(' .. score)
            local stop = redis.call('ZCOUNT', set, '-inf', score)
            while start < stop do
                local middle = math.floor((start + stop) / 2)
                if redis.call('ZRANGE', set, middle, middle)[1] > id then
                    stop = middle
                else
                    start = middle + 1
                end
            end
        end
    end
    local found = redis.call('ZRANGE', set, start, start + limit, 'WITHSCORES')
    local ids, cursors = {}, {}
    for i = 1, math.min(#found, 2 * limit), 2 do
        ids[#ids + 1], cursors[#cursors + 1] = found[i], found[i + 1] .. ':' .. found[i]
    end
    return ids, #found > 2 * limit and cursors[limit] or '', cursors
end

-- The names in a job's hash by which people know it; the rest is for the steps.
local function record_of(id, now, whole)
    local h = pairs_of(redis.call('HGETALL', key_job(id)))
    if not h.state then return {} end
    local record = {'id', id}
    local put = function(name, value)
        if value then
            record[#record + 1] = name
            record[#record + 1] = tostring(value)
        end
    end
    for _, name in ipairs({'state', 'type', 'feature_id', 'chat_id', 'queue', 'priority', 'attempts',
        'deaths', 'alone', 'number', 'size', 'deadline_ms', 'timeout_ms', 'max_attempts', 'retention_ms',
        'created', 'started', 'ended', 'error', 'error_detail', 'retried_from', 'retried_as',
        'schedule'}) do
        put(name, h[name])
    end
    put('messages', h.last)
    put('worker', h.owner and worker_of(h.owner))
    if h.state == 'delayed' then put('due', h.due) end
    if h.state == 'waiting' then
        local c = count({}, h.queue, now)
        put('ready', h.ready)
        put('deadline', text(h.deadline + now - c.now))
        put('position', math.max(1, h.sequence - c.out))
    end
    if whole then
        local used = {}
        for name in pairs(h) do
            local attempt = string.match(name, '^usage:(%d+)$')
            if attempt then used[#used + 1] = attempt end
        end
        table.sort(used, function(a, b) return tonumber(a) < tonumber(b) end)
        for i, attempt in ipairs(used) do used[i] = h['usage:' .. attempt] end
        if #used > 0 then put('usage', '[' .. table.concat(used, ', ') .. ']') end
        put('payload', h.payload)
        put('identity', h.identity)
        put('words', h.words)
        put('history', h.history)
    end
    return record
end

local function queue_record(queue, now)
    local c = count({}, queue, now)
    local serving = 0
    for _, worker in ipairs(redis.call('ZRANGE', key_workers(), 0, -1)) do
        local queues = redis.call('HGET', key_worker(worker), 'queues')
        if queues and string.find(',' .. queues .. ',', ',' .. queue .. ',', 1, true) then
            serving = serving + 1
        end
    end
    local record = {'name', queue, 'waiting', text(c.waiting), 'running',
        redis.call('ZCARD', key_running(queue)), 'delayed', redis.call('ZCARD', key_delayed(queue)),
        'dead', redis.call('ZCARD', key_dead(queue)), 'bytes', text(c.bytes), 'dead_bytes',
        text(c.dead_bytes), 'workers', serving, 'paused', c.paused and 1 or 0}
    if c.paused_at then
        record[#record + 1] = 'paused_at'
        record[#record + 1] = text(c.paused_at)
    end
    if c.reaped then
        record[#record + 1] = 'reaped'
        record[#record + 1] = c.reaped
    end
    return record
end

local function schedule_record(name, whole)
    local flat = redis.call('HGETALL', key_schedule(name))
    if #flat == 0 then return {} end
    local record = {'name', name, 'next', redis.call('ZSCORE', key_schedules(), name) or '0'}
    for i = 1, #flat, 2 do
        if whole or flat[i] ~= 'payload' then
            record[#record + 1] = flat[i]
            record[#record + 1] = flat[i + 1]
        end
    end
    return record
end
