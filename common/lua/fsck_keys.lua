-- fsck_keys: look at keys, each with the cursor where to go on.
--
-- ARGV: 1 mend (1|0), 2 stream ttl, 3 lease, 4 key ttl, 5 dead retention, 6 deadline_ms,
--       7… key, cursor ('0' at first)
-- Answers {found, waiting, stood, rest, sums, {jobs, streams, others}}:
-- found {word, key, sentence, what was done} each; waiting: ids of jobs that say so; stood: ids that
-- were met in a line of theirs; rest: key, cursor of what is left to do; sums {queue, bytes, dead_bytes} each.
local r = fsck_begin(ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6])
for i = 7, #ARGV, 2 do
    local key, cursor = ARGV[i], ARGV[i + 1]
    if r.left > 0 then
        local next_cursor
        fsck_guarded(r, key, function() next_cursor = fsck_key(r, key, cursor) end)
        cursor = next_cursor
    end
    if cursor then
        r.rest[#r.rest + 1] = key
        r.rest[#r.rest + 1] = cursor
    end
end
return {r.found, r.waiting, r.stood, r.rest, r.sums, {r.jobs, r.streams, r.others}}
