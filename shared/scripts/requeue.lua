-- sent, begun -> waiting; or over, if somebody has asked for that. Only a begun attempt has something to interrupt.
-- given: attempt, nonce, how (stopped: in order, which is no death; died; lapsed: nobody has the lease; unsent: only
-- if it was not begun), interrupted, cancelled.
local state = redis.call('HGET', job, 'state')
if (state ~= 'sent' and state ~= 'begun') or not is_newest(given[1], given[2]) then return false end
if given[3] == 'unsent' and state == 'begun' then return false end
if given[3] == 'lapsed' and redis.call('EXISTS', lease) == 1 then return false end
redis.call('DEL', lease)
if given[3] == 'stopped' then redis.call('HSET', job, 'deaths', '0') end
local attempt = next_attempt()
if redis.call('GET', control) == 'cancel' then
  tell(attempt .. '-1', given[5], true)
  return 'cancelled'
end
redis.call('HSET', job, 'state', 'waiting')
if state == 'begun' then tell(attempt .. '-1', given[4], false) else notify() end
return 'waiting'
