-- heartbeat: the leases and streams of all jobs in a worker's hands.
--
-- ARGV: 1 worker, 2 queue, 3 lease_ms, 4 stream ttl, 5 capacity, 6 complete (1|0), 7 since (ms),
--       8… id, owner, feature, chat of each job
-- Answers {returned, 1|0 of each job: still held or not}. With `complete`, jobs leased to this
-- worker that it does not name go back unspent: the reply to its claim was lost.
local worker, ttl = key_worker(ARGV[1]), ARGV[4]
redis.call('PEXPIRE', worker, 3 * ARGV[3])

local now, named, answer = now_ms(), {}, {0}
for i = 8, #ARGV, 4 do
    local id, owner = ARGV[i], ARGV[i + 1]
    local h = read(key_job(id), 'owner', 'queue')
    local held = h.owner == owner
    named['job:' .. id] = true
    if held then
        local stream = key_stream(ARGV[i + 2], ARGV[i + 3])
        redis.call('ZADD', key_running(h.queue), now + ARGV[3], id)
        local left = redis.call('PTTL', stream)
        if left ~= -2 and left < ttl / 2 then redis.call('PEXPIRE', stream, ttl) end
    end
    answer[#answer + 1] = held and 1 or 0
end

local fields = ARGV[6] == '1' and redis.call('HGETALL', worker) or {}
for i = 1, #fields, 2 do
    local id = string.match(fields[i], '^job:(.*)$')
    if id and not named[fields[i]] then
        local h = read_job(id)
        if h.owner == fields[i + 1] then
            return_to_line(id, h, now, true)
            answer[1] = answer[1] + 1
        else
            redis.call('HDEL', worker, fields[i])
        end
    end
end
redis.call('HSET', worker, 'queues', ARGV[2], 'capacity', ARGV[5], 'jobs', #answer - 1,
    'since', ARGV[7], 'seen', now)
redis.call('PEXPIRE', worker, 3 * ARGV[3])
redis.call('ZADD', key_workers(), now, ARGV[1])
return answer
