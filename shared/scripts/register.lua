-- Tell a job's end and enter its model, both or neither. A job without a record was taken back.
-- KEYS[7..9]: the server's models, the model, the channel.
-- given: the event's id, the event, model id, its entry, the model's record, 1 for the channel's current one unless that is
-- kept, what a model's key begins with.
local known, state = unpack(redis.call('HMGET', job, 'job', 'state'))
if not known or state == 'over' then return 'refused' end
local owner = redis.call('HGET', KEYS[7], given[4])
if owner and owner ~= given[3] then return 'taken' end
tell(given[1], given[2], true)
redis.call('HSET', KEYS[7], given[4], given[3])
redis.call('SET', KEYS[8], given[5])
local current, keep = unpack(redis.call('HMGET', KEYS[9], 'model', 'keep'))
local kept = keep == '1' and current and redis.call('EXISTS', given[7] .. current) == 1
if given[6] == '1' and not kept then redis.call('HSET', KEYS[9], 'model', given[3]) end
return 'entered'
