-- A job's events. What is too large to be one comes empty: a stream may hold more than fits into the bot.
-- KEYS: the events. ARGV: XRANGE or XREVRANGE, where to begin and end, entries, bytes of an event, bytes in all.
local found, total = {}, 0
for _, entry in ipairs(redis.call(ARGV[1], KEYS[1], ARGV[2], ARGV[3], 'COUNT', ARGV[4])) do
  for at, part in ipairs(entry[2]) do
    if #part > tonumber(ARGV[5]) then entry[2][at] = '' else total = total + #part end
  end
  if total > tonumber(ARGV[6]) then break end
  found[#found + 1] = entry
end
return found
