-- waiting -> sent: the attempt that is next gets its nonce, and how long it has to begin.
-- KEYS[7]: servers' turns. given: nonce, milliseconds or 0, and of a training its start tag, its server, what to keep of that.
if redis.call('HGET', job, 'state') ~= 'waiting' then return false end
local attempt = redis.call('HGET', job, 'attempt')
redis.call('HSET', job, 'state', 'sent', 'nonce', given[1])
if given[2] ~= '0' then redis.call('SET', lease, attempt .. ':' .. given[1], 'PX', given[2]) end
if given[3] then
  redis.call('HSETNX', job, 'start_tag', given[3])
  redis.call('HSET', KEYS[7], given[4], given[5])
end
return attempt
