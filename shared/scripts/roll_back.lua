-- Take back a job of which nobody was told. A training that a worker has begun can only be asked to end.
-- KEYS[7]: jobs whose end was not shown. KEYS[8]: the job as the bot knows it.
-- given: the idempotency key or '', what the key begins with that says whose its model is.
if given[1] ~= '' and redis.call('HGET', job, 'key') ~= given[1] then return 'not there' end
if redis.call('HEXISTS', active, id) == 1 and redis.call('HGET', job, 'state') == 'begun' then
  redis.call('SET', control, 'cancel', 'EX', ttl)
  redis.call('SREM', KEYS[7], id)
  return 'begun'
end
redis.call('DEL', job, events, lease, KEYS[8], given[2] .. (redis.call('HGET', job, 'model_id') or ''))
redis.call('SREM', KEYS[7], id)
redis.call('HDEL', active, id)
return 'undone'
