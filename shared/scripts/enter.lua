-- Take in a job, with its first event. A reply may get lost and the call be made again: the nonce tells that it was this one.
-- KEYS[7]: the job as the bot knows it. KEYS[8]: jobs whose end was not shown. KEYS[9]: whose its model is. KEYS[10..]: the
-- requests of each member whom it concerns.
-- given: as `store` takes it, nonce, state, first event, now, server of a training or '', model id or '', whose its model is.
if redis.call('HEXISTS', job, 'job') == 1 then
  return redis.call('HGET', job, 'first_nonce') == given[5] and 'entered' or 'known'
end
store()
redis.call('HSET', job, 'first_nonce', given[5], 'nonce', given[5], 'attempt', '1', 'state', given[6], 'entered_at', given[8])
redis.call('XADD', events, '0-1', 'event', given[7]) -- before those of attempts
redis.call('EXPIRE', events, ttl)
redis.call('SADD', KEYS[8], id)
if given[9] ~= '' then redis.call('HSET', active, id, given[9]) end
if given[10] ~= '' then
  redis.call('HSET', job, 'model_id', given[10])
  redis.call('SET', KEYS[9], given[11])
end
for i = 10, #KEYS do
  redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', given[8] - 2 * ttl)
  redis.call('ZADD', KEYS[i], given[8], id)
  redis.call('EXPIRE', KEYS[i], 2 * ttl)
end
notify()
return 'entered'
