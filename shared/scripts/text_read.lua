-- reading -> waiting: the text is there. KEYS[7]: the job as the bot knows it.
-- given: the job, now with what is known of its text; the same as the bot knows it; the text and its lines' authors;
-- seconds that they live.
-- Answers the nonce of the attempt that is to be sent, again if the reply got lost.
local state, nonce = unpack(redis.call('HMGET', job, 'state', 'nonce'))
if state == 'waiting' then return nonce end
if state ~= 'reading' then return false end
redis.call('HSET', job, 'job', given[1], 'state', 'waiting')
redis.call('SET', KEYS[7], given[2], 'EX', ttl)
keep_text(given[3], given[4], given[5])
notify()
return nonce
