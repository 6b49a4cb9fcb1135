-- append: messages first, first + 1, … of attempts.
--
-- ARGV: 1 stream ttl; then of each attempt: id, owner, feature, chat, A, first, how many messages,
--       the messages
-- Answers, in the same order, the attempt's last N, {FENCED|FOREIGN|GONE, last N}, or the error that a
-- command failed with: of one job alone. What is there already is not added again.
--
-- The first write is an XADD: a full Redis refuses it to each, and the worker waits.
local ttl = tonumber(ARGV[1])

local function append(at, to)
    local id, owner, stream = ARGV[at], ARGV[at + 1], key_stream(ARGV[at + 2], ARGV[at + 3])
    local job = key_job(id)
    if redis.call('HGET', job, 'owner') ~= owner then return {'FENCED', 0} end
    local first = tonumber(ARGV[at + 5])
    local before, last, answer = first - 1, nil, nil
    -- A stream as long as before the first: nothing is lost, nobody else wrote, and the hash would say
    -- the same; to read it, too, would cost half as much as the XADD. Before the very first message the
    -- one entry may be another attempt's.
    if first > 1 and to > at + 6 and redis.pcall('XLEN', stream) == first then
        last, answer = write_messages(stream, ARGV[at + 4], first, at + 7, to)
    end
    -- Not as long, or the stream knew these ids already: somebody took their entries away.
    if not last and not (answer and answer.err) then
        before = tonumber(redis.call('HGET', job, 'last'))
        last, answer = add_messages(id, owner, stream, ARGV[at + 4], before, first, at + 7, to)
    end
    if not last then return answer end
    if last ~= before then redis.call('HSET', job, 'last', text(last)) end
    -- A needless PEXPIRE would wake every follower's tracking.
    if redis.call('PTTL', stream) < ttl / 2 then redis.call('PEXPIRE', stream, ARGV[1]) end
    return last
end

local answers, at = {}, 2
while at < #ARGV do
    local to = at + 6 + ARGV[at + 6]
    answers[#answers + 1] = alone(append, at, to)
    at = to + 1
end
return answers
