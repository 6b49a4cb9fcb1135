-- fsck_shared.lua: what must be true of each key of ours, a function for each kind; and beside each
-- rule what the steps would do where it is broken, had they come across it.
--
-- A look (`r`) collects what was found, and stops when it has cost enough: so that no call holds
-- Redis up, however much a key holds. Nothing is written unless r.mend. These are put behind
-- shared.lua; a function may call only what stands above it, by its name.

-- A unit of cost is about a look at one job in a list, 2 to 5 µs.
local function fsck_begin(mend, stream_ttl, lease, idempotency_ttl, dead_keep, deadline)
    return {mend = mend == '1', ttl = tonumber(stream_ttl), lease = tonumber(lease),
        idem_ttl = tonumber(idempotency_ttl), dead_keep = tonumber(dead_keep),
        deadline_ms = tonumber(deadline), now = now_ms(), left = 150, found = {}, rest = {},
        waiting = {}, stood = {}, sums = {}, jobs = 0, streams = 0, others = 0,
        -- The kinds of keys by their first word: how many parts their names have, and their types.
        parts = {job = 2, worker = 2, schedule = 2, queue = 2, queues = 1, workers = 1,
            schedules = 1, routes = 1, chat = 3, stream = 3, idem = 4},
        types = {job = 'hash', worker = 'hash', schedule = 'hash', queue = 'hash', queues = 'set',
            workers = 'zset', schedules = 'zset', routes = 'hash', chat = 'string', stream = 'stream'},
        -- queue:<q>:…
        lists = {delayed = 'zset', running = 'zset', deadlines = 'zset', dead = 'zset', wake = 'list',
            types = 'zset'}}
end

