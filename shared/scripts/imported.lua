-- importing -> waiting: the text is there. KEYS[7]: the job as the bot knows it.
-- given: the job with its text, the same as the bot knows it, its arrival.
local state = redis.call('HGET', job, 'state')
if state ~= 'importing' then return state end
redis.call('HSET', job, 'job', given[1], 'state', 'waiting', 'arrived', given[3])
redis.call('SET', KEYS[7], given[2], 'EX', ttl)
notify()
return 'waiting'
