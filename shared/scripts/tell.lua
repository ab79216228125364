-- given: the event's id, the event, 1 if it is the last, 1 if it takes the place of the progress told before.
tell(given[1], given[2], given[3] == '1')
if given[4] == '1' then
  local before = redis.call('HGET', job, 'progress')
  if before then redis.call('XDEL', events, before) end
  redis.call('HSET', job, 'progress', given[1])
end
return 1
