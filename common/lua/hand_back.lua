-- hand_back: to the head of its line, unspent, at once.
-- ARGV: 1 id, 2 owner, 3 alone (1|0), 4 reason, 5 detail, 6 the task's last words,
--       7 the attempt's usage, or ''. Answers 1, or 0 where it is not the caller's any more.
-- With a reason it stands in the job's history.
local h, counters, now = read_job(ARGV[1]), {}, now_ms()
if h.owner ~= ARGV[2] then return 0 end
return_to_line(counters, ARGV[1], h, now)
if ARGV[3] == '1' then redis.call('HSET', key_job(ARGV[1]), 'alone', '1') end
if ARGV[4] ~= '' then remember(ARGV[1], h, now, 'return', ARGV[4], ARGV[5]) end
if ARGV[6] ~= '' then redis.call('HSET', key_job(ARGV[1]), 'words', ARGV[6]) end
if ARGV[7] ~= '' then redis.call('HSET', key_job(ARGV[1]), 'usage:' .. h.attempt, ARGV[7]) end
save(counters)
return 1
