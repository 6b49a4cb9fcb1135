-- due: schedules whose occasion has come. Writes nothing.
-- Answers {now, next occasion of all (0: none), {name, occasion, cron, every_ms, missed}, …}.
local now, set = now_ms(), key_schedules()
local answer = {now, tonumber(redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')[2] or 0)}
local due = redis.call('ZRANGEBYSCORE', set, '-inf', now, 'WITHSCORES', 'LIMIT', 0, 100)
for i = 1, #due, 2 do
    local h = read(key_schedule(due[i]), 'cron', 'every_ms', 'missed')
    answer[#answer + 1] = {due[i], due[i + 1], h.cron or '', h.every_ms or '0', h.missed or 'one'}
end
return answer
