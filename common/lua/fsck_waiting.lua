-- fsck_waiting: the second look at jobs that were not met in their lines, or twice.
--
-- ARGV: 1 to 6 as fsck_keys, 7… ids
-- Answers {found, how many of the ids were looked at}: one at least.
local r = fsck_begin(ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6])
local count = 0
while r.left > 0 and 7 + count <= #ARGV do
    local id = ARGV[7 + count]
    fsck_guarded(r, key_job(id), function() fsck_waiting(r, id) end)
    count = count + 1
end
return {r.found, count}
