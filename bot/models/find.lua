-- Returns each model's id, what it is and whose it is, one after the other, and the hash of each channel. KEYS: the
-- guild's models, then the channel and, of a thread, its parent. ARGV: what a model's two keys begin with; one or more
-- entries; an empty one: the models that the channels have chosen; none: all models.
local ids, records, choices = {}, {}, {}
if not ARGV[3] then
  ids = redis.call('HVALS', KEYS[1])
elseif ARGV[3] ~= '' then
  for i = 3, #ARGV do ids[#ids + 1] = redis.call('HGET', KEYS[1], ARGV[i]) or nil end
end
for i = 2, #KEYS do
  choices[i - 1] = redis.call('HGETALL', KEYS[i])
  if ARGV[3] == '' then ids[#ids + 1] = redis.call('HGET', KEYS[i], 'model') or nil end
end
for _, id in ipairs(ids) do
  records[#records + 1] = id
  for i = 1, 2 do records[#records + 1] = redis.call('GET', ARGV[i] .. id) end
end
return {records, choices}
