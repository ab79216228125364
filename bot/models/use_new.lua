-- Make a new model its channel's current one, once for its job, unless the channel keeps a model that is still there.
-- KEYS: the job, the channel. ARGV: the model's id, what a model's key begins with.
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('HSETNX', KEYS[1], 'in_use', '1') == 0 then return end
local current, keep = unpack(redis.call('HMGET', KEYS[2], 'model', 'keep'))
if keep == '1' and current and redis.call('EXISTS', ARGV[2] .. current) == 1 then return end
redis.call('HSET', KEYS[2], 'model', ARGV[1])
