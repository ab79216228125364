-- Give a training another text, because words of the first were withdrawn. Nothing that was made of the first one lasts.
-- given: as `store` takes it, the next nonce, interrupted, cancelled.
local state, nonce, attempt = unpack(redis.call('HMGET', job, 'state', 'nonce', 'attempt'))
if state == 'waiting' and nonce == given[5] then return attempt end -- the reply got lost
if state ~= 'waiting' and state ~= 'begun' then return 'over' end
redis.call('DEL', lease)
store()
if state == 'waiting' and attempt == '1' then -- no worker has read the first text
  notify()
  return 'waiting'
end
for _, entry in ipairs(redis.call('XRANGE', events, '-', '+')) do
  local understood, event = pcall(cjson.decode, entry[2][2])
  if not understood or event.kind == 'sample' then redis.call('XDEL', events, entry[1]) end
end
attempt = wait_again(given[5], given[6], given[7])
if attempt ~= 'cancelled' then
  redis.call('DEL', control)
  redis.call('HSET', job, 'deaths', '0')
end
return attempt
