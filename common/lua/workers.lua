-- workers: who is alive. Writes nothing.
-- Answers {record, …} (admin.h), by id.
local names, answer = redis.call('ZRANGE', key_workers(), 0, -1), {}
table.sort(names)
for _, name in ipairs(names) do
    local flat, record, ids = redis.call('HGETALL', key_worker(name)), {'id', name}, {}
    for i = 1, #flat, 2 do
        local job = string.match(flat[i], '^job:(.*)$')
        if job then
            ids[#ids + 1] = job
        elseif flat[i] ~= 'jobs' and flat[i] ~= 'claims' then
            record[#record + 1] = flat[i]
            record[#record + 1] = flat[i + 1]
        end
    end
    table.sort(ids)
    for _, value in ipairs({'jobs', #ids, 'ids', table.concat(ids, ' ')}) do
        record[#record + 1] = value
    end
    answer[#answer + 1] = record
end
return answer
