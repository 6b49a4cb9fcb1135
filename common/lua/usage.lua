-- usage: what an attempt used, said after it was taken from its worker.
-- ARGV: 1 id, 2 A, 3 the usage. Answers 1, or 0 where the job is gone, or never had such an attempt.
--
-- No owner is asked for: there is none any more. A worker knows but its own A, and nothing but that
-- attempt's field is written: so whoever comes late changes nothing of another's, nor when the hash expires.
local h, attempt = read(key_job(ARGV[1]), 'state', 'first', 'attempt'), tonumber(ARGV[2])
if not h.state or not h.attempt then return 0 end
if attempt < tonumber(h.first) or attempt > tonumber(h.attempt) then return 0 end
redis.call('HSET', key_job(ARGV[1]), 'usage:' .. ARGV[2], ARGV[3])
return 1
