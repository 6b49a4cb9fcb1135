-- pause: a queue stands still, or goes on.
-- ARGV: 1 queue, 2 pause (1) or go on (0). Answers {record}.
local queue, now = ARGV[1], now_ms()
local paused = redis.call('HGET', key_queue(queue), 'paused') == '1'
if ARGV[2] == '1' and not paused then
    redis.call('HSET', key_queue(queue), 'paused', 1)
    if queue ~= 'default' then redis.call('SADD', key_queues(), queue) end
elseif ARGV[2] == '0' and paused then
    redis.call('HDEL', key_queue(queue), 'paused')
end
local counters = {}
local c = count(counters, queue, now)
c.wake = ARGV[2] == '0' and c.waiting > 0
save(counters)
return {queue_record(queue, now)}
