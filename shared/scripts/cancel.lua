-- End a training that waits; a worker that has begun it reads the request. given: cancelled.
-- It begins with a DEL: a full Redis refuses a script whose first write may take memory.
local state = redis.call('HGET', job, 'state')
if not state or state == 'over' then return 'over' end
redis.call('DEL', control)
redis.call('SET', control, 'cancel', 'EX', ttl)
if state == 'begun' then return 'asked' end
tell(next_attempt() .. '-1', given[1], true)
return 'cancelled'
