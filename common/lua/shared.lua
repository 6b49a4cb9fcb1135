-- shared.lua: what several steps do. A step's text gets the functions it calls, and those that
-- they call; a function may call only what stands above it.
--
-- A job's fields are read once into a table (`h`); a missing field is false. Times are Redis's, in
-- milliseconds. Whatever is written begins with a command that Redis allows when out of memory
-- (ZREM, PEXPIRE, LPOP), in all steps but enqueue and append.

-- Milliseconds since 1970, by Redis's clock.
local function now_ms()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A number as Redis wants it in ids: all digits, no exponent.
local function text(number)
    return string.format('%.0f', number)
end

-- The named fields of a hash as a table.
local function read(key, ...)
    local values, h = redis.call('HMGET', key, ...), {}
    for i, name in ipairs({...}) do
        h[name] = values[i]
    end
    return h
end

-- What the steps that move a job need to know of it.
local function read_job(id)
    return read(key_job(id), 'state', 'queue', 'priority', 'feature_id', 'chat_id', 'size', 'owner',
        'first', 'attempt', 'last', 'attempts', 'deaths', 'max_attempts', 'deadline_ms', 'deadline',
        'retention_ms', 'history', 'type', 'timeout_ms', 'ready', 'number')
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
    local kind = redis.call('TYPE', stream).ok
    if kind == 'none' then return nil end
    if kind ~= 'stream' then return 'broken' end
    local flat, info = redis.call('XINFO', 'STREAM', stream), {}
    for i = 1, #flat, 2 do
        info[flat[i]] = flat[i + 1]
    end
    local a, n = halves(info['last-generated-id'])
    if a >= 2 ^ 53 or n >= 2 ^ 53 then return 'broken' end
    return info
end

-- The fields of an entry [id, [name, value, …]] as a table.
local function entry_fields(entry)
    local fields = {}
    for i = 1, #entry[2], 2 do
        fields[entry[2][i]] = entry[2][i + 1]
    end
    return fields
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

local function write_start(stream, id, h, attempt, reason, worker)
    redis.call('XADD', stream, text(attempt) .. '-0', 'type', 'start', 'job', id, 'first', h.first,
        'attempt', h.number, 'reason', reason, 'worker', worker)
    redis.call('XTRIM', stream, 'MINID', '=', text(attempt) .. '-0')
end

-- A few tokens are enough: a claim that leaves jobs puts one back.
local function wake(queue)
    local list = key_wake(queue)
    if redis.call('LLEN', list) < 16 then redis.call('RPUSH', list, '1') end
end

-- Into the line of its feature; a feature that had nobody waiting gets its turn. Answers how many
-- wait now; that is `in` less `out`, and a job's position is its sequence less `out`.
local function line_up(id, h, now, at_head)
    local push = at_head and 'LPUSH' or 'RPUSH'
    local counters, sequence = key_queue(h.queue), nil
    local waiting = redis.call('HINCRBY', counters, 'waiting', 1)
    if redis.call(push, key_line(h.queue, h.priority, h.feature_id), id) == 1 then
        redis.call(push, key_turns(h.queue, h.priority), h.feature_id)
    end
    redis.call('HINCRBY', counters, 'bytes', h.size)
    if at_head then
        sequence = redis.call('HINCRBY', counters, 'out', -1) + 1
    else
        sequence = redis.call('HINCRBY', counters, 'in', 1)
    end
    local deadline = now + h.deadline_ms
    redis.call('ZADD', key_deadlines(h.queue), deadline, id)
    redis.call('HSET', key_job(id), 'state', 'waiting', 'ready', now, 'deadline', deadline,
        'sequence', sequence)
    wake(h.queue)
    return waiting
end

-- What leaves the line, by whatever way.
local function count_out(h)
    local counters = key_queue(h.queue)
    redis.call('HINCRBY', counters, 'waiting', -1)
    redis.call('HINCRBY', counters, 'bytes', 0 - h.size) -- not -h.size: "-0" is no integer
    redis.call('HINCRBY', counters, 'out', 1)
end

-- Out of the middle of its line: O(jobs of the same feature and priority), from the head, where
-- those stand that expire.
local function leave_line(id, h)
    local line = key_line(h.queue, h.priority, h.feature_id)
    if not h.popped and redis.call('LREM', line, 1, id) == 1
        and redis.call('EXISTS', line) == 0 then
        redis.call('LREM', key_turns(h.queue, h.priority), 0, h.feature_id)
    end
    count_out(h)
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
local function return_to_line(id, h, now, at_head)
    disown(id, h)
    redis.call('PERSIST', key_stream(h.feature_id, h.chat_id))
    line_up(id, h, now, at_head)
end

