-- begun -> waiting, or waiting once more where the message is lost; or over, if somebody has asked for that.
-- given: attempt, nonce, how (stopped: in order, which is no death; died; lapsed: nobody has the lease; lost: it waits),
-- the next nonce, interrupted, cancelled.
local state, nonce = unpack(redis.call('HMGET', job, 'state', 'nonce'))
if state == 'waiting' and nonce == given[4] then return redis.call('HGET', job, 'attempt') end -- the reply got lost
if state ~= (given[3] == 'lost' and 'waiting' or 'begun') or not is_newest(given[1], given[2]) then return false end
if given[3] == 'lapsed' and redis.call('EXISTS', lease) == 1 then return false end
redis.call('DEL', lease)
if given[3] == 'stopped' then redis.call('HSET', job, 'deaths', '0') end
return wait_again(given[4], state == 'begun' and given[5], given[6])
