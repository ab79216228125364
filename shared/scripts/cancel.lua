-- End a training that waits or is sent; a worker that has begun it reads the request. given: cancelled.
local state = redis.call('HGET', job, 'state')
if not state or state == 'over' then return 'over' end
redis.call('SET', control, 'cancel', 'EX', ttl)
if state == 'begun' then return 'asked' end
tell(next_entry(), given[1], true)
return 'cancelled'
