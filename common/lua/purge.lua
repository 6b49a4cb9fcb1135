-- purge: drop the oldest dead jobs of a queue.
-- ARGV: 1 queue, 2 most. Answers {dropped, left}.
local queue, counters = ARGV[1], {}
local c = count(counters, queue, now_ms())
local ids = redis.call('ZRANGE', key_dead(queue), 0, ARGV[2] - 1)
for _, id in ipairs(ids) do drop_dead(c, queue, id) end
save(counters)
return {#ids, redis.call('ZCARD', key_dead(queue))}
