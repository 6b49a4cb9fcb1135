-- append: messages first, first + 1, … of an attempt.
--
-- ARGV: 1 id, 2 owner, 3 feature, 4 chat, 5 A, 6 first, 7 stream ttl, 8… messages
-- Answers {OK|FENCED|FOREIGN|GONE, last N}. What is there already is not added again.
--
-- An attempt's stream is its marker and N messages, without a hole; so when the length is N + 1,
-- nobody else wrote and nothing is lost, and no entry needs to be read. The first write is an XADD:
-- a full Redis refuses the whole step, and the worker waits.
local job, stream = key_job(ARGV[1]), key_stream(ARGV[3], ARGV[4])
local held = redis.call('HMGET', job, 'owner', 'last')
if held[1] ~= ARGV[2] then return {'FENCED', 0} end

local first, last = tonumber(ARGV[6]), tonumber(held[2])
if redis.pcall('XLEN', stream) ~= last + 1 then
    local attempt = tonumber(ARGV[5])
    local found, foreign = attempt_end(stream, attempt, last)
    if foreign then return {'FOREIGN', 0} end
    if found < 0 then
        if first > 1 then return {'GONE', 0} end
        local h = read_job(ARGV[1])
        write_start(stream, ARGV[1], h.first, h.number, attempt, 'history_lost', worker_of(ARGV[2]))
        found = 0
    end
    last = found
end
if first > last + 1 then return {'GONE', last} end

local before, a = last, ARGV[5] .. '-'
for i = 8 + last - first + 1, #ARGV do
    last = last + 1
    local added = redis.pcall('XADD', stream, a .. last, 'data', ARGV[i])
    -- As long as ours and not ours: who removed it wrote as many. Any other error is Redis's own.
    if added.err then
        return string.find(added.err, 'equal or smaller', 1, true) and {'FOREIGN', 0} or added
    end
end
if last > before then redis.call('HSET', job, 'last', last) end
-- A needless PEXPIRE would wake every follower's tracking.
if redis.call('PTTL', stream) < ARGV[7] / 2 then redis.call('PEXPIRE', stream, ARGV[7]) end
return {'OK', last}
