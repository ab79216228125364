-- Writes a record if it is still the one that was read, under a new name if that is free. KEYS: the guild's models, the
-- model. ARGV: model id, old record, new record, old name, new name.
if redis.call('GET', KEYS[2]) ~= ARGV[2] then return 'changed' end
if ARGV[4] ~= ARGV[5] then
  if redis.call('HSETNX', KEYS[1], ARGV[5], ARGV[1]) == 0 then return 'taken' end
  redis.call('HDEL', KEYS[1], ARGV[4])
end
redis.call('SET', KEYS[2], ARGV[3])
return 'done'
