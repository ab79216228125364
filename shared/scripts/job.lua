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

local function next_entry()
  local last = redis.call('XREVRANGE', events, '+', '-', 'COUNT', 1)
  local attempt, seq = string.match(last[1] and last[1][1] or '0-1', '^(%d+)-(%d+)$')
  return attempt .. '-' .. string.format('%d', tonumber(seq) + 1)
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

-- Keep a text, which may be '', and the numbers of its lines' authors, '' for a text that is no channel's.
local function keep_text(new_text, new_authors, seconds)
  redis.call('DEL', text, authors)
  if new_text ~= '' then redis.call('SET', text, new_text, 'EX', seconds) end
  if new_authors ~= '' then redis.call('SET', authors, new_authors, 'EX', seconds) end
end
