-- pause: a queue stands still, or goes on.
-- ARGV: 1 queue, 2 pause (1) or go on (0). Answers {record}.
local queue, now = ARGV[1], now_ms()
-- First what Redis allows when it is full: that is when a queue is to be paused.
redis.call('HDEL', key_queue(queue), 'paused')
if ARGV[2] == '1' then
    redis.call('HSET', key_queue(queue), 'paused', 1)
    if queue ~= 'default' then redis.call('SADD', key_queues(), queue) end
end
local counters = {}
local c = count(counters, queue, now)
c.wake = ARGV[2] == '0' and c.waiting > 0
save(counters)
return {queue_record(queue, now)}
