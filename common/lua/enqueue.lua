-- enqueue: join what the chat has, or put a new job in.
--
-- ARGV: 1 id, 2 type, 3 feature, 4 chat ('' for a job without one), 5 payload, 6 has payload (1|0),
--       7 body hash, 8 key, 9 if_busy (reject|replace), 10 priority, 11 deadline_ms, 12 delay_ms,
--       13 run at (0: now), 14 timeout_ms, 15 max_attempts, 16 retention_ms (0 each: not asked for),
--       17 most waiting, 18 most bytes, 19 key ttl, 20 stream ttl,
--       21 the feature's own queue ('': none)
-- Answers {outcome, job, state, look…}. Repeated with the same id: STARTED again, and nothing changes.
local id, feature, hash, key = ARGV[1], ARGV[3], ARGV[7], ARGV[8]
local chat = ARGV[4] ~= '' and ARGV[4] or id
local identity = ''
if key ~= '' then identity = 'key:' .. key elseif hash ~= '' then identity = 'body:' .. hash end

local function answer(outcome, job)
    local there = look(feature, ARGV[4] ~= '' and chat or job)
    local state = job == there[1] and there[2] or redis.call('HGET', key_job(job), 'state')
    return {outcome, job, state or '', there}
end

if redis.call('EXISTS', key_job(id)) == 1 then return answer('STARTED', id) end

local seen = key ~= '' and redis.call('GET', key_idem(feature, ARGV[4], key))
if seen then
    local job, with = string.match(seen, '^(%S+) (%S*)$')
    return answer(with == hash and 'JOINED' or 'KEY_REUSED', job)
end

local there, info = look(feature, chat)
local current, state, kind, ended = there[1], there[2], there[3], there[4]
local alive = is_alive(state)
if kind == 'broken' then return {'FOREIGN', '', '', there} end
if kind == 'foreign' and not alive then
    return {identity == '' and 'JOINED' or 'FOREIGN', '', '', there}
end
local fits
if identity == '' then
    -- A stream of ours without its job and without an end will never end: it does not count.
    fits = alive or (current ~= '' and kind == 'ours' and ended == 1)
elseif current ~= '' and redis.call('HGET', key_job(current), 'identity') == identity then
    fits = alive or (state == 'done' and kind == 'ours')
end
if fits then return {'JOINED', current, state, there} end
if alive and ARGV[9] ~= 'replace' then return {'BUSY', current, state, there} end

local now, counters, size = now_ms(), {}, #ARGV[5]
local queue = queue_for(feature, ARGV[21])
-- Whoever is replaced before it ran leaves its place.
local room, freed = tonumber(ARGV[17]), 0
if state == 'waiting' or state == 'delayed' then
    local old = read(key_job(current), 'queue', 'size')
    if old.queue == queue then room, freed = room + 1, tonumber(old.size) end
end
if is_full(count(counters, queue, now), queue, size - freed, {room, ARGV[18]}) then
    return {'FULL', '', '', there}
end
local fields = {'identity', identity}
local function ask(name, value)
    if value ~= '0' then
        fields[#fields + 1] = name
        fields[#fields + 1] = value
    end
end
if ARGV[13] == '0' then ask('delay', ARGV[12]) end
ask('timeout_ms', ARGV[14])
ask('max_attempts', ARGV[15])
ask('retention_ms', ARGV[16])
if ARGV[21] ~= '' then
    fields[#fields + 1] = 'own_queue'
    fields[#fields + 1] = ARGV[21]
end
if ARGV[6] == '1' then
    fields[#fields + 1] = 'payload'
    fields[#fields + 1] = ARGV[5]
end
local due = math.max(now + ARGV[12], tonumber(ARGV[13]))
local job = {type = ARGV[2], queue = queue, feature_id = feature, chat_id = chat, priority = ARGV[10],
    size = size, deadline_ms = ARGV[11]}
local marker, begun = put_in(counters, id, job, now, due, there, info, ARGV[20], fields)
if key ~= '' then
    redis.call('SET', key_idem(feature, ARGV[4], key), id .. ' ' .. hash, 'PX', ARGV[19])
end
save(counters)
local position = begun == 'waiting' and counters[queue].waiting or 0
return {'STARTED', id, begun, {id, begun, 'ours', 0, marker, marker, marker .. '-0', 0, position, ''}}
