-- claim: become the owner of up to n waiting jobs of a queue.
--
-- ARGV: 1 worker, 2 queue, 3 most, 4 lease_ms, 5 stream ttl
-- Answers {more, {id, owner, type, feature, chat, payload, A, number, timeout_ms, max_attempts,
-- waited_ms}, …}.
--
-- The most urgent priority first, within it a feature's turn, within that first in, first out;
-- every tenth job is taken from the least urgent end, so that nothing starves. Not more than a fair
-- share of what waits: with two idle workers and two jobs each gets one.
local worker, queue, ttl = ARGV[1], ARGV[2], ARGV[5]
-- Allowed when Redis is full, and so everything behind it is.
redis.call('PEXPIRE', key_worker(worker), 3 * ARGV[4])
local counters = read(key_queue(queue), 'paused', 'reaped')
if counters.paused == '1' then return {0} end

local now = now_ms()
promote(queue, now)

local function take_from(priority)
    local turns = key_turns(queue, priority)
    while true do
        local feature = redis.call('LPOP', turns)
        if not feature then return nil end
        local line = key_line(queue, priority, feature)
        local id = redis.call('LPOP', line)
        if redis.call('EXISTS', line) == 1 then redis.call('RPUSH', turns, feature) end
        if id then return id end
    end
end

local function take()
    local up = (redis.call('HGET', key_queue(queue), 'taken') or 0) % 10 == 9
    for step = 0, 9 do
        local id = take_from(up and step or 9 - step)
        if id then
            redis.call('HINCRBY', key_queue(queue), 'taken', 1)
            return id
        end
    end
    return nil
end

local function start(id, h)
    local stream = key_stream(h.feature_id, h.chat_id)
    local info = own_info(stream)
    local top = info and halves(info['last-generated-id']) or 0
    local attempt = math.max(now, top + 1, (h.attempt or h.first) + 1)
    h.number = h.attempts + h.deaths + 1
    local owner = worker .. ':' .. text(attempt)
    count_out(h)
    -- The first reap is to see how long nobody was there, should Redis be away before it.
    if not counters.reaped then redis.call('HSETNX', key_queue(queue), 'reaped', now) end
    redis.call('ZREM', key_deadlines(queue), id)
    redis.call('ZADD', key_running(queue), now + ARGV[4], id)
    redis.call('HSET', key_job(id), 'state', 'running', 'owner', owner, 'attempt', text(attempt),
        'last', 0, 'number', h.number, 'started', now)
    redis.call('HSET', key_worker(worker), 'job:' .. id, owner)
    write_start(stream, id, h, attempt, h.attempt and 'retry' or '', worker)
    redis.call('PEXPIRE', stream, ttl)
    local payload = redis.call('HGET', key_job(id), 'payload')
    return {id, owner, h.type, h.feature_id, h.chat_id, payload or '', text(attempt), h.number,
        h.timeout_ms, h.max_attempts, now - h.ready}
end

local function waiting()
    return tonumber(redis.call('HGET', key_queue(queue), 'waiting')) or 0
end

local share = math.ceil(waiting() / math.max(1, redis.call('ZCARD', key_workers())))
local most, jobs, passed = math.max(1, math.min(tonumber(ARGV[3]), share)), {0}, 0
while #jobs <= most and passed < 100 do
    local id = take()
    if not id then
        -- Nobody stands in line: so say the counters, whatever was deleted by hand.
        if waiting() ~= 0 then
            redis.call('HSET', key_queue(queue), 'waiting', 0, 'bytes', 0,
                'out', redis.call('HGET', key_queue(queue), 'in') or 0)
        end
        break
    end
    local h = read_job(id)
    -- What ended while it stood in line is passed over.
    if h.state == 'waiting' and tonumber(h.deadline) <= now then
        h.popped = true
        end_expired(id, h, now, ttl)
        passed = passed + 1
    elseif h.state == 'waiting' then
        jobs[#jobs + 1] = start(id, h)
    end
end
redis.call('PEXPIRE', key_worker(worker), 3 * ARGV[4])
if waiting() > 0 then
    jobs[1] = 1
    wake(queue)
end
return jobs
