-- Take back a job of which nobody was told. A training that a worker has begun can only be asked to end.
-- KEYS[7]: jobs whose end was not shown. KEYS[8]: the job as the bot knows it.
-- given: the first nonce or '', what the keys of its model begin with: what it is, and whose.
if given[1] ~= '' and redis.call('HGET', job, 'first_nonce') ~= given[1] then return 'not there' end
if redis.call('HEXISTS', active, id) == 1 and redis.call('HGET', job, 'state') == 'begun' then
  redis.call('SET', control, 'cancel', 'EX', ttl)
  redis.call('SREM', KEYS[7], id)
  return 'begun'
end
local model = redis.call('HGET', job, 'model_id')
if model and redis.call('EXISTS', given[2] .. model) == 0 then redis.call('DEL', given[3] .. model) end
redis.call('DEL', job, events, lease, text, authors, KEYS[8])
redis.call('SREM', KEYS[7], id)
redis.call('HDEL', active, id)
return 'undone'
