-- enqueue: join what the chat has, or put a new job in.
--
-- ARGV: 1 id, 2 type, 3 feature, 4 chat, 5 payload, 6 has payload (1|0), 7 body hash, 8 key,
--       9 if_busy (reject|replace), 10 priority, 11 deadline_ms, 12 timeout_ms, 13 max_attempts,
--       14 most waiting, 15 most bytes, 16 key ttl, 17 stream ttl
-- Answers {outcome, job, look…}. Repeated with the same id: STARTED again, and nothing changes.
-- The first write is the new job's hash, so that a full Redis refuses the whole step.
local id, feature, chat, hash, key = ARGV[1], ARGV[3], ARGV[4], ARGV[7], ARGV[8]
local identity = ''
if key ~= '' then identity = 'key:' .. key elseif hash ~= '' then identity = 'body:' .. hash end

local function answer(outcome, job)
    return {outcome, job, (look(feature, chat))}
end

if redis.call('EXISTS', key_job(id)) == 1 then return answer('STARTED', id) end

local seen = key ~= '' and redis.call('GET', key_idem(feature, chat, key))
if seen then
    local job, with = string.match(seen, '^(%S+) (%S*)$')
    return answer(with == hash and 'JOINED' or 'KEY_REUSED', job)
end

local there, info = look(feature, chat)
local current, state, kind, ended = there[1], there[2], there[3], there[4]
local alive = is_alive(state)
if kind == 'broken' then return {'FOREIGN', '', there} end
if kind == 'foreign' and not alive then
    return {identity == '' and 'JOINED' or 'FOREIGN', '', there}
end
local fits
if identity == '' then
    -- A stream of ours without its job and without an end will never end: it does not count.
    fits = alive or (current ~= '' and kind == 'ours' and ended == 1)
elseif current ~= '' and redis.call('HGET', key_job(current), 'identity') == identity then
    fits = alive or (state == 'done' and kind == 'ours')
end
if fits then return {'JOINED', current, there} end
if alive and ARGV[9] ~= 'replace' then return {'BUSY', current, there} end

local queue = redis.call('HGET', key_routes(), feature) or 'default'
local counters = read(key_queue(queue), 'waiting', 'bytes')
local size = #ARGV[5]
local waiting = (counters.waiting or 0) + redis.call('ZCARD', key_delayed(queue))
if waiting >= tonumber(ARGV[14]) or (counters.bytes or 0) + size > tonumber(ARGV[15]) then
    return {'FULL', '', there}
end

local now = now_ms()
local stream = key_stream(feature, chat)
local top = info and halves(info['last-generated-id']) or 0
local attempt = alive and tonumber(there[6]) or 0
local first = math.max(now, top + 1, attempt + 1)
redis.call('HSET', key_job(id), 'state', 'new', 'type', ARGV[2], 'feature_id', feature,
    'chat_id', chat, 'queue', queue, 'priority', ARGV[10], 'identity', identity, 'size', size,
    'first', text(first), 'attempts', 0, 'deaths', 0, 'created', now, 'deadline_ms', ARGV[11],
    'timeout_ms', ARGV[12], 'max_attempts', ARGV[13])
-- Should an error end the step half way (a key of a wrong type), nothing stays for ever.
redis.call('PEXPIRE', key_job(id), ARGV[17])
if ARGV[6] == '1' then redis.call('HSET', key_job(id), 'payload', ARGV[5]) end

local replaces = {}
if alive then
    local h = read_job(current)
    replaces = {'replaces', current}
    redis.call('SET', key_chat(feature, chat), id)
    end_job(current, h, now, 'cancelled', 'cancelled', h.retention_ms or ARGV[17], {})
    redis.call('HSET', key_job(current), 'error', 'replaced')
    if h.owner then redis.call('PUBLISH', key_worker(worker_of(h.owner)), current) end
end
redis.call('XADD', stream, text(first) .. '-0', 'type', 'queued', 'job', id, 'first', text(first),
    unpack(replaces))
redis.call('XTRIM', stream, 'MINID', '=', text(first) .. '-0')
redis.call('PERSIST', stream)
redis.call('SET', key_chat(feature, chat), id)
if key ~= '' then
    redis.call('SET', key_idem(feature, chat, key), id .. ' ' .. hash, 'PX', ARGV[16])
end
local position = line_up(id, {queue = queue, priority = ARGV[10], feature_id = feature, size = size,
    deadline_ms = ARGV[11]}, now, false)
redis.call('PERSIST', key_job(id))
local marker = text(first)
return {'STARTED', id, {id, 'waiting', 'ours', 0, marker, marker, marker .. '-0', 0, position, ''}}
