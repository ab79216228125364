-- Take in a job, with its first event. A reply may get lost and the call be made again: the key tells that it was this one.
-- KEYS[7]: jobs whose end was not shown.
-- given: job, idempotency key, first event's id, first event, 1 if its end is to be shown, owner of a training or '', the record's other fields.
if redis.call('HEXISTS', job, 'job') == 1 then
  return redis.call('HGET', job, 'key') == given[2] and 'entered' or 'known'
end
redis.call('HSET', job, 'job', given[1], 'key', given[2], unpack(given, 7))
redis.call('EXPIRE', job, ttl)
redis.call('XADD', events, given[3], 'event', given[4])
redis.call('EXPIRE', events, ttl)
if given[5] == '1' then redis.call('SADD', KEYS[7], id) end
if given[6] ~= '' then redis.call('HSET', active, id, given[6]) end
notify()
return 'entered'
