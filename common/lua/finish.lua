-- finish: attempts are over.
--
-- ARGV: 1 stream ttl, 2 most deaths, 3 dead retention, 4 most dead, 5 most bytes of the dead;
--       then of each attempt: id, owner, how (done|failed|died), last N, reason, detail, retry (1|0),
--       the task's last words, jitter (0 to 999,999 of a million), max_attempts, backoff_ms,
--       most backoff_ms, alone (1|0)
-- Answers, in the same order, {ENDED|AGAIN|FENCED|FOREIGN|GONE|REFUSED, state, last N, delay_ms}.
-- Repeated: FENCED. REFUSED: a command failed half way, as on a key of a wrong type, and nobody else's
-- end is to suffer from it.
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
    h.measured = h.last == wanted and redis.pcall('XLEN', stream) == wanted + 1
    if not h.measured then
        local found, foreign = attempt_end(stream, tonumber(h.attempt), h.last)
        if foreign then return {'FOREIGN', h.state, 0, 0} end
        if found < wanted then return {'GONE', h.state, math.max(found, 0), 0} end
    end
    write_off(id, h, now, 'done', 'done', h.retention_ms or ttl, {}, {})
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
    local delay = math.floor(most * a.jitter / 1000000)
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

local function finish(a)
    -- What is needed of a job that is done.
    local h = read(key_job(a.id), 'owner', 'state', 'queue', 'feature_id', 'chat_id', 'first', 'attempt',
        'number', 'last', 'retention_ms')
    if h.owner ~= a.owner then return {'FENCED', h.state or '', 0, 0} end
    h.last = tonumber(h.last)
    if a.how == 'done' then return finish_done(a.id, h, tonumber(a.last)) end
    h = read_job(a.id)
    h.attempts, h.deaths, h.last = tonumber(h.attempts), tonumber(h.deaths), tonumber(h.last)
    redis.call('ZREM', key_running(h.queue), a.id)
    -- For the operator, not for the client: they may hold paths and secrets.
    if a.words ~= '' then redis.call('HSET', key_job(a.id), 'words', a.words) end
    if a.alone == '1' then redis.call('HSET', key_job(a.id), 'alone', '1') end
    if a.how == 'failed' then return finish_failed(a.id, h, a) end
    local state = die(counters, a.id, h, now, ttl, a.reason, a.detail, deaths_most, keep)
    return {state == 'dead' and 'ENDED' or 'AGAIN', state, 0, 0}
end

local answers = {}
for i = 6, #ARGV, 13 do
    local good, answer = pcall(function()
        return finish({id = ARGV[i], owner = ARGV[i + 1], how = ARGV[i + 2], last = ARGV[i + 3],
            reason = ARGV[i + 4], detail = ARGV[i + 5], retry = ARGV[i + 6], words = ARGV[i + 7],
            jitter = ARGV[i + 8], max_attempts = ARGV[i + 9], backoff = ARGV[i + 10],
            backoff_max = ARGV[i + 11], alone = ARGV[i + 12]})
    end)
    answers[#answers + 1] = good and answer or {'REFUSED', '', 0, 0}
end
for key, ids in pairs(over) do redis.call('ZREM', key, unpack(ids)) end
for key, fields in pairs(in_hand) do redis.call('HDEL', key, unpack(fields)) end
save(counters)
return answers
