-- reap: what nobody else does, for every queue; by every worker and gateway, each second.
--
-- ARGV: 1 lease_ms, 2 stream ttl, 3 most deaths, 4 dead retention, 5 most dead, 6 most bytes of the
--       dead, 7 a queue that was reaped less than so many ms ago is left alone (0: none is),
--       8… queues to look at besides those that are known
-- Answers {died, expired, promoted, extended (1|0), broken queues}. At most 100 of each and of each queue a call; after
-- an absence, or where Redis's clock went back, every running or delayed job is looked at once.
local lease, ttl, fresh = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[7])
local keep = {tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])}
local now, counters, done = now_ms(), {}, {0, 0, 0, 0, 0}
-- Allowed when Redis is full, and so everything behind it is.
redis.call('ZREMRANGEBYSCORE', key_workers(), '-inf', now - 3 * lease)

-- Redis's clock went back. The queue's own goes on, and so its deadlines stay where they are, at no cost.
-- Who waits for a time waits no longer than that; who waits for a time of day waits for it by the new
-- clock. O(delayed jobs), once: 0.9 s of Redis's time for 100,000 (measured).
local function set_back(queue, c, by)
    c.stood, c.pause_changed = c.stood - by, true
    if c.paused_at then c.paused_at = c.paused_at - by end
    local held = redis.call('ZRANGE', key_delayed(queue), 0, -1, 'WITHSCORES')
    for i = 1, #held, 2 do
        local delay = redis.call('HGET', key_job(held[i]), 'delay')
        if delay and now + delay < tonumber(held[i + 1]) then
            redis.call('ZADD', key_delayed(queue), text(now + delay), held[i])
            redis.call('HSET', key_job(held[i]), 'due', text(now + delay))
        end
    end
end

-- The same for schedules with an interval.
local function set_schedules_back()
    local all = redis.call('ZRANGE', key_schedules(), 0, -1, 'WITHSCORES')
    for i = 1, #all, 2 do
        local every = redis.call('HGET', key_schedule(all[i]), 'every_ms')
        if every and now + every < tonumber(all[i + 1]) then
            redis.call('ZADD', key_schedules(), text(now + every), all[i])
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

-- Where they stand in the middle of a long line it takes time to find them: not all at once then.
local function end_late(deadlines, c)
    local walked = 0
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', deadlines, '-inf', c.now, 'LIMIT', 0, 100)) do
        if walked > 200000 then break end
        local h = read_job(id)
        walked = walked + distance(c, h)
        redis.call('ZREM', deadlines, id)
        if h.state == 'waiting' then
            end_expired(counters, id, h, now, ttl)
            done[2] = done[2] + 1
        end
    end
end

-- Nobody serves it, nothing is in it, and nobody did for a week: a name that is not needed any more.
local function is_forgotten(queue, c)
    redis.call('ZREMRANGEBYSCORE', key_types(queue), '-inf', now - 604800000)
    return c.waiting == 0 and not c.paused and redis.call('EXISTS', key_running(queue), key_delayed(queue),
        key_deadlines(queue), key_dead(queue), key_types(queue)) == 0
end

local served = {default = true}
local function reap(queue)
    local c = count(counters, queue, now)
    local before = tonumber(c.reaped or nil)
    if before and now >= before and now - before < fresh then return end
    redis.call('HSET', key_queue(queue), 'reaped', now)
    if before and before - now > 1000 then
        set_back(queue, c, before - now)
        if queue == 'default' then set_schedules_back() end
    end
    extend(key_running(queue), before)
    take_from_the_lost(key_running(queue))
    end_late(key_deadlines(queue), c)
    bound_dead(c, queue, now, keep)
    done[3] = done[3] + promote(counters, queue, now)
    if not served[queue] and is_forgotten(queue, c) then
        redis.call('SREM', key_queues(), queue)
        redis.call('DEL', key_queue(queue), key_wake(queue))
        counters[queue] = nil
    end
end

local queues = {default = true}
for _, queue in ipairs(redis.call('SMEMBERS', key_queues())) do queues[queue] = true end
for i = 8, #ARGV do
    -- Its counters say from now on when it was reaped: so it is known.
    if ARGV[i] ~= 'default' then redis.call('SADD', key_queues(), ARGV[i]) end
    queues[ARGV[i]], served[ARGV[i]] = true, true
end
-- One whose keys are broken keeps nobody from the others.
for queue in pairs(queues) do
    if not pcall(function() reap(queue) end) then done[5] = done[5] + 1 end
end
save(counters)
return done
