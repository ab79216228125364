-- reading -> waiting: the text is there. given: as `store` takes it, with what is known of the text.
-- Answers the nonce of the attempt that is to be sent, again if the reply got lost.
local state, nonce = unpack(redis.call('HMGET', job, 'state', 'nonce'))
if state == 'waiting' then return nonce end
if state ~= 'reading' then return false end
store()
redis.call('HSET', job, 'state', 'waiting')
notify()
return nonce
