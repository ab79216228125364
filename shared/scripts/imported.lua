-- importing -> waiting: the text is there. given: the job with it, its arrival.
local state = redis.call('HGET', job, 'state')
if state ~= 'importing' then return state end
redis.call('HSET', job, 'job', given[1], 'state', 'waiting', 'arrived', given[2])
notify()
return 'waiting'
