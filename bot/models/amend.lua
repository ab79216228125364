-- Writes a record if it is still the one that was read, under a new name if that is free. KEYS: the guild's models, the
-- model, whose it is. ARGV: model id, both as they were read, both as they are to be, old entry, new entry, and what else
-- must not be another model's.
if redis.call('GET', KEYS[2]) ~= ARGV[2] or redis.call('GET', KEYS[3]) ~= ARGV[3] then return 'changed' end
if ARGV[6] ~= ARGV[7] then
  for i = 7, #ARGV do
    local owner = redis.call('HGET', KEYS[1], ARGV[i])
    if owner and owner ~= ARGV[1] then return 'taken' end
  end
  redis.call('HSET', KEYS[1], ARGV[7], ARGV[1])
  redis.call('HDEL', KEYS[1], ARGV[6])
end
redis.call('SET', KEYS[2], ARGV[4])
redis.call('SET', KEYS[3], ARGV[5])
return 'done'
