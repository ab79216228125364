-- Takes a model out of the registry, and notes that its files are to go. KEYS: the guild's models, the model, whose it
-- is, the deletions. ARGV: model id.
if redis.call('DEL', KEYS[2], KEYS[3]) == 0 then return 0 end
local entries = redis.call('HGETALL', KEYS[1])
for i = 1, #entries, 2 do
  if entries[i + 1] == ARGV[1] then redis.call('HDEL', KEYS[1], entries[i]) end
end
redis.call('SADD', KEYS[4], ARGV[1])
return 1
