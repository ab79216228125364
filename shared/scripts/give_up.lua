-- End a job that took too long for whoever asked, as they are told. given: failed.
local state = redis.call('HGET', job, 'state')
if not state or state == 'over' then return 'over' end
tell(next_attempt() .. '-1', given[1], true)
return 'given up'
