-- route: where a feature's new jobs go from now on.
-- ARGV: 1 feature, 2 queue; '' or default: no route. Answers the queue it was before.
local before = queue_for(ARGV[1])
-- First what Redis allows when it is full.
redis.call('HDEL', key_routes(), ARGV[1])
if ARGV[2] ~= '' and ARGV[2] ~= 'default' then
    redis.call('HSET', key_routes(), ARGV[1], ARGV[2])
    redis.call('SADD', key_queues(), ARGV[2])
end
return before
