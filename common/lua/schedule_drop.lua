-- schedule_drop: a schedule ends; what it has put in goes on.
-- ARGV: 1 name. Answers 1, or 0 where there was none.
redis.call('ZREM', key_schedules(), ARGV[1])
return redis.call('DEL', key_schedule(ARGV[1]))
