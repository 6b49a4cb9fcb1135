-- fsck_queue: a queue's counters against what is there.
--
-- ARGV: 1 to 6 as fsck_keys, 7 queue, 8 its marks before it was read ('' where nobody did),
--       9 bytes, 10 dead_bytes that were met since
-- Answers {found, everything was compared (1|0), marks}. Without ARGV 8: the marks alone.
local r = fsck_begin(ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6])
local marks, all = '', 1
fsck_guarded(r, key_queue(ARGV[7]), function()
    marks = fsck_marks(ARGV[7])
    if ARGV[8] then all = fsck_counters(r, ARGV[7], ARGV[8], ARGV[9], ARGV[10]) end
end)
return {r.found, all, marks}
