-- importing -> waiting: the text is there. KEYS[7]: the job as the bot knows it.
-- given: the job with its text, the same as the bot knows it, whose its model is, what that one's key begins with, arrival.
local state, model = unpack(redis.call('HMGET', job, 'state', 'model_id'))
if state ~= 'importing' then return state end
redis.call('HSET', job, 'job', given[1], 'state', 'waiting', 'arrived', given[5])
redis.call('SET', KEYS[7], given[2], 'EX', ttl)
redis.call('SET', given[4] .. model, given[3])
notify()
return 'waiting'
