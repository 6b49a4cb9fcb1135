-- retry: dead jobs again, as new ones.
--
-- ARGV: 1 job, or '' for a page of the dead, 2 its queue, 3 the cursor, 4 most waiting, 5 most bytes,
--       6 stream ttl, 7 how long a retried one is remembered, 8… ids for the new jobs
-- Answers of one: {STARTED|NONE|ALIVE|BUSY|FULL, job, state, feature, chat}; repeated: the same.
-- Of a page: {retried, busy, left, cursor, full (1|0)}. A page ends with the queue's limit, and after
-- 4 MiB of bodies; its cursor then goes on where it ended.
local now, counters, limits = now_ms(), {}, {ARGV[4], ARGV[5]}
local kept = {'payload', 'identity', 'timeout_ms', 'max_attempts', 'retention_ms', 'schedule', 'own_queue'}

-- What the old one asked for, and where it came from.
local function asked(old, id)
    local fields = {'retried_from', id}
    for _, name in ipairs(kept) do
        if old[name] then
            fields[#fields + 1] = name
            fields[#fields + 1] = old[name]
        end
    end
    return fields
end

local function retry(id, new)
    local old = pairs_of(redis.call('HGETALL', key_job(id)))
    if old.retried_as then
        local state = redis.call('HGET', key_job(old.retried_as), 'state')
        return {'STARTED', old.retried_as, state or '', old.feature_id, old.chat_id}
    end
    if not old.state then return {'NONE', '', ''} end
    if old.state ~= 'dead' then return {'ALIVE', id, old.state} end
    local there, info = look(old.feature_id, old.chat_id)
    if is_alive(there[2]) or there[3] == 'foreign' or there[3] == 'broken' then
        return {'BUSY', there[1], there[2]}
    end
    local queue = queue_for(old.feature_id, old.own_queue)
    local c = count(counters, queue, now)
    if is_full(c, queue, old.size, limits) then return {'FULL', '', ''} end
    local job = {type = old.type, queue = queue, feature_id = old.feature_id, chat_id = old.chat_id,
        priority = old.priority, size = old.size, deadline_ms = old.deadline_ms}
    local _, state = put_in(counters, new, job, now, now, there, info, ARGV[6], asked(old, id))
    redis.call('ZREM', key_dead(old.queue), id)
    local before = count(counters, old.queue, now)
    before.dead_bytes, before.changed = math.max(0, before.dead_bytes - old.size), true
    redis.call('HSET', key_job(id), 'retried_as', new)
    redis.call('HDEL', key_job(id), 'payload')
    redis.call('PEXPIRE', key_job(id), ARGV[7])
    return {'STARTED', new, state, old.feature_id, old.chat_id}, tonumber(old.size)
end

if ARGV[1] ~= '' then
    local answer = retry(ARGV[1], ARGV[8])
    save(counters)
    return answer
end
local ids, cursor, cursors = page_of(key_dead(ARGV[2]), ARGV[3], #ARGV - 7)
local retried, busy, full, bytes = 0, 0, 0, 0
for i, id in ipairs(ids) do
    local answer, size = retry(id, ARGV[7 + i])
    if answer[1] == 'FULL' then
        cursor, full = cursors[i - 1] or ARGV[3], 1
        break
    end
    if answer[1] == 'STARTED' then retried = retried + 1 else busy = busy + 1 end
    bytes = bytes + (size or 0)
    if bytes > 4194304 and i < #ids then
        cursor = cursors[i]
        break
    end
end
save(counters)
return {retried, busy, redis.call('ZCARD', key_dead(ARGV[2])), cursor, full}