-- Something does not fit. fix: puts it right and says how; nil where no step would.
local function fsck_note(r, word, key, sentence, fix)
    local done = ''
    if r.mend and fix then
        done = fix()
        r.left = r.left - 50
    end
    r.found[#r.found + 1] = {word, key, sentence, done}
end

-- An error of Redis's own, such as a key of a wrong type in the way, is a finding too.
local function fsck_guarded(r, key, look)
    local good, wrong = pcall(look)
    if good then return end
    fsck_note(r, 'unreadable', key, 'cannot be looked at: '
        .. tostring(type(wrong) == 'table' and wrong.err or wrong))
end

-- keep_ms: it has to expire, and is kept so long if it does not; nil: it must not.
local function fsck_expiry(r, word, key, keep_ms, why)
    local left = redis.call('PTTL', key)
    if keep_ms and left == -1 then
        fsck_note(r, word .. '_stays', key, why .. ', and the key has no expiry', function()
            redis.call('PEXPIRE', key, keep_ms)
            return 'expires in ' .. text(keep_ms) .. ' ms'
        end)
    elseif not keep_ms and left >= 0 then
        fsck_note(r, word .. '_expires', key, why .. ', and the key expires in ' .. text(left)
            .. ' ms', function()
            redis.call('PERSIST', key)
            return 'its expiry was taken away'
        end)
    end
end

-- The chat's job; false where the key is not there or not a text.
local function fsck_chat_job(feature, chat)
    local id = redis.pcall('GET', key_chat(feature, chat))
    return type(id) == 'string' and id
end

-- The stream of a job that lives, as where Redis had lost it: its marker alone. A worker that has
-- the job writes its messages again.
local function fsck_remake(r, id, h)
    local stream = key_stream(h.feature_id, h.chat_id)
    redis.call('DEL', stream)
    if not h.attempt then
        redis.call('XADD', stream, h.first .. '-0', 'type', 'queued', 'job', id, 'first', h.first)
        return 'its marker was written again'
    end
    write_start(stream, id, h.first, h.number, tonumber(h.attempt), 'history_lost',
        h.owner and worker_of(h.owner) or '')
    if h.state == 'running' then
        redis.call('HSET', key_job(id), 'last', 0)
        redis.call('PEXPIRE', stream, r.ttl)
    end
    return 'its marker was written again, history_lost'
end

-- ---- jobs ----

local function fsck_running(r, key, id, h)
    if not h.owner then
        fsck_note(r, 'running_without_owner', key, 'is running, and has no owner', function()
            local counters = {}
            return_to_line(counters, id, h, r.now)
            save(counters)
            return 'went back to the head of its line, unspent'
        end)
        return
    end
    local leases, worker = key_running(h.queue), key_worker(worker_of(h.owner))
    if not redis.call('ZSCORE', leases, id) then
        fsck_note(r, 'running_without_lease', key, 'is running, and has no lease', function()
            redis.call('ZADD', leases, r.now, id)
            return 'got a lease that is over, for the reaper'
        end)
    end
    if redis.call('EXISTS', worker) == 1
        and redis.call('HGET', worker, 'job:' .. id) ~= h.owner then
        fsck_note(r, 'owner_without_hand', key, 'is owned by ' .. h.owner
            .. ', whose hash does not say so', function()
            redis.call('HSET', worker, 'job:' .. id, h.owner)
            return 'the hash says so'
        end)
    end
end

local function fsck_deadline(r, key, id, h)
    local deadlines = key_deadlines(h.queue)
    local score = redis.call('ZSCORE', deadlines, id)
    if not score then
        fsck_note(r, 'waiting_without_deadline', key, 'is waiting, and has no deadline', function()
            local deadline = tonumber(h.deadline) or count({}, h.queue, r.now).now
                + (tonumber(h.deadline_ms) or r.deadline_ms)
            redis.call('ZADD', deadlines, deadline, id)
            redis.call('HSET', key, 'deadline', deadline)
            return 'got its deadline'
        end)
    elseif tonumber(score) ~= tonumber(h.deadline) then
        fsck_note(r, 'deadline_differs', key, 'says ' .. tostring(h.deadline)
            .. ' for its deadline, and the queue says ' .. score, function()
            redis.call('HSET', key, 'deadline', score)
            return 'it says what the queue says'
        end)
    end
end

-- more: further fields of the hash.
local function fsck_placed(r, key, id, h, more)
    if h.state == 'running' then
        fsck_running(r, key, id, h)
    elseif h.owner then
        fsck_note(r, 'owner_without_running', key, 'is ' .. h.state .. ', and its owner is '
            .. h.owner, function()
            disown(id, h)
            return 'has no owner any more'
        end)
    end
    if h.state == 'waiting' then
        r.waiting[#r.waiting + 1] = id
        fsck_deadline(r, key, id, h)
    elseif h.state == 'delayed' and not redis.call('ZSCORE', key_delayed(h.queue), id) then
        fsck_note(r, 'delayed_without_due', key, 'is delayed, and for no time', function()
            redis.call('ZADD', key_delayed(h.queue), more.due or r.now, id)
            return 'is due'
        end)
    elseif h.state == 'dead' and more.retried_as and redis.call('HEXISTS', key, 'payload') == 1 then
        fsck_note(r, 'retried_with_payload', key, 'was retried, and still has its payload',
            function()
                redis.call('HDEL', key, 'payload')
                return 'has none any more'
            end)
    elseif h.state == 'dead' and not more.retried_as
        and not redis.call('ZSCORE', key_dead(h.queue), id) then
        fsck_note(r, 'dead_not_listed', key, 'is dead, and not among the dead', function()
            redis.call('ZADD', key_dead(h.queue), more.ended or r.now, id)
            redis.call('HINCRBY', key_queue(h.queue), 'dead_bytes', h.size)
            return 'is among them'
        end)
    end
end

-- Whose chat it is: the stream's first entry decides, and a job that is there.
local function fsck_own_chat(r, key, id, h)
    local chat, stream = key_chat(h.feature_id, h.chat_id), key_stream(h.feature_id, h.chat_id)
    local current = fsck_chat_job(h.feature_id, h.chat_id)
    if current ~= id then
        fsck_note(r, 'not_its_chats', key, 'is ' .. h.state .. ', and its chat has '
            .. (current or 'no job'), function()
            local info = stream_info(stream)
            local first = type(info) == 'table' and info['first-entry']
            if (first and pairs_of(first[2]).job == id) or not current
                or redis.call('EXISTS', key_job(current)) == 0 then
                redis.call('SET', chat, id)
                return 'is its chat\'s'
            end
            local counters = {}
            end_cancelled(counters, id, h, r.now, r.ttl, 'replaced', {})
            save(counters)
            return 'was cancelled: replaced'
        end)
    elseif redis.call('EXISTS', stream) == 0 then
        fsck_note(r, 'stream_missing', key, 'is ' .. h.state .. ', and has no stream', function()
            return fsck_remake(r, id, h)
        end)
    end
end

local function fsck_job(r, key, id)
    local h, more = read_job(id), read(key_job(id), 'due', 'ended', 'retried_as', 'alone')
    r.jobs, r.left = r.jobs + 1, r.left - 3
    local alive, state = is_alive(h.state), h.state
    if not alive and state ~= 'done' and state ~= 'dead' and state ~= 'cancelled'
        and state ~= 'expired' then
        -- Half put in, by a step that an error ended: it goes by itself.
        fsck_expiry(r, 'job', key, r.ttl, 'has the state ' .. tostring(state))
        return
    end
    if not (h.queue and h.priority and h.feature_id and h.chat_id and tonumber(h.size)
        and tonumber(h.first)) then
        fsck_note(r, 'job_fields', key, 'lacks one of queue, priority, feature_id, chat_id, size, first')
        return
    end
    local keep = tonumber(h.retention_ms) or r.ttl
    if state == 'dead' then keep = more.retried_as and r.idem_ttl or r.dead_keep + 3600000 end
    fsck_expiry(r, 'job', key, not alive and keep or nil, 'is ' .. state)
    if more.alone and more.alone ~= '1' then
        fsck_note(r, 'alone_value', key, 'is to be alone: ' .. more.alone, function()
            redis.call('HSET', key, 'alone', '1')
            return 'says 1'
        end)
    end
    if alive then fsck_own_chat(r, key, id, h) end
    -- It may have been mended just now.
    h.state = redis.call('HGET', key, 'state')
    if h.state == state then fsck_placed(r, key, id, h, more) end
end

-- The second look at a job that was not met in its line, or twice. O(jobs in that line).
local function fsck_waiting(r, id)
    local h = read_job(id)
    if h.state ~= 'waiting' or not (h.queue and h.priority and h.feature_id) then return end
    local line, turns = key_line(h.queue, h.priority, h.feature_id), key_turns(h.queue, h.priority)
    local places = redis.pcall('LPOS', line, id, 'COUNT', 2)
    r.left = r.left - 10 - redis.call('LLEN', line) / 100
    if #places == 0 then
        fsck_note(r, 'waiting_in_no_line', key_job(id), 'is waiting, and not in ' .. line, function()
            redis.call('LPUSH', line, id)
            if not redis.call('LPOS', turns, h.feature_id) then
                redis.call('LPUSH', turns, h.feature_id)
            end
            wake(h.queue)
            return 'stands at its head'
        end)
    elseif #places > 1 then
        fsck_note(r, 'waiting_twice', key_job(id), 'stands more than once in ' .. line, function()
            local times = #redis.call('LPOS', line, id, 'COUNT', 0)
            redis.call('LREM', line, 1 - times, id)
            return 'stands there once'
        end)
    end
end

-- ---- chats and streams ----

local function fsck_chat(r, key, feature, chat)
    local id = redis.call('GET', key)
    local h = read(key_job(id), 'state', 'feature_id', 'chat_id', 'retention_ms')
    local drop = function()
        redis.call('DEL', key)
        return 'was removed'
    end
    if not h.state then
        -- A dead job may be dropped before its chat goes.
        if redis.call('PTTL', key) == -1 then
            fsck_note(r, 'chat_without_job', key, 'names ' .. id .. ', which is not there', drop)
        end
    elseif h.feature_id ~= feature or h.chat_id ~= chat then
        fsck_note(r, 'chat_of_other', key, 'names ' .. id .. ', which is another chat\'s', drop)
    else
        local keep = tonumber(h.retention_ms) or r.ttl
        fsck_expiry(r, 'chat', key, not is_alive(h.state) and keep or nil, 'its job is ' .. h.state)
    end
end

-- A stream of ours is its marker A-0 and A-1 … A-N; so its length tells whether there is a hole.
-- Before an end that is not `done` a tail may be missing, announced by the ids: Redis lost it.
local function fsck_hole(key, info, ended)
    local a, n = halves(info['first-entry'][1])
    local last_a, last_n = halves(info['last-entry'][1])
    if n ~= 0 then return 'the first entry is ' .. info['first-entry'][1] end
    if last_a ~= a then return 'it goes on as ' .. info['last-entry'][1] end
    if last_n == info.length - 1 then return nil end
    if ended and ended ~= 'done' then
        local before = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 2)[2]
        if before and select(2, halves(before[1])) == info.length - 2 then return nil end
    end
    return 'it has ' .. text(info.length) .. ' entries and ends with ' .. info['last-entry'][1]
end

-- What its ends say.
local function fsck_stream_ends(r, key, id, h, marker, info)
    local alive, last = is_alive(h.state), pairs_of(info['last-entry'][2])
    local ended = info.length > 1 and is_terminal(last) and (last.type or 'an end of no type')
    local kind = h.state == 'dead' and 'failed' or h.state
    local remake = alive and function() return fsck_remake(r, id, h) end or nil
    local attempt = h.attempt or h.first
    local hole = fsck_hole(key, info, ended)
    if hole then
        fsck_note(r, 'stream_form', key, hole, remake)
    elseif info['first-entry'][1] ~= attempt .. '-0' or marker.first ~= h.first then
        fsck_note(r, 'stream_marker', key, 'begins with ' .. info['first-entry'][1] .. ' of '
            .. tostring(marker.first) .. '; its job\'s attempt is ' .. attempt .. ' of ' .. h.first,
            remake)
    elseif alive and ended then
        fsck_note(r, 'stream_end', key, 'ends as ' .. ended .. ', and its job is ' .. h.state, remake)
    elseif not alive and not ended then
        local known = kind == 'done' or kind == 'failed' or kind == 'cancelled' or kind == 'expired'
        fsck_note(r, 'stream_end', key, 'has no end, and its job is ' .. h.state, known and function()
            write_end(key, id, h, kind, {'reason', redis.call('HGET', key_job(id), 'error') or ''})
            return 'got its end'
        end or nil)
    elseif not alive and ended ~= kind then
        fsck_note(r, 'stream_end', key, 'ends as ' .. ended .. ', and its job is ' .. h.state)
    elseif h.state == 'running' and tonumber(h.last) ~= info.length - 1 then
        fsck_note(r, 'stream_last', key, 'ends with ' .. info['last-entry'][1]
            .. ', and its job says ' .. tostring(h.last), remake)
    end
end

-- Nothing of ours but messages stands in the middle. Answers where to go on.
local function fsck_stream_middle(r, key, id, h, attempt, length, from)
    local bytes = 0
    while from < length - 1 and r.left > 0 and bytes < 262144 do
        -- Few at a time: each may be large.
        for _, entry in ipairs(redis.call('XRANGE', key, attempt .. '-' .. text(from),
            attempt .. '-' .. text(math.min(from + 15, length - 2)))) do
            local fields = pairs_of(entry[2])
            if fields.type then
                fsck_note(r, 'stream_middle', key, entry[1] .. ' is ' .. fields.type
                    .. ', in the middle', is_alive(h.state) and function()
                        return fsck_remake(r, id, h)
                    end or nil)
                return nil
            end
            bytes = bytes + #(fields.data or '')
        end
        from, r.left = from + 16, r.left - 16
    end
    return from < length - 1 and attempt .. '-' .. text(from) or nil
end

-- Another program's stream, or one whose job was lost, is nobody's promise.
local function fsck_stream(r, key, feature, chat, cursor)
    local info = stream_info(key)
    local first = type(info) == 'table' and info['first-entry']
    local marker = first and pairs_of(first[2])
    r.left = r.left - 5
    if not marker or not is_marker(marker) then return nil end
    local attempt = string.match(first[1], '^(%d+)')
    local id, current = marker.job, fsck_chat_job(feature, chat)
    local h = read_job(id)
    if cursor ~= '0' then
        local a, from = halves(cursor)
        -- Another attempt by now has its own beginning: it was met in the middle of a change.
        if text(a) ~= attempt then return nil end
        return fsck_stream_middle(r, key, id, h, attempt, info.length, from)
    end
    if not h.state or h.feature_id ~= feature or h.chat_id ~= chat then
        if redis.call('PTTL', key) == -1 then
            fsck_note(r, 'stream_without_job', key, 'is of ' .. id .. ', which is not there',
                function()
                    redis.call('PEXPIRE', key, r.ttl)
                    return 'expires in ' .. text(r.ttl) .. ' ms'
                end)
        end
        return nil
    elseif current and current ~= id then
        local now = read_job(current)
        if now.state then
            fsck_note(r, 'stream_of_other', key, 'is of ' .. id .. ', and its chat has ' .. current,
                function()
                    if is_alive(now.state) then return fsck_remake(r, current, now) end
                    redis.call('DEL', key_chat(feature, chat))
                    return 'the chat has it'
                end)
        end
        return nil
    end
    local keep = h.state ~= 'waiting' and h.state ~= 'delayed'
    fsck_expiry(r, 'stream', key, keep and (not is_alive(h.state) and tonumber(h.retention_ms)
        or r.ttl) or nil, 'its job is ' .. h.state)
    fsck_stream_ends(r, key, id, h, marker, info)
    if redis.call('XLEN', key) ~= info.length then return nil end
    return fsck_stream_middle(r, key, id, h, attempt, info.length, 1)
end

-- Something else in a stream's place. It harms nobody until a chat wants to write there.
local function fsck_no_stream(r, key, feature, chat)
    local id = fsck_chat_job(feature, chat)
    local h = id and read_job(id) or {}
    if is_alive(h.state) then
        fsck_note(r, 'wrong_type', key, 'is no stream, and its job is ' .. h.state, function()
            return fsck_remake(r, id, h)
        end)
    end
end

-- ---- queues ----

local function fsck_line(r, key, queue, priority, feature, cursor)
    local turns, from = key_turns(queue, priority), tonumber(cursor)
    if from == 0 then
        local places = redis.pcall('LPOS', turns, feature, 'COUNT', 2)
        if #places == 0 then
            fsck_note(r, 'line_without_turn', key, 'is not in ' .. turns, function()
                redis.call('RPUSH', turns, feature)
                return 'has its turn'
            end)
        elseif #places > 1 then
            fsck_note(r, 'turn_twice', turns, 'has ' .. feature .. ' more than once', function()
                redis.call('LREM', turns, 1 - #redis.call('LPOS', turns, feature, 'COUNT', 0), feature)
                return 'has it once'
            end)
        end
    end
    local ids = redis.call('LRANGE', key, from, from + 99)
    r.left = r.left - 3 - #ids
    for _, id in ipairs(ids) do
        local h = read(key_job(id), 'state', 'queue', 'priority', 'feature_id')
        if h.state == 'waiting' and h.queue == queue and h.priority == priority
            and h.feature_id == feature then
            r.stood[#r.stood + 1] = id
        else
            fsck_note(r, 'line_without_waiting', key, 'has ' .. id .. ', which is '
                .. (h.state or 'not there') .. (h.state == 'waiting' and ' in another line' or ''),
                function()
                    redis.call('LREM', key, 1, id)
                    if redis.call('EXISTS', key) == 0 then redis.call('LREM', turns, 0, feature) end
                    return 'it was taken out'
                end)
        end
    end
    return #ids == 100 and text(from + 100) or nil
end

local function fsck_turns(r, key, queue, priority, cursor)
    local from = tonumber(cursor)
    local features = redis.call('LRANGE', key, from, from + 99)
    r.left = r.left - #features / 2
    for _, feature in ipairs(features) do
        if redis.call('EXISTS', key_line(queue, priority, feature)) == 0 then
            fsck_note(r, 'turn_without_line', key, 'has ' .. feature .. ', of which none waits',
                function()
                    redis.call('LREM', key, 0, feature)
                    return 'it was taken out'
                end)
        end
    end
    return #features == 100 and text(from + 100) or nil
end

-- Where the cursor of a SCAN goes on.
local function fsck_next(page)
    return page[1] ~= '0' and page[1] or nil
end

-- A sorted set of jobs: each of them is in the state that the set is for.
local function fsck_scored(r, key, queue, state, word, cursor)
    local page = redis.call('ZSCAN', key, cursor, 'COUNT', 100)
    local size, list = 0, page[2]
    r.left = r.left - #list / 2
    for i = 1, #list, 2 do
        local id = list[i]
        local h = read(key_job(id), 'state', 'queue', 'size', 'retried_as')
        -- A dead one whose time is over: the next reap takes it.
        local over = state == 'dead' and not h.state and tonumber(list[i + 1]) <= r.now - r.dead_keep
        if h.state == state and h.queue == queue and not (state == 'dead' and h.retried_as) then
            size = size + (tonumber(h.size) or 0)
        elseif not over then
            local is = h.state or 'not there'
            if h.state == state then
                is = h.queue == queue and 'retried' or 'of the queue ' .. tostring(h.queue)
            end
            fsck_note(r, word, key, 'has ' .. id .. ', which is ' .. is, function()
                redis.call('ZREM', key, id)
                return 'it was taken out'
            end)
        end
    end
    if state == 'dead' then
        r.sums[#r.sums + 1] = {queue, 0, size}
    elseif state ~= 'running' then
        r.sums[#r.sums + 1] = {queue, size, 0}
    end
    return fsck_next(page)
end

local function fsck_wake(r, key)
    local tokens = redis.call('LLEN', key)
    if tokens > 16 then
        fsck_note(r, 'wake_tokens', key, 'has ' .. tokens .. ' tokens, of at most 16', function()
            redis.call('LTRIM', key, 0, 15)
            return 'has 16'
        end)
    end
end

-- What changes when anything enters or leaves the queue.
local function fsck_marks(queue)
    local c = redis.call('HMGET', key_queue(queue), 'in', 'out', 'taken', 'waiting', 'bytes', 'dead_bytes')
    for i = 1, 6 do c[i] = c[i] or '0' end
    c[7], c[8] = redis.call('ZCARD', key_delayed(queue)), redis.call('ZCARD', key_dead(queue))
    return table.concat(c, ' ')
end

-- How many wait, by the lines. More than 2,000 lines: nil.
local function fsck_count_lines(queue)
    local lines, waiting = 0, 0
    for priority = 0, 9 do
        local turns, seen = key_turns(queue, priority), {}
        lines = lines + redis.call('LLEN', turns)
        if lines > 2000 then return nil end
        for _, feature in ipairs(redis.call('LRANGE', turns, 0, -1)) do
            if not seen[feature] then
                waiting = waiting + redis.call('LLEN', key_line(queue, priority, feature))
            end
            seen[feature] = true
        end
    end
    return waiting
end

-- The bytes of the bodies of all jobs in a sorted set.
local function fsck_count_bytes(set)
    local size = 0
    for _, id in ipairs(redis.call('ZRANGE', set, 0, -1)) do
        size = size + (tonumber(redis.call('HGET', key_job(id), 'size')) or 0)
    end
    return size
end

local function fsck_counter(r, key, field, is)
    local says = tonumber(redis.call('HGET', key, field)) or 0
    if says ~= is then
        fsck_note(r, 'counter_' .. field, key, 'counts ' .. text(says) .. ' ' .. field
            .. ', and should ' .. text(is), function()
            redis.call('HSET', key, field, text(is))
            return field .. ' is ' .. text(is)
        end)
    end
end

-- A queue's counters against what is there, in one look. The bytes need a look at every job: of 500
-- that wait and 500 dead at most; or of any number where the queue stood still (marks) while
-- somebody added them up (bytes, dead_bytes). Answers 1 where everything was compared.
local function fsck_counters(r, queue, marks, bytes, dead_bytes)
    local key, all = key_queue(queue), 1
    local still = marks ~= '' and marks == fsck_marks(queue)
    local deadlines, delayed = key_deadlines(queue), key_delayed(queue)
    local waiting, stand = redis.call('ZCARD', deadlines), fsck_count_lines(queue)
    -- Where the two differ one of them is wrong, which is told elsewhere: no more is said here.
    if stand and stand ~= waiting and not r.mend then return 1 end
    fsck_counter(r, key, 'waiting', waiting)
    fsck_counter(r, key, 'out', (tonumber(redis.call('HGET', key, 'in')) or 0) - waiting)
    if waiting + redis.call('ZCARD', delayed) <= 500 then
        fsck_counter(r, key, 'bytes', fsck_count_bytes(deadlines) + fsck_count_bytes(delayed))
    elseif still then
        fsck_counter(r, key, 'bytes', tonumber(bytes))
    else
        all = 0
    end
    if redis.call('ZCARD', key_dead(queue)) <= 500 then
        fsck_counter(r, key, 'dead_bytes', fsck_count_bytes(key_dead(queue)))
    elseif still then
        fsck_counter(r, key, 'dead_bytes', tonumber(dead_bytes))
    else
        all = 0
    end
    return all
end

local function fsck_listed(r, key, queue)
    if queue ~= 'default' and redis.call('SISMEMBER', key_queues(), queue) == 0 then
        fsck_note(r, 'queue_not_listed', key, 'is of the queue ' .. queue .. ', which is not in '
            .. key_queues(), function()
            redis.call('SADD', key_queues(), queue)
            return 'it is'
        end)
    end
end

-- ---- workers and schedules ----

local function fsck_worker(r, key, cursor)
    if cursor == '0' then fsck_expiry(r, 'worker', key, 3 * r.lease, 'is a worker\'s') end
    local page = redis.call('HSCAN', key, cursor, 'COUNT', 100)
    r.left = r.left - #page[2] / 2
    for i = 1, #page[2], 2 do
        local field, owner = page[2][i], page[2][i + 1]
        local id = string.match(field, '^job:(.*)$')
        local is = id and redis.call('HGET', key_job(id), 'owner')
        if id and is ~= owner then
            fsck_note(r, 'hand_without_owner', key, 'has ' .. id .. ' as ' .. owner
                .. ', and its owner is ' .. (is or 'nobody'), function()
                redis.call('HDEL', key, field)
                return 'it was taken out'
            end)
        end
    end
    return fsck_next(page)
end

local function fsck_workers(r, key, cursor)
    local page = redis.call('ZSCAN', key, cursor, 'COUNT', 100)
    r.left = r.left - #page[2] / 2
    for i = 1, #page[2], 2 do
        local worker, seen = page[2][i], tonumber(page[2][i + 1])
        -- Not heard of for three leases: the next reap takes it out.
        if seen > r.now - 3 * r.lease and redis.call('EXISTS', key_worker(worker)) == 0 then
            fsck_note(r, 'worker_without_hash', key, 'has ' .. worker .. ', of which nothing is known',
                function()
                    redis.call('ZREM', key, worker)
                    return 'it was taken out'
                end)
        end
    end
    return fsck_next(page)
end

local function fsck_schedules(r, key, cursor)
    local page = redis.call('ZSCAN', key, cursor, 'COUNT', 100)
    r.left = r.left - #page[2] / 2
    for i = 1, #page[2], 2 do
        local name = page[2][i]
        if redis.call('EXISTS', key_schedule(name)) == 0 then
            fsck_note(r, 'schedule_without_hash', key, 'has ' .. name .. ', of which nothing is known',
                function()
                    redis.call('ZREM', key, name)
                    return 'it was taken out'
                end)
        end
    end
    return fsck_next(page)
end

-- Its next occasion only its rhythm tells: whoever wrote it puts it again.
local function fsck_schedule(r, key, name)
    if not redis.call('ZSCORE', key_schedules(), name) then
        fsck_note(r, 'schedule_without_time', key, 'has no next occasion')
    end
end

-- ---- any key ----

local function fsck_parts(key)
    local parts, rest = {}, string.sub(key, #key_routes() - #'routes' + 1)
    for part in string.gmatch(rest .. ':', '([^:]*):') do
        parts[#parts + 1] = part
    end
    return parts
end

-- What a key is by its name: kind, and its type in Redis. nil: none of ours.
local function fsck_kind(r, parts)
    local first, count = parts[1], #parts
    if first == 'idem' and count > 3 then return first, 'string' end
    if first == 'queue' and count > 2 then
        if count == 3 and r.lists[parts[3]] then return parts[3], r.lists[parts[3]] end
        if count > 4 or not string.match(parts[3], '^%d$') then return nil end
        return count == 3 and 'turns' or 'line', 'list'
    end
    return r.parts[first] == count and first or nil, r.types[first]
end

-- A key that is none of ours. Without a prefix the database may be shared with other programs.
local function fsck_other(r, key, first)
    if key_routes() == 'routes' and not r.parts[first] then
        r.others = r.others + 1
    else
        fsck_note(r, 'unknown_key', key, 'is of no known kind')
    end
end

-- Look at a key. cursor: '0', or what the last look at it answered: it has more. nil: that was all.
local function fsck_key(r, key, cursor)
    local parts = fsck_parts(key)
    local kind, wanted = fsck_kind(r, parts)
    local found = redis.call('TYPE', key).ok
    r.left = r.left - 2
    if found == 'none' then return nil end
    if not kind then return fsck_other(r, key, parts[1]) end
    if kind == 'stream' and cursor == '0' then r.streams = r.streams + 1 end
    if kind == 'stream' and found ~= wanted then return fsck_no_stream(r, key, parts[2], parts[3]) end
    if found ~= wanted then
        return fsck_note(r, 'wrong_type', key, 'is a ' .. found .. ', and should be a ' .. wanted)
    end
    if kind == 'job' then return fsck_job(r, key, parts[2]) end
    if kind == 'chat' then return fsck_chat(r, key, parts[2], parts[3]) end
    if kind == 'stream' then return fsck_stream(r, key, parts[2], parts[3], cursor) end
    if kind == 'idem' then return fsck_expiry(r, 'idem', key, r.idem_ttl, 'is a key\'s memory') end
    if kind == 'worker' then return fsck_worker(r, key, cursor) end
    if cursor == '0' then fsck_expiry(r, 'key', key, nil, 'is for ever') end
    if kind == 'line' then return fsck_line(r, key, parts[2], parts[3], parts[4], cursor) end
    if kind == 'turns' then return fsck_turns(r, key, parts[2], parts[3], cursor) end
    if kind == 'running' then
        return fsck_scored(r, key, parts[2], 'running', 'lease_without_running', cursor)
    elseif kind == 'deadlines' then
        return fsck_scored(r, key, parts[2], 'waiting', 'deadline_without_waiting', cursor)
    elseif kind == 'delayed' then
        return fsck_scored(r, key, parts[2], 'delayed', 'due_without_delayed', cursor)
    elseif kind == 'dead' then
        return fsck_scored(r, key, parts[2], 'dead', 'listed_without_dead', cursor)
    end
    if kind == 'wake' then return fsck_wake(r, key) end
    if kind == 'queue' then
        -- One that was only ever reaped, since a worker serves it, has no numbers yet.
        return redis.call('HEXISTS', key, 'in') == 1 and fsck_listed(r, key, parts[2]) or nil
    end
    if kind == 'workers' then return fsck_workers(r, key, cursor) end
    if kind == 'schedules' then return fsck_schedules(r, key, cursor) end
    if kind == 'schedule' then return fsck_schedule(r, key, parts[2]) end
    return nil
end
