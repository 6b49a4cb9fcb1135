-- fire: an occasion of a schedule has come.
--
-- ARGV: 1 name, 2 the occasion, 3 the next one, 4 run (1) or leave out (0), 5 id for the new job,
--       6 most waiting, 7 most bytes, 8 stream ttl
-- Answers started|busy|full|skipped, or late: somebody else was first. So every occasion counts once.
local name, set, now, counters = ARGV[1], key_schedules(), now_ms(), {}
if redis.call('ZSCORE', set, name) ~= ARGV[2] then return 'late' end
local key = key_schedule(name)
local s = pairs_of(redis.call('HGETALL', key))
-- Nothing but a name is left of it.
if not s.type then
    redis.call('ZREM', set, name)
    return 'late'
end

local function put_job()
    local feature, chat = s.feature_id, s.chat_id or ARGV[5]
    local there, info = look(feature, chat)
    if is_alive(there[2]) or there[3] == 'foreign' or there[3] == 'broken' then return 'busy' end
    local queue, size = queue_for(feature, s.own_queue), #(s.payload or '')
    if is_full(count(counters, queue, now), queue, size, {ARGV[6], ARGV[7]}) then return 'full' end
    local fields = {'schedule', name, 'occasion', ARGV[2], 'identity',
        s.body_hash and s.body_hash ~= '' and 'body:' .. s.body_hash or ''}
    for _, field in ipairs({'payload', 'timeout_ms', 'max_attempts', 'retention_ms', 'own_queue'}) do
        if s[field] then
            fields[#fields + 1] = field
            fields[#fields + 1] = s[field]
        end
    end
    put_in(counters, ARGV[5], {type = s.type, queue = queue, feature_id = feature, chat_id = chat,
        priority = s.priority, size = size, deadline_ms = s.deadline_ms}, now, now, there, info,
        ARGV[8], fields)
    return 'started'
end

-- The first write: refused by a full Redis, and then the occasion still stands.
redis.call('HSET', key, 'last', ARGV[2])
redis.call('ZADD', set, ARGV[3], name)
local outcome = ARGV[4] == '1' and put_job() or 'skipped'
redis.call('HSET', key, 'last_outcome', outcome)
redis.call('HINCRBY', key, outcome == 'started' and 'fired' or 'skipped', 1)
if outcome == 'started' then redis.call('HSET', key, 'last_job', ARGV[5]) end
save(counters)
return outcome
