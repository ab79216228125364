-- Let a channel's words go some time after a training. Another one may have yet to read them; those that were to go
-- sooner are not kept longer. KEYS: those of the pages, active. ARGV: the transcript as a job names it, the job that is
-- over, the key of a job with %s for its id, milliseconds.
for _, id in ipairs(redis.call('HKEYS', KEYS[#KEYS])) do
  local other = id ~= ARGV[2] and redis.call('HGET', string.format(ARGV[3], id), 'job')
  if other and string.find(other, ARGV[1], 1, true) then return 0 end
end
for i = 1, #KEYS - 1 do
  local left = redis.call('PTTL', KEYS[i])
  if left == -1 or left > tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[i], ARGV[4]) end
end
return 1
