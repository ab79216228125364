-- End a job, whatever became of it so far. given: its last event; the nonce of the call that must have entered it, or ''.
local state, first_nonce = unpack(redis.call('HMGET', job, 'state', 'first_nonce'))
if not state or (given[2] ~= '' and given[2] ~= first_nonce) then return 'not there' end
if state == 'over' then return 'over' end
tell(next_attempt() .. '-1', given[1], true)
return 'given up'
