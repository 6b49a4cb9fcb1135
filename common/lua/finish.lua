-- finish: an attempt is over.
--
-- ARGV: 1 id, 2 owner, 3 how (done|failed|died), 4 last N, 5 reason, 6 detail, 7 retry (1|0),
--       8 jitter (0 to 999,999 of a million), 9 backoff_ms, 10 most backoff_ms, 11 stream ttl,
--       12 most deaths, 13 dead retention, 14 most dead, 15 the task's last words
-- Answers {ENDED|AGAIN|FENCED|FOREIGN|GONE, state, last N, delay_ms}. Repeated: FENCED.
local id, how, reason, detail = ARGV[1], ARGV[3], ARGV[5], ARGV[6]
local h = read_job(id)
if h.owner ~= ARGV[2] then return {'FENCED', h.state or '', 0, 0} end
h.attempts, h.deaths, h.last = tonumber(h.attempts), tonumber(h.deaths), tonumber(h.last)

local now, ttl = now_ms(), ARGV[11]
if how == 'done' then
    -- `done` promises that every message is there.
    local stream, wanted = key_stream(h.feature_id, h.chat_id), tonumber(ARGV[4])
    if h.last ~= wanted or redis.pcall('XLEN', stream) ~= wanted + 1 then
        local found, foreign = attempt_end(stream, tonumber(h.attempt), h.last)
        if foreign then return {'FOREIGN', h.state, 0, 0} end
        if found < wanted then return {'GONE', h.state, math.max(found, 0), 0} end
    end
    end_job(id, h, now, 'done', 'done', h.retention_ms or ttl, {})
    return {'ENDED', 'done', 0, 0}
end

redis.call('ZREM', key_running(h.queue), id)
-- For the operator, not for the client: they may hold paths and secrets.
if ARGV[15] ~= '' then redis.call('HSET', key_job(id), 'words', ARGV[15]) end
if how == 'died' then
    local state = die(id, h, now, ttl, reason, detail, tonumber(ARGV[12]), ARGV[13], tonumber(ARGV[14]))
    return {state == 'dead' and 'ENDED' or 'AGAIN', state, 0, 0}
end

remember(id, h, now, 'failure', reason, detail)
local spent = h.attempts
h.attempts = redis.call('HINCRBY', key_job(id), 'attempts', 1)
if ARGV[7] == '0' or h.attempts >= tonumber(h.max_attempts) then
    bury(id, h, now, ttl, reason, detail, ARGV[13], tonumber(ARGV[14]))
    return {'ENDED', 'dead', 0, 0}
end
local most = math.min(tonumber(ARGV[10]), ARGV[9] * 2 ^ spent)
local delay = math.floor(most * ARGV[8] / 1000000)
disown(id, h)
redis.call('PERSIST', key_stream(h.feature_id, h.chat_id))
redis.call('ZADD', key_delayed(h.queue), now + delay, id)
redis.call('HSET', key_job(id), 'state', 'delayed')
return {'AGAIN', 'delayed', 0, delay}
