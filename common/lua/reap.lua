-- reap: what nobody else does, for one queue; by every worker and gateway, each second.
--
-- ARGV: 1 queue, 2 lease_ms, 3 stream ttl, 4 most deaths, 5 dead retention, 6 most dead
-- Answers {died, expired, promoted, extended (1|0)}. At most 100 of each a call.
local queue, lease, ttl = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local running, deadlines, counters = key_running(queue), key_deadlines(queue), key_queue(queue)
-- Allowed when Redis is full, and so everything behind it is.
redis.call('ZREMRANGEBYSCORE', key_workers(), '-inf', now_ms() - 3 * lease)

local now = now_ms()
local before = tonumber(redis.call('HGET', counters, 'reaped'))
redis.call('HSET', counters, 'reaped', now)

-- Nobody reaped for long: Redis or everybody was away, and the leases are no measure.
local extended = 0
if before and now - before > lease / 2 then
    extended = 1
    local held = redis.call('ZRANGE', running, 0, -1, 'WITHSCORES')
    for i = 1, #held, 2 do
        redis.call('ZADD', running, math.max(held[i + 1], now) + lease, held[i])
    end
end
-- Redis's clock went back: no lease lies further ahead than two.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', running, '(' .. text(now + 2 * lease), '+inf')) do
    redis.call('ZADD', running, now + lease, id)
end

local died, expired = 0, 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', running, '-inf', now, 'LIMIT', 0, 100)) do
    local h = read_job(id)
    redis.call('ZREM', running, id)
    if h.state == 'running' then
        die(id, h, now, ttl, 'worker_lost', 'the worker was not heard of for ' .. lease .. ' ms',
            tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6]))
        died = died + 1
    end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', deadlines, '-inf', now, 'LIMIT', 0, 100)) do
    local h = read_job(id)
    redis.call('ZREM', deadlines, id)
    if h.state == 'waiting' then
        end_expired(id, h, now, ttl)
        expired = expired + 1
    end
end
return {died, expired, promote(queue, now), extended}
