-- Takes a model out of the registry, and notes that its files are to go. KEYS: the guild's models, the model, the
-- deletions. ARGV: model id, DeleteJob.
local record = redis.call('GET', KEYS[2])
if not record then return 0 end
redis.call('HDEL', KEYS[1], cjson.decode(record)['name'])
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
return 1
