-- Give a training another text, because words of the first were withdrawn. Nothing that was made of the first one lasts.
-- KEYS[7]: the job as the bot knows it.
-- given: the job with its new text, the same as the bot knows it, the text, the numbers of its lines' authors, seconds that
-- they live, the next nonce, interrupted, cancelled.
local state, nonce, attempt = unpack(redis.call('HMGET', job, 'state', 'nonce', 'attempt'))
if state == 'waiting' and nonce == given[6] then return attempt end -- the reply got lost
if state ~= 'waiting' and state ~= 'begun' then return 'over' end
redis.call('DEL', lease)
local begun = state == 'begun' or attempt ~= '1' -- some worker may have read the first text
if begun then
  attempt = next_attempt()
  if redis.call('GET', control) == 'cancel' then
    tell(attempt .. '-1', given[8], true)
    return 'cancelled'
  end
  redis.call('DEL', control)
  for _, entry in ipairs(redis.call('XRANGE', events, '-', '+')) do
    local understood, event = pcall(cjson.decode, entry[2][2])
    if not understood or event.kind == 'sample' then redis.call('XDEL', events, entry[1]) end
  end
  redis.call('HSET', job, 'state', 'waiting', 'nonce', given[6], 'deaths', '0')
end
redis.call('HSET', job, 'job', given[1])
redis.call('SET', KEYS[7], given[2], 'EX', ttl)
keep_text(given[3], given[4], given[5])
if not begun then
  notify()
  return 'waiting'
end
tell(attempt .. '-1', given[7], false)
return attempt
