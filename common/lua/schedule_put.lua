-- schedule_put: make or change a schedule.
--
-- ARGV: 1 name, 2 next occasion, 3… fields and values
-- Answers {created (1|0), record}. The next occasion stays where rhythm and policy are what they were.
local key, fields = key_schedule(ARGV[1]), {}
for i = 3, #ARGV do
    fields[#fields + 1] = ARGV[i]
end
local old, new = pairs_of(redis.call('HGETALL', key)), pairs_of(fields)
local known = redis.call('ZSCORE', key_schedules(), ARGV[1])
local same = known and old.cron == new.cron and old.every_ms == new.every_ms
    and old.missed == new.missed
-- Refused as a whole by a full Redis.
redis.call('ZADD', key_schedules(), same and known or ARGV[2], ARGV[1])
for _, name in ipairs({'created', 'fired', 'skipped', 'last', 'last_job', 'last_outcome'}) do
    if old[name] then
        fields[#fields + 1] = name
        fields[#fields + 1] = old[name]
    end
end
redis.call('DEL', key)
redis.call('HSET', key, unpack(fields))
if not old.created then redis.call('HSET', key, 'created', now_ms(), 'fired', 0, 'skipped', 0) end
return {known and 0 or 1, schedule_record(ARGV[1], true)}
