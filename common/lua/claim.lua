-- claim: become the owner of waiting jobs.
--
-- ARGV: 1 worker, 2 most (100 at most), 3 lease_ms, 4 stream ttl, 5 types (" a b "), 6… queues
-- Answers {{more, passed, due_in_ms}, {id, owner, type, feature, chat, payload, A, number, timeout_ms,
-- max_attempts, waited_ms}, …}; the numbers 0 where the job did not ask.
--
-- The queues in the order given; within one the most urgent priority first, within it a feature's
-- turn, within that first in, first out; every tenth job is taken from the least urgent end, so that
-- nothing starves. Not more than a fair share of what waits: with two idle workers and two jobs each
-- gets one. A job whose type another worker runs is passed over and keeps its place.
local worker, lease, ttl, types = ARGV[1], ARGV[3], ARGV[4], ARGV[5]
local now, counters = now_ms(), {}
local now_text, lease_end = text(now), text(now + lease)
local jobs, elsewhere = {{}}, {}

-- Whether a worker that lives takes this type from this queue.
local function is_run_elsewhere(queue, kind)
    local known = elsewhere[queue .. ' ' .. kind]
    if known ~= nil then return known end
    known = false
    for _, other in ipairs(redis.call('ZRANGE', key_workers(), 0, -1)) do
        local w = read(key_worker(other), 'queues', 'types')
        if w.types and string.find(w.types, ' ' .. kind .. ' ', 1, true)
            and string.find(',' .. w.queues .. ',', ',' .. queue .. ',', 1, true) then known = true end
    end
    elsewhere[queue .. ' ' .. kind] = known
    return known
end

-- The ids at the head of the line whose turn it is, `want` at most, and that line. More than one only
-- where no other feature waits, so that each gets its turn.
local function take(queue, c, want)
    local up, words = c.taken % 10 == 9, {'LMPOP', 10}
    for step = 0, 9 do
        words[step + 3] = key_turns(queue, up and step or 9 - step)
    end
    words[13] = 'LEFT'
    while true do
        local popped = redis.call(unpack(words))
        if not popped then return nil end
        local turns, feature = popped[1], popped[2][1]
        local line = turns .. ':' .. feature
        local alone = not up and redis.call('EXISTS', turns) == 0
        local ids = redis.call('LPOP', line, alone and math.min(want, 9 - c.taken % 10) or 1)
        if redis.call('EXISTS', line) == 1 then redis.call('RPUSH', turns, feature) end
        if ids then
            c.taken, c.changed = c.taken + #ids, true
            return ids, turns, feature
        end
    end
end

-- The attempt's marker, and its A: the next one that fits behind whatever the stream holds.
local function mark(stream, id, h)
    local attempt = math.max(now, (h.attempt or h.first) + 1)
    local function try()
        write_start(stream, id, h.first, h.number, attempt, h.attempt and 'retry' or '', worker)
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
    jobs[#jobs + 1] = {id, owner, h.type, h.feature_id, h.chat_id, h.payload or '', attempt, h.number,
        h.timeout_ms or '0', h.max_attempts or '0', now - h.ready}
end

local function read_whole(id)
    return read(key_job(id), 'state', 'queue', 'priority', 'feature_id', 'chat_id', 'size', 'owner',
        'first', 'attempt', 'attempts', 'deaths', 'max_attempts', 'deadline', 'retention_ms', 'last',
        'type', 'timeout_ms', 'ready', 'payload', 'number')
end

-- What could not be taken goes back to where it stood.
local function put_back(aside)
    for i = #aside, 1, -1 do
        local id, turns, feature = unpack(aside[i])
        if redis.call('LPUSH', turns .. ':' .. feature, id) == 1 then
            redis.call('LPUSH', turns, feature)
        end
    end
end

-- From one queue, until `most` are in hand. Answers how many were passed over. What ended while it
-- stood in line is left out of it.
local function claim_from(queue, c, most)
    local aside, started, leases, expired = {}, {}, {}, 0
    local ids, turns, feature
    while #jobs <= most and expired < 100 and #aside < 100 do
        ids, turns, feature = take(queue, c, most + 1 - #jobs)
        if not ids then break end
        for _, id in ipairs(ids) do
            local h = read_whole(id)
            if h.state ~= 'waiting' then
                -- Its hash is gone, or not what it was: nobody's any more.
            elseif tonumber(h.deadline) <= c.now then
                h.popped = true
                end_expired(counters, id, h, now, ttl)
                expired = expired + 1
            elseif not string.find(types, ' ' .. h.type .. ' ', 1, true)
                and is_run_elsewhere(queue, h.type) then
                aside[#aside + 1] = {id, turns, feature}
            else
                count_out(c, h.size)
                start(id, h)
                started[#started + 1] = id
                leases[#leases + 1] = lease_end
                leases[#leases + 1] = id
            end
        end
    end
    put_back(aside)
    if #started > 0 then
        redis.call('ZREM', key_deadlines(queue), unpack(started))
        redis.call('ZADD', key_running(queue), unpack(leases))
    end
    -- Nobody stands in line: so say the counters, whatever was deleted by hand.
    if not ids and #aside == 0 and c.waiting ~= 0 then
        c.waiting, c.out, c.changed = 0, c['in'], true
    end
    return #aside
end

-- A first write that Redis allows when it is full, and so everything behind it is.
redis.call('PEXPIRE', key_worker(worker), 3 * lease)
local waiting, open = 0, {}
for i = 6, #ARGV do
    local c = count(counters, ARGV[i], now)
    if not c.paused then
        promote(counters, ARGV[i], now)
        waiting = waiting + c.waiting
        open[#open + 1] = ARGV[i]
    end
end
local share = math.ceil(waiting / math.max(1, redis.call('ZCARD', key_workers())))
local most = math.max(1, math.min(tonumber(ARGV[2]), 100, share))
local more, passed, due_in = 0, 0, -1
for _, queue in ipairs(open) do
    local c = counters[queue]
    -- The first reap is to see how long nobody was there, should Redis be away before it.
    if not c.reaped and c.waiting > 0 then redis.call('HSETNX', key_queue(queue), 'reaped', now) end
    local aside = claim_from(queue, c, most)
    passed = passed + aside
    if c.waiting > aside then more = 1 end
    if c.waiting > 0 then c.wake = true end
    local next = redis.call('ZRANGE', key_delayed(queue), 0, 0, 'WITHSCORES')[2]
    if next and (due_in < 0 or next - now < due_in) then due_in = math.max(0, next - now) end
end
local held = {}
for i = 2, #jobs do
    held[#held + 1] = 'job:' .. jobs[i][1]
    held[#held + 1] = jobs[i][2]
end
if #held > 0 then
    redis.call('HSET', key_worker(worker), unpack(held))
    redis.call('PEXPIRE', key_worker(worker), 3 * lease)
end
save(counters)
jobs[1] = {more, passed, due_in}
return jobs
