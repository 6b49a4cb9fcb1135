-- jobs: a page of those in one state. Writes nothing.
--
-- ARGV: 1 queue, 2 state, 3 limit, 4 cursor
-- Answers {total, cursor, record, …}. Waiting, delayed and dead ones by their score; running ones, whose
-- score moves with every heartbeat, by their ids.
local lists = {waiting = key_deadlines(ARGV[1]), delayed = key_delayed(ARGV[1]),
    dead = key_dead(ARGV[1]), running = key_running(ARGV[1])}
local list, limit, now = lists[ARGV[2]], tonumber(ARGV[3]), now_ms()
local ids, cursor
if ARGV[2] == 'running' then
    local all = redis.call('ZRANGE', list, 0, -1)
    table.sort(all)
    ids, cursor = {}, ''
    for _, id in ipairs(all) do
        if id > ARGV[4] and #ids == limit then
            cursor = ids[limit]
            break
        end
        if id > ARGV[4] then ids[#ids + 1] = id end
    end
else
    ids, cursor = page_of(list, ARGV[4], limit)
end
local answer = {redis.call('ZCARD', list), cursor}
for _, id in ipairs(ids) do
    local record = record_of(id, now, false)
    if #record > 0 then answer[#answer + 1] = record end
end
return answer
