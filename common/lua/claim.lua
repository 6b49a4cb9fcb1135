-- claim: become the owner of waiting jobs.
--
-- ARGV: 1 worker, 2 most (100 at most), 3 lease_ms, 4 stream ttl, 5 types (" a b "),
--       6 a random number from 1 to 1000, 7 most that are to be alone, 8 which claim of the worker it is,
--       from 1, 9… queues
-- Answers {{more, passed, due_in_ms}, {id, owner, type, feature, chat, payload, A, number, timeout_ms,
-- max_attempts, waited_ms, alone (1|0)}, …}; the numbers 0 where the job did not ask.
--
-- The queues in the order given; within one the most urgent priority first, within it a feature's
-- turn, within that first in, first out; every tenth job is taken from the least urgent end, so that
-- nothing starves. Not more than a fair share of what waits: with two idle workers and two jobs each
-- gets one. A job whose type other workers of the queue run is passed over and keeps its place, one that
-- nobody ever ran is given, to fail.
local worker, lease, ttl, types = ARGV[1], ARGV[3], ARGV[4], ARGV[5]
local alone_left = tonumber(ARGV[7])
local now, counters = now_ms(), {}
local now_text, lease_end = text(now), text(now + lease)
local jobs, elsewhere = {{}}, {}

-- Whether a worker of this queue ran this type within the last week: it may be about to come back.
local function is_run_elsewhere(queue, kind)
    local place = queue .. ' ' .. kind
    if elsewhere[place] == nil then
        elsewhere[place] = redis.call('ZSCORE', key_types(queue), kind) and true or false
    end
    return elsewhere[place]
end

