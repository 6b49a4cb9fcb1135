-- queues: one queue, or all that are known or served. Writes nothing.
-- ARGV: 1 name, '' for all. Answers {record, …}.
local now, names, seen, answer = now_ms(), {}, {}, {}
local function add(name)
    if not seen[name] then
        seen[name] = true
        names[#names + 1] = name
    end
end
if ARGV[1] ~= '' then
    add(ARGV[1])
else
    add('default')
    for _, name in ipairs(redis.call('SMEMBERS', key_queues())) do add(name) end
    for _, name in ipairs(redis.call('HVALS', key_routes())) do add(name) end
    for _, worker in ipairs(redis.call('ZRANGE', key_workers(), 0, -1)) do
        for name in string.gmatch(redis.call('HGET', key_worker(worker), 'queues') or '', '[^,]+') do
            add(name)
        end
    end
end
table.sort(names)
for _, name in ipairs(names) do
    -- Of one whose keys are broken, the name alone.
    local good, record = pcall(function() return queue_record(name, now) end)
    answer[#answer + 1] = good and record or {'name', name}
end
return answer
