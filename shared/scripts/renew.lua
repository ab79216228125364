-- Keep the lease, or take it again after an outage, while nobody else has the job.
-- given: attempt, nonce, holder, milliseconds.
local state, holder = unpack(redis.call('HMGET', job, 'state', 'holder'))
if state ~= 'begun' or holder ~= given[3] or not is_newest(given[1], given[2]) then return 0 end
redis.call('SET', lease, given[3], 'PX', given[4])
return 1