-- One line of the job's history, newest last, the 20 newest kept.
local function remember(id, h, now, what, reason, detail)
    local history = h.history and cjson.decode(h.history) or {}
    history[#history + 1] = {at = now, what = what, reason = reason, detail = detail,
        worker = h.owner and worker_of(h.owner) or nil}
    if #history > 20 then table.remove(history, 1) end
    redis.call('HSET', key_job(id), 'history', cjson.encode(history))
end

-- A terminal entry behind all that is there. Where the stream was lost its marker is made first, so
-- that it can be told whose it is.
local function write_end(id, h, kind, ...)
    local stream = key_stream(h.feature_id, h.chat_id)
    local attempt = tonumber(h.attempt or h.first)
    local info, last = own_info(stream), tonumber(h.last or 0)
    local a, n = attempt, last
    if info then a, n = halves(info['last-generated-id']) end
    if a == attempt then n = math.max(n, last) end
    if not info or info.length == 0 or a < attempt then
        redis.call('DEL', stream)
        a, n = attempt, last
        if h.attempt then
            write_start(stream, id, h, attempt, 'history_lost', '')
        else
            redis.call('XADD', stream, h.first .. '-0', 'type', 'queued', 'job', id, 'first', h.first)
        end
    end
    redis.call('XADD', stream, text(a) .. '-' .. text(n + 1), 'type', kind, 'data', '[DONE]', 'job', id, ...)
end

-- The job ends: out of every list, its terminal entry written, its keys on their way out.
-- more: further fields of the entry. A chat that has another job by now keeps its stream as it is.
local function end_job(id, h, now, state, kind, keep_ms, more)
    local chat, job = key_chat(h.feature_id, h.chat_id), key_job(id)
    redis.call('ZREM', key_deadlines(h.queue), id)
    redis.call('ZREM', key_delayed(h.queue), id)
    if h.state == 'waiting' then leave_line(id, h) end
    disown(id, h)
    local current = redis.call('GET', chat)
    if not current or current == id then
        write_end(id, h, kind, unpack(more))
        redis.call('PEXPIRE', key_stream(h.feature_id, h.chat_id), keep_ms)
        redis.call('PEXPIRE', chat, keep_ms)
    end
    redis.call('HSET', job, 'state', state, 'ended', now)
    redis.call('PEXPIRE', job, keep_ms)
end

local function end_expired(id, h, now, ttl)
    end_job(id, h, now, 'expired', 'expired', h.retention_ms or ttl, {'reason', 'deadline'})
end

-- Tries used up: `failed` in the stream, the job among the dead with its reason.
local function bury(id, h, now, ttl, reason, detail, dead_keep_ms, dead_max)
    local tries = (h.attempts or 0) + (h.deaths or 0)
    end_job(id, h, now, 'dead', 'failed', h.retention_ms or ttl,
        {'reason', reason, 'detail', detail, 'attempts', tries})
    redis.call('HSET', key_job(id), 'error', reason, 'error_detail', detail)
    redis.call('PEXPIRE', key_job(id), dead_keep_ms)
    local dead = key_dead(h.queue)
    redis.call('ZADD', dead, now, id)
    redis.call('ZREMRANGEBYSCORE', dead, '-inf', now - dead_keep_ms)
    for _, oldest in ipairs(redis.call('ZRANGE', dead, 0, -1 - dead_max)) do
        redis.call('ZREM', dead, oldest)
        redis.call('DEL', key_job(oldest))
    end
end

-- The worker or the task process is lost: back at once, or dead when that happened too often.
local function die(id, h, now, ttl, reason, detail, deaths_max, dead_keep_ms, dead_max)
    redis.call('ZREM', key_running(h.queue), id)
    h.deaths = redis.call('HINCRBY', key_job(id), 'deaths', 1)
    remember(id, h, now, 'death', reason, detail)
    if h.deaths >= deaths_max then
        bury(id, h, now, ttl, reason, detail, dead_keep_ms, dead_max)
        return 'dead'
    end
    return_to_line(id, h, now, true)
    return 'waiting'
end

-- Delayed jobs whose time has come join the line; at most 100 a call.
local function promote(queue, now)
    local delayed = key_delayed(queue)
    local due = redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, 100)
    for _, id in ipairs(due) do
        redis.call('ZREM', delayed, id)
        local h = read_job(id)
        if h.state == 'delayed' then line_up(id, h, now, false) end
    end
    return #due
end

-- A chat at this moment, as the list that struct chat_view is read from; and its stream_info.
local function look(feature, chat)
    local id = redis.call('GET', key_chat(feature, chat))
    local info = stream_info(key_stream(feature, chat))
    local kind, marker, ended, last_id, marker_id = 'none', nil, 0, nil, nil
    if info == 'broken' then
        kind = 'broken'
    elseif info and info['first-entry'] then
        marker, marker_id = entry_fields(info['first-entry']), info['first-entry'][1]
        last_id = info['last-entry'][1]
        kind = is_marker(marker) and 'ours' or 'foreign'
        ended = is_terminal(entry_fields(info['last-entry'])) and 1 or 0
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
