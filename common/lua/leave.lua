-- leave: a worker says goodbye. Jobs it still holds are reaped when their leases are over.
-- ARGV: 1 worker
redis.call('ZREM', key_workers(), ARGV[1])
redis.call('DEL', key_worker(ARGV[1]))
return 1
