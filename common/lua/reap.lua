-- reap: what nobody else does, for every queue; by every worker and gateway, each second.
--
-- ARGV: 1 lease_ms, 2 stream ttl, 3 most deaths, 4 dead retention, 5 most dead, 6 most bytes of the
--       dead, 7 a queue that was reaped less than so many ms ago is left alone (0: none is),
--       8… queues to look at besides those that are known
-- Answers {died, expired, promoted, extended (1|0)}. At most 100 of each and of each queue a call.
local lease, ttl, fresh = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[7])
local keep = {tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])}
local now, counters, done = now_ms(), {}, {0, 0, 0, 0}
-- Allowed when Redis is full, and so everything behind it is.
redis.call('ZREMRANGEBYSCORE', key_workers(), '-inf', now - 3 * lease)

-- Redis's clock went back: what was to come so many milliseconds later comes no later than that. The
-- queue's own clock goes on, and so its deadlines stay where they are; whoever waits for a time of day
-- (run_at) waits for it by the new clock.
local function set_back(queue, c, by)
    c.stood, c.now, c.pause_changed = c.stood - by, c.now + by, true
    if c.paused_at then c.paused_at = c.paused_at - by end
    local held = redis.call('ZRANGE', key_delayed(queue), 0, -1, 'WITHSCORES')
    for i = 1, #held, 2 do
        if redis.call('HEXISTS', key_job(held[i]), 'run_at') == 0 then
            local due = text(math.max(0, held[i + 1] - by))
            redis.call('ZADD', key_delayed(queue), due, held[i])
            redis.call('HSET', key_job(held[i]), 'due', due)
        end
    end
end

-- Nobody reaped for long: Redis or everybody was away, and the leases are no measure. The streams are
-- to live as long as their jobs may be gone on with.
local function extend(running, before)
    if before and now - before > lease / 2 then
        done[4] = 1
        local held = redis.call('ZRANGE', running, 0, -1, 'WITHSCORES')
        for i = 1, #held, 2 do
            redis.call('ZADD', running, math.max(held[i + 1], now) + lease, held[i])
            local h = read(key_job(held[i]), 'feature_id', 'chat_id')
            if h.chat_id then redis.call('PEXPIRE', key_stream(h.feature_id, h.chat_id), ttl) end
        end
    end
    -- Redis's clock went back: no lease lies further ahead than two.
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', running, '(' .. text(now + 2 * lease), '+inf')) do
        redis.call('ZADD', running, now + lease, id)
    end
end

local function take_from_the_lost(running)
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', running, '-inf', now, 'LIMIT', 0, 100)) do
        local h = read_job(id)
        redis.call('ZREM', running, id)
        if h.state == 'running' then
            die(counters, id, h, now, ttl, 'worker_lost', 'the worker was not heard of for ' .. lease
                .. ' ms', tonumber(ARGV[3]), keep)
            done[1] = done[1] + 1
        end
    end
end

local function end_late(deadlines, c)
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', deadlines, '-inf', c.now, 'LIMIT', 0, 100)) do
        local h = read_job(id)
        redis.call('ZREM', deadlines, id)
        if h.state == 'waiting' then
            end_expired(counters, id, h, now, ttl)
            done[2] = done[2] + 1
        end
    end
end

local function reap(queue)
    local c = count(counters, queue, now)
    local before = tonumber(c.reaped or nil)
    if before and now >= before and now - before < fresh then return end
    redis.call('HSET', key_queue(queue), 'reaped', now)
    if before and before - now > 1000 then set_back(queue, c, before - now) end
    extend(key_running(queue), before)
    take_from_the_lost(key_running(queue))
    end_late(key_deadlines(queue), c)
    bound_dead(c, queue, now, keep)
    done[3] = done[3] + promote(counters, queue, now)
end

local queues = {default = true}
for _, queue in ipairs(redis.call('SMEMBERS', key_queues())) do queues[queue] = true end
for i = 8, #ARGV do
    -- Its counters say from now on when it was reaped: so it is known.
    if ARGV[i] ~= 'default' then redis.call('SADD', key_queues(), ARGV[i]) end
    queues[ARGV[i]] = true
end
for queue in pairs(queues) do reap(queue) end
save(counters)
return done
