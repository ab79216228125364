-- Make a new model its channel's current one, once for its job. KEYS: the job, the channel. ARGV: the model's id; 1 if the
-- channel keeps its own.
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('HSETNX', KEYS[1], 'in_use', '1') == 0 then return end
if ARGV[2] == '1' then return end
redis.call('HSET', KEYS[2], 'model', ARGV[1])
redis.call('HDEL', KEYS[2], 'keep') -- that was said of the one before
