-- append: messages first, first + 1, … of attempts.
--
-- ARGV: 1 stream ttl; then of each attempt: id, owner, feature, chat, A, first, how many messages,
--       the messages
-- Answers, in the same order, {OK|FENCED|FOREIGN|GONE, last N}, or the error that a command failed
-- with: of one job alone. What is there already is not added again.
--
-- The first write is an XADD: a full Redis refuses it to each, and the worker waits.
local ttl = tonumber(ARGV[1])

local function append(at, to)
    local id, owner, stream = ARGV[at], ARGV[at + 1], key_stream(ARGV[at + 2], ARGV[at + 3])
    local held = redis.call('HMGET', key_job(id), 'owner', 'last')
    if held[1] ~= owner then return {'FENCED', 0} end
    local before = tonumber(held[2])
    local last, answer = add_messages(id, owner, stream, ARGV[at + 4], before, tonumber(ARGV[at + 5]),
        at + 7, to)
    if not last then return answer end
    if last ~= before then redis.call('HSET', key_job(id), 'last', text(last)) end
    -- A needless PEXPIRE would wake every follower's tracking.
    if redis.call('PTTL', stream) < ttl / 2 then redis.call('PEXPIRE', stream, ARGV[1]) end
    return {'OK', last}
end

local answers, at = {}, 2
while at < #ARGV do
    local to = at + 6 + ARGV[at + 6]
    answers[#answers + 1] = alone(append, at, to)
    at = to + 1
end
return answers
