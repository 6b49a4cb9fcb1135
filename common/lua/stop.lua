-- stop: end a job by its id; a dead one is dropped.
--
-- ARGV: 1 job, 2 stream ttl
-- Answers {NONE|ENDED|CANCELLED|DROPPED, state}. A job that was retried is not among the dead any more.
local id, counters = ARGV[1], {}
local h = read_job(id)
if not h.state then return {'NONE', ''} end
if is_alive(h.state) then
    end_cancelled(counters, id, h, now_ms(), ARGV[2], 'requested', {'reason', 'requested'})
    save(counters)
    return {'CANCELLED', 'cancelled'}
end
if h.state ~= 'dead' or not redis.call('ZSCORE', key_dead(h.queue), id) then return {'ENDED', h.state} end
drop_dead(count(counters, h.queue, now_ms()), h.queue, id)
save(counters)
return {'DROPPED', 'dead'}