-- Whose turn it is, `want` jobs at most, all of one priority: {id, turns, feature} of each. One from each
-- feature's line; more only where no other feature waits. Who has more in line has another turn.
local function take(queue, c, want)
    local up, words = c.taken % 10 == 9, {'LMPOP', 10}
    for step = 0, 9 do
        words[step + 3] = key_turns(queue, up and step or 9 - step)
    end
    local most = up and 1 or math.min(want, 9 - c.taken % 10)
    words[13], words[14], words[15] = 'LEFT', 'COUNT', most
    while true do
        local popped = redis.call(unpack(words))
        if not popped then return nil end
        local turns, features = popped[1], popped[2]
        local taken, again = {}, {}
        for _, feature in ipairs(features) do
            local line = turns .. ':' .. feature
            for _, id in ipairs(redis.call('LPOP', line, #features == 1 and most or 1) or {}) do
                taken[#taken + 1] = {id, turns, feature}
            end
            if redis.call('EXISTS', line) == 1 then again[#again + 1] = feature end
        end
        if #again > 0 then redis.call('RPUSH', turns, unpack(again)) end
        if #taken > 0 then
            c.taken, c.changed = c.taken + #taken, true
            return taken
        end
    end
end

-- The attempt's marker, and its A: the next one that fits behind whatever the stream holds. Where
-- Redis's clock is behind, A would only count, and a claim that Redis loses with its newest second
-- would have the A of the one that follows; so it is drawn.
local function mark(stream, id, h)
    local attempt = math.max(now, (h.attempt or h.first) + 1)
    if attempt > now then attempt = attempt + ARGV[6] end
    local function try()
        write_start(stream, id, h.first, h.number, attempt, h.attempt and 'retry' or '', worker,
            h.replaces)
    end
    if not pcall(try) then
        local info = own_info(stream)
        attempt = math.max(attempt, (info and halves(info['last-generated-id']) or 0) + 1)
        try()
    end
    return attempt
end

local function start(id, h)
    local stream = key_stream(h.feature_id, h.chat_id)
    h.number = text(h.attempts + h.deaths + 1)
    local attempt = text(mark(stream, id, h))
    local owner = worker .. ':' .. attempt
    redis.call('PEXPIRE', stream, ttl)
    redis.call('HSET', key_job(id), 'state', 'running', 'owner', owner, 'attempt', attempt, 'last', '0',
        'number', h.number, 'started', now_text)
    local payload = h.size ~= '0' and redis.call('HGET', key_job(id), 'payload') or ''
    jobs[#jobs + 1] = {id, owner, h.type, h.feature_id, h.chat_id, payload, attempt, h.number,
        h.timeout_ms or '0', h.max_attempts or '0', now - h.ready, h.alone or '0'}
    if h.alone then alone_left = alone_left - 1 end
end

-- What is needed of a job that starts.
local function read_waiting(id)
    return read(key_job(id), 'state', 'type', 'feature_id', 'chat_id', 'size', 'first', 'attempt',
        'attempts', 'deaths', 'max_attempts', 'timeout_ms', 'deadline', 'ready', 'replaces', 'alone')
end

-- What could not be taken goes back to where it stood. A whole hundred in a row goes to the end of its
-- line, or nobody behind it would ever be seen by workers like this one.
local function put_back(aside)
    local to_end = #aside >= 100
    local push = to_end and 'RPUSH' or 'LPUSH'
    for i = 1, #aside do
        local id, turns, feature = unpack(aside[to_end and i or #aside + 1 - i])
        if redis.call(push, turns .. ':' .. feature, id) == 1 then
            redis.call(push, turns, feature)
        end
    end
end

-- From one queue, until `most` are in hand. Answers how many were passed over. What ended while it
-- stood in line is left out of it.
local function claim_from(queue, c, most)
    local aside, started, leases, expired = {}, {}, {}, 0
    local consider = function(one)
        local id = one[1]
        local h = read_waiting(id)
        if h.state ~= 'waiting' then
            -- Its hash is gone, or not what it was: nobody's any more.
        elseif tonumber(h.deadline) <= c.now then
            h = read_job(id)
            h.popped = true
            end_expired(counters, id, h, now, ttl)
            expired = expired + 1
        elseif h.alone and alone_left <= 0 or not string.find(types, ' ' .. h.type .. ' ', 1, true)
            and is_run_elsewhere(queue, h.type) then
            aside[#aside + 1] = one
        else
            start(id, h)
            count_out(c, h.size)
            started[#started + 1] = id
            leases[#leases + 1] = lease_end
            leases[#leases + 1] = id
        end
    end
    local empty = false
    while not empty and #jobs <= most and expired < 100 and #aside < 100 do
        local taken = take(queue, c, most + 1 - #jobs)
        empty = not taken
        -- One that is broken, such as by a key of a wrong type, is left out, and the others go on.
        for _, one in ipairs(taken or {}) do pcall(consider, one) end
    end
    put_back(aside)
    if #started > 0 then
        redis.call('ZREM', key_deadlines(queue), unpack(started))
        redis.call('ZADD', key_running(queue), unpack(leases))
    end
    -- Nobody stands in line: so say the counters, whatever was deleted by hand.
    if empty and #aside == 0 and c.waiting ~= 0 then
        c.waiting, c.out, c.changed = 0, c['in'], true
    end
    return #aside
end

-- A first write that Redis allows when it is full, and so everything behind it is.
redis.call('PEXPIRE', key_worker(worker), 3 * lease)
local waiting, open = 0, {}
local function look_at(queue)
    local c = count(counters, queue, now)
    if not c.paused then
        promote(counters, queue, now)
        waiting = waiting + c.waiting
        open[#open + 1] = queue
    end
end
-- A queue whose keys are broken is left out.
for i = 9, #ARGV do pcall(function() look_at(ARGV[i]) end) end
local share = math.ceil(waiting / math.max(1, redis.call('ZCARD', key_workers())))
local most = math.max(1, math.min(tonumber(ARGV[2]), 100, share))
local more, passed, due_in = 0, 0, -1
for _, queue in ipairs(open) do
    local c = counters[queue]
    local aside = claim_from(queue, c, most)
    passed = passed + aside
    if c.waiting > aside then more = 1 end
    if c.waiting > 0 then c.wake = true end
    local next = redis.call('ZRANGE', key_delayed(queue), 0, 0, 'WITHSCORES')[2]
    if next and (due_in < 0 or next - now < due_in) then due_in = math.max(0, next - now) end
end
-- No heartbeat that was sent before takes these for lost (heartbeat.lua).
local held = {'claims', ARGV[8]}
for i = 2, #jobs do
    held[#held + 1] = 'job:' .. jobs[i][1]
    held[#held + 1] = jobs[i][2]
end
if #jobs > 1 then
    redis.call('HSET', key_worker(worker), unpack(held))
    redis.call('PEXPIRE', key_worker(worker), 3 * lease)
end
save(counters)
jobs[1] = {more, passed, due_in}
return jobs
