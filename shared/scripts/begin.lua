-- waiting -> begun, once, for the newest attempt; whoever asks again because the reply got lost is answered again.
-- given: attempt, nonce, holder, worker, milliseconds of the lease or 0.
local state, holder = unpack(redis.call('HMGET', job, 'state', 'holder'))
if not is_newest(given[1], given[2]) then return false end
if state == 'waiting' then
  redis.call('HSET', job, 'state', 'begun', 'holder', given[3], 'worker', given[4])
  redis.call('HINCRBY', job, 'deaths', 1)
elseif state ~= 'begun' or holder ~= given[3] then
  return false
end
if given[5] ~= '0' then redis.call('SET', lease, given[3], 'PX', given[5]) end
return redis.call('HGET', job, 'job')
