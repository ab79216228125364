-- Take in a job, with its first event. A reply may get lost and the call be made again: the key tells that it was this one.
-- KEYS[7]: jobs whose end was not shown. KEYS[8]: the job as the bot knows it. KEYS[9]: whose its model is. KEYS[10..]: the
-- requests of each member whom it concerns.
-- given: job, the job as the bot knows it, idempotency key, first event's id, first event, server of a training or '', now,
-- whose its model is or '', the text or '', seconds that it lives, the record's other fields.
if redis.call('HEXISTS', job, 'job') == 1 then
  return redis.call('HGET', job, 'key') == given[3] and 'entered' or 'known'
end
redis.call('HSET', job, 'job', given[1], 'key', given[3], unpack(given, 11))
redis.call('EXPIRE', job, ttl)
redis.call('SET', KEYS[8], given[2], 'EX', ttl)
redis.call('XADD', events, given[4], 'event', given[5])
redis.call('EXPIRE', events, ttl)
redis.call('SADD', KEYS[7], id)
if given[6] ~= '' then redis.call('HSET', active, id, given[6]) end
if given[8] ~= '' then redis.call('SET', KEYS[9], given[8]) end
keep_text(given[9], '', given[10])
for i = 10, #KEYS do
  redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', given[7] - 2 * ttl)
  redis.call('ZADD', KEYS[i], given[7], id)
  redis.call('EXPIRE', KEYS[i], 2 * ttl)
end
notify()
return 'entered'
