-- hand_back: to the head of its line, unspent, at once.
-- ARGV: 1 id, 2 owner. Answers 1, or 0 where it is not the caller's any more.
local h, counters = read_job(ARGV[1]), {}
if h.owner ~= ARGV[2] then return 0 end
return_to_line(counters, ARGV[1], h, now_ms())
save(counters)
return 1
