-- schedules: one, or all by name. Writes nothing.
-- ARGV: 1 name, '' for all. Answers {record, …}; of all, without their payloads.
local names, answer = {ARGV[1]}, {}
if ARGV[1] == '' then
    names = redis.call('ZRANGE', key_schedules(), 0, -1)
    table.sort(names)
end
for _, name in ipairs(names) do
    local record = schedule_record(name, ARGV[1] ~= '')
    if #record > 0 then answer[#answer + 1] = record end
end
return answer
