-- Tell a job's end and enter its model, both or neither. A job that was asked to end enters
-- nothing: who asked may have deleted already what it was to take the place of, or all that learned its channel.
-- KEYS[7..8]: the server's models, the model.
-- given: the event's id, the event, model id, its entry, the model's record.
local known, state = unpack(redis.call('HMGET', job, 'job', 'state'))
if not known or state == 'over' then return 'refused' end
if redis.call('GET', control) == 'cancel' then return 'cancelled' end
local owner = redis.call('HGET', KEYS[7], given[4])
if owner and owner ~= given[3] then return 'taken' end
tell(given[1], given[2], true)
redis.call('HSET', KEYS[7], given[4], given[3])
redis.call('SET', KEYS[8], given[5])
return 'entered'
