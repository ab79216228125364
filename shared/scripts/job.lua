-- What the scripts of a job's life share: each of them begins with this file.
-- KEYS: the job's record, its events, its lease, what was asked of it, notifications, the trainings that are not over.
-- ARGV: the job's id, seconds for which a job is kept, entries of the notifications, the keys of the job's text and of its
-- lines' authors; then what the script itself takes. A worker may only read and delete these two, and EVAL demands the
-- right to write to all of KEYS.
local job, events, lease, control, notifications, active = unpack(KEYS, 1, 6)
local id, ttl, most, text, authors = unpack(ARGV, 1, 5)
local given = { unpack(ARGV, 6) }

-- Whether an attempt is still the newest one.
local function is_newest(attempt, nonce)
  local now = redis.call('HMGET', job, 'attempt', 'nonce')
  return now[1] == attempt and now[2] == nonce
end

-- From here on no attempt before this one can begin, renew its lease, or tell anything.
local function next_attempt()
  redis.call('HDEL', job, 'nonce', 'holder', 'worker')
  return string.format('%d', redis.call('HINCRBY', job, 'attempt', 1))
end

local function notify()
  redis.call('XADD', notifications, 'MAXLEN', '~', most, '*', 'job', id)
end

-- XADD refuses an id that is not the newest and ends the script: an event of a superseded attempt changes nothing.
-- The last event ends the job, and its text goes.
local function tell(entry, event, last)
  redis.call('XADD', events, entry, 'event', event, unpack(last and { 'last', '1' } or {}))
  if last then
    redis.call('HDEL', active, id)
    redis.call('HSET', job, 'state', 'over')
    redis.call('DEL', lease)
    redis.call('DEL', text, authors)
  end
  redis.call('EXPIRE', events, ttl)
  redis.call('EXPIRE', job, ttl)
  notify()
end

-- Keep given[1..4]: the job as workers know it, as the bot knows it (under KEYS[7]), its text, which may be '', and the
-- numbers of its lines' authors, '' for a text that is no channel's. The job's end deletes the text; if that never
-- comes, as after a loss of Redis' data, it expires.
local function store()
  redis.call('HSET', job, 'job', given[1])
  redis.call('EXPIRE', job, ttl)
  redis.call('SET', KEYS[7], given[2], 'EX', ttl)
  redis.call('DEL', text, authors)
  if given[3] ~= '' then redis.call('SET', text, given[3], 'EX', ttl) end
  if given[4] ~= '' then redis.call('SET', authors, given[4], 'EX', ttl) end
end

-- Have the job wait for its next attempt or, if somebody has asked to cancel it, end it. Answers the attempt's number, or
-- `cancelled`. interrupted: an event, or false if no worker had begun the job.
local function wait_again(nonce, interrupted, cancelled)
  local attempt = next_attempt()
  if redis.call('GET', control) == 'cancel' then
    tell(attempt .. '-1', cancelled, true)
    return 'cancelled'
  end
  redis.call('HSET', job, 'state', 'waiting', 'nonce', nonce)
  if interrupted then tell(attempt .. '-1', interrupted, false) else notify() end
  return attempt
end
