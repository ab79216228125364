-- Keep the lease, or take it again after an outage, while nobody else has the job. given: attempt, nonce, milliseconds.
if redis.call('HGET', job, 'state') ~= 'begun' or not is_newest(given[1], given[2]) then return 0 end
redis.call('SET', lease, given[1] .. ':' .. given[2], 'PX', given[3])
return 1
