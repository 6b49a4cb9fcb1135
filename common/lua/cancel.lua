-- cancel: end a chat's job from outside.
--
-- ARGV: 1 feature, 2 chat, 3 job ('' for whichever the chat has), 4 stream ttl
-- Answers {NONE} or {CANCELLED|ENDED, job, state}; ENDED: it was over before.
local id = ARGV[3] ~= '' and ARGV[3] or look(ARGV[1], ARGV[2])[1]
local h = read_job(id)
if not h.state or h.feature_id ~= ARGV[1] or h.chat_id ~= ARGV[2] then return {'NONE'} end
if not is_alive(h.state) then return {'ENDED', id, h.state} end

end_job(id, h, now_ms(), 'cancelled', 'cancelled', h.retention_ms or ARGV[4], {'reason', 'requested'})
redis.call('HSET', key_job(id), 'error', 'requested')
if h.owner then redis.call('PUBLISH', key_worker(worker_of(h.owner)), id) end
return {'CANCELLED', id, 'cancelled'}
