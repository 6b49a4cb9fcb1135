-- cancel: end a chat's job from outside.
--
-- ARGV: 1 feature, 2 chat (both '' for whichever the job has), 3 job ('' for whichever the chat has),
--       4 stream ttl
-- Answers {NONE} or {CANCELLED|ENDED, job, state}; ENDED: it was over before.
local id = ARGV[3] ~= '' and ARGV[3] or look(ARGV[1], ARGV[2])[1]
local h = read_job(id)
if not h.state then return {'NONE'} end
if ARGV[1] ~= '' and (h.feature_id ~= ARGV[1] or h.chat_id ~= ARGV[2]) then return {'NONE'} end
if not is_alive(h.state) then return {'ENDED', id, h.state} end

local counters = {}
end_cancelled(counters, id, h, now_ms(), ARGV[4], 'requested', {'reason', 'requested'})
save(counters)
return {'CANCELLED', id, 'cancelled'}
