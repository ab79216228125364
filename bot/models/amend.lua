-- Writes a record if it is still the one that was read, under a new name if that is free. KEYS: the guild's models, the
-- model. ARGV: model id, old record, new record, old entry, new entry, and what else must not be another model's.
if redis.call('GET', KEYS[2]) ~= ARGV[2] then return 'changed' end
if ARGV[4] ~= ARGV[5] then
  for i = 5, #ARGV do
    local owner = redis.call('HGET', KEYS[1], ARGV[i])
    if owner and owner ~= ARGV[1] then return 'taken' end
  end
  redis.call('HSET', KEYS[1], ARGV[5], ARGV[1])
  redis.call('HDEL', KEYS[1], ARGV[4])
end
redis.call('SET', KEYS[2], ARGV[3])
return 'done'
