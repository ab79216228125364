-- Keep the lease, or take it again after an outage, while nobody else has the job. given: holder, milliseconds.
local state, holder = unpack(redis.call('HMGET', job, 'state', 'holder'))
if state ~= 'begun' or holder ~= given[1] then return 0 end
redis.call('SET', lease, holder, 'PX', given[2])
return 1
