-- heartbeat: the leases and streams of all jobs in a worker's hands.
--
-- ARGV: 1 worker, 2 lease_ms, 3 stream ttl, 4 complete (1|0), 5 queues (a,b), 6 capacity,
--       7 since (ms), 8 types (" a b "), 9 state, 10 version, 11 jobs in its hands, of which these are
--       some, 12 how many claims it has sent, 13… id, owner, feature, chat of each job
-- Answers {returned, jobs noted for it, 1|0 of each job: still held or not}. With `complete`, jobs leased to this
-- worker that it does not name go back unspent: the reply to its claim was lost. Not by a heartbeat that is
-- older than a claim which gave it jobs: one that was written into a connection before that was cut may
-- arrive seconds later, when the network is whole again.
local worker, ttl = key_worker(ARGV[1]), ARGV[3]
redis.call('PEXPIRE', worker, 3 * ARGV[2])
local claims = math.max(tonumber(ARGV[12]), tonumber(redis.call('HGET', worker, 'claims') or 0))
local complete = ARGV[4] == '1' and claims == tonumber(ARGV[12])

local now, named, answer, counters = now_ms(), {}, {0, 0}, {}
for i = 13, #ARGV, 4 do
    local id, owner = ARGV[i], ARGV[i + 1]
    local h = read(key_job(id), 'owner', 'queue')
    local held = h.owner == owner
    named['job:' .. id] = true
    if held then
        local stream = key_stream(ARGV[i + 2], ARGV[i + 3])
        redis.call('ZADD', key_running(h.queue), now + ARGV[2], id)
        -- The worker's hash may have expired: Redis stood still for three leases, and then gave time.
        redis.call('HSET', worker, 'job:' .. id, owner)
        local left = redis.call('PTTL', stream)
        if left ~= -2 and left < ttl / 2 then redis.call('PEXPIRE', stream, ttl) end
    end
    answer[#answer + 1] = held and 1 or 0
end

local fields = complete and redis.call('HGETALL', worker) or {}
for i = 1, #fields, 2 do
    local id = string.match(fields[i], '^job:(.*)$')
    if id and not named[fields[i]] then
        local h = read_job(id)
        if h.owner == fields[i + 1] then
            return_to_line(counters, id, h, now)
            answer[1] = answer[1] + 1
        else
            redis.call('HDEL', worker, fields[i])
        end
    end
end
-- Each queue knows the types that were run from it within the last week.
for queue in string.gmatch(ARGV[5], '[^,]+') do
    for kind in string.gmatch(ARGV[8], '%S+') do
        redis.call('ZADD', key_types(queue), now, kind)
    end
    redis.call('ZREMRANGEBYSCORE', key_types(queue), '-inf', now - 604800000)
end
redis.call('HSET', worker, 'queues', ARGV[5], 'capacity', ARGV[6], 'jobs', ARGV[11],
    'since', ARGV[7], 'types', ARGV[8], 'state', ARGV[9], 'version', ARGV[10], 'seen', now,
    'claims', text(claims))
redis.call('PEXPIRE', worker, 3 * ARGV[2])
redis.call('ZADD', key_workers(), now, ARGV[1])
save(counters)
-- All its fields but the nine above.
answer[2] = redis.call('HLEN', worker) - 9
return answer
