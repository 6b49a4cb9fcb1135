-- finish: attempts are over. Their last messages may come along.
--
-- ARGV: 1 stream ttl, 2 most deaths, 3 dead retention, 4 most dead, 5 most bytes of the dead;
--       then of each attempt: id, owner, how (done|failed|died), last N, reason, detail, retry (1|0),
--       the task's last words, jitter (0 to 999,999 of a million), max_attempts, backoff_ms,
--       most backoff_ms, alone (1|0), least delay_ms, the attempt's usage or '', first, how many
--       messages, the messages, as in append
-- Answers, in the same order, {ENDED|AGAIN|FENCED|FOREIGN|GONE, state, last N, delay_ms}, or the error
-- that a command failed with: of one job alone. Repeated: FENCED.
local ttl, deaths_most = ARGV[1], tonumber(ARGV[2])
local keep = {tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])}
local now, counters = now_ms(), {}
-- What all that are done are taken from at once: a queue's running ones, a worker's jobs in hand.
local over, in_hand = {}, {}

local function add(lists, key, value)
    local list = lists[key] or {}
    list[#list + 1] = value
    lists[key] = list
end

-- `done` promises that every message is there.
local function finish_done(id, h, wanted)
    local stream = key_stream(h.feature_id, h.chat_id)
    h.measured = h.measured or h.last == wanted and redis.pcall('XLEN', stream) == wanted + 1
    if not h.measured then
        local found, foreign = attempt_end(stream, tonumber(h.attempt), h.last)
        if foreign then return {'FOREIGN', h.state, 0, 0} end
        if found < wanted then return {'GONE', h.state, math.max(found, 0), 0} end
    end
    write_off(id, h, now, 'done', 'done', h.retention_ms or ttl, {}, h.fields or {})
    redis.call('HDEL', key_job(id), 'owner')
    add(over, key_running(h.queue), id)
    add(in_hand, key_worker(worker_of(h.owner)), 'job:' .. id)
    return {'ENDED', 'done', 0, 0}
end

local function finish_failed(id, h, a)
    remember(id, h, now, 'failure', a.reason, a.detail)
    local spent = h.attempts
    h.attempts = redis.call('HINCRBY', key_job(id), 'attempts', 1)
    if a.retry == '0' or h.attempts >= tonumber(h.max_attempts or a.max_attempts) then
        bury(counters, id, h, now, ttl, a.reason, a.detail, keep)
        return {'ENDED', 'dead', 0, 0}
    end
    local most = math.min(tonumber(a.backoff_max), a.backoff * 2 ^ spent)
    -- What a busy provider asks for it asks of all at once: spread by up to a tenth.
    local least = math.floor(a.least * (1 + a.jitter / 10000000))
    local delay = math.max(math.floor(most * a.jitter / 1000000), least)
    disown(id, h)
    redis.call('PERSIST', key_stream(h.feature_id, h.chat_id))
    redis.call('ZADD', key_delayed(h.queue), now + delay, id)
    local c = count(counters, h.queue, now)
    c.bytes, c.changed = c.bytes + h.size, true
    -- Whoever waits on the list for up to a second is to hear of it in time.
    if delay < 1000 then c.wake = true end
    redis.call('HSET', key_job(id), 'state', 'delayed', 'due', text(now + delay), 'delay', text(delay))
    return {'AGAIN', 'delayed', 0, delay}
end

-- What is needed of a job that is done.
local function read_running(id)
    return read(key_job(id), 'owner', 'state', 'queue', 'feature_id', 'chat_id', 'first', 'attempt',
        'number', 'last', 'retention_ms')
end

-- The messages that came along; nil, or the answer of a step that stops here.
local function take_along(id, h, at, to)
    local last, answer = add_messages(id, h.owner, key_stream(h.feature_id, h.chat_id), h.attempt, h.last,
        tonumber(ARGV[at + 15]), at + 17, to)
    if not last then return answer.err and answer or {answer[1], h.state, answer[2], 0} end
    h.measured, h.fields = true, {'last', text(last)}
    h.last = last
end

-- The attempt that is described from ARGV[at] to ARGV[to].
local function finish(at, to)
    local id, how = ARGV[at], ARGV[at + 2]
    local h = read_running(id)
    if h.owner ~= ARGV[at + 1] then return {'FENCED', h.state or '', 0, 0} end
    h.last = tonumber(h.last)
    local stopped = to > at + 16 and take_along(id, h, at, to)
    if stopped then return stopped end
    if ARGV[at + 14] ~= '' then
        h.fields = h.fields or {}
        h.fields[#h.fields + 1] = 'usage:' .. h.attempt
        h.fields[#h.fields + 1] = ARGV[at + 14]
    end
    if how == 'done' then
        if h.measured and h.last < tonumber(ARGV[at + 3]) then return {'GONE', h.state, h.last, 0} end
        return finish_done(id, h, tonumber(ARGV[at + 3]))
    end
    redis.call('ZREM', key_running(h.queue), id)
    if h.fields then redis.call('HSET', key_job(id), unpack(h.fields)) end
    h = read_job(id)
    h.attempts, h.deaths, h.last = tonumber(h.attempts), tonumber(h.deaths), tonumber(h.last)
    -- For the operator, not for the client: they may hold paths and secrets.
    if ARGV[at + 7] ~= '' then redis.call('HSET', key_job(id), 'words', ARGV[at + 7]) end
    if ARGV[at + 12] == '1' then redis.call('HSET', key_job(id), 'alone', '1') end
    local reason, detail = ARGV[at + 4], ARGV[at + 5]
    if how == 'failed' then
        return finish_failed(id, h, {reason = reason, detail = detail, retry = ARGV[at + 6],
            jitter = ARGV[at + 8], max_attempts = ARGV[at + 9], backoff = ARGV[at + 10],
            backoff_max = ARGV[at + 11], least = ARGV[at + 13]})
    end
    local state = die(counters, id, h, now, ttl, reason, detail, deaths_most, keep)
    return {state == 'dead' and 'ENDED' or 'AGAIN', state, 0, 0}
end

local answers, at = {}, 6
while at < #ARGV do
    local to = at + 16 + ARGV[at + 16]
    answers[#answers + 1] = alone(finish, at, to)
    at = to + 1
end
for key, ids in pairs(over) do redis.call('ZREM', key, unpack(ids)) end
for key, fields in pairs(in_hand) do redis.call('HDEL', key, unpack(fields)) end
save(counters)
return answers
