"""How a job enters Redis and is taken back, so that a reply which gets lost on the way neither loses nor doubles it.

Each call that enters a job has a random `entry`, kept with the job. The same call made again is told that it has
entered the job; another one that it is known. Trainings enter by `shared.turns`, with the same rule.
"""

from __future__ import annotations

from shared import keys, turns
from shared.jobs import DeleteJob, Job
from shared.turns import Script

# KEYS: job, events, undelivered. ARGV: id, job (JSON), entry, TTL, first event's id, first event, 1 if it is awaited.
_ENTER = """
if redis.call('HEXISTS', KEYS[1], 'job') == 1 then
  return redis.call('HGET', KEYS[1], 'entry') == ARGV[3] and 'entered' or 'known'
end
redis.call('HSET', KEYS[1], 'job', ARGV[2], 'entry', ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('XADD', KEYS[2], ARGV[5], 'event', ARGV[6])
redis.call('EXPIRE', KEYS[2], ARGV[4])
if ARGV[7] == '1' then redis.call('SADD', KEYS[3], ARGV[1]) end
return 'entered'
"""

# A training that is active and does not wait is a worker's: it can be asked to end, but it is there.
# KEYS: job, events, undelivered, active, waiting, control. ARGV: id, entry or nothing, 1 to cancel, TTL.
_RETRACT = """
if ARGV[2] ~= '' and redis.call('HGET', KEYS[1], 'entry') ~= ARGV[2] then return 'not there' end
if redis.call('HEXISTS', KEYS[4], ARGV[1]) == 1 and redis.call('ZREM', KEYS[5], ARGV[1]) == 0 then
  if ARGV[3] == '1' then
    redis.call('SET', KEYS[6], 'cancel', 'EX', ARGV[4])
    redis.call('SREM', KEYS[3], ARGV[1])
  end
  return 'claimed'
end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('SREM', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
return 'undone'
"""

# KEYS: job. ARGV: TTL.
_GIVE_UP = """
if redis.call('HEXISTS', KEYS[1], 'over') == 1 then return 'over' end
redis.call('HSET', KEYS[1], 'over', '1')
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 'given up'
"""


def enter(job: Job, entry: str, event: str) -> Script:
    """Take in a job that is no training, with its first event (JSON). Answers `entered` or `known`."""
    names = (keys.job(job.job_id), keys.job_events(job.job_id), keys.UNDELIVERED)
    awaited = str(int(not isinstance(job, DeleteJob)))
    fields = (job.job_id, job.model_dump_json(), entry, str(keys.JOB_TTL_S), turns.FIRST_EVENT, event, awaited)
    return Script(_ENTER, names, fields)


def retract(job_id: str, entry: str = "", *, cancel: bool) -> Script:
    """Take a job back.

    Args:
        job_id: the job.
        entry: of the call that entered it; empty: whichever.
        cancel: ask the worker that has claimed the training to cancel it, and show nobody how it ends.

    Returns:
        A script that answers `undone`; `claimed`, if it is a training that a worker has; or `not there`.
    """
    names = (
        keys.job(job_id),
        keys.job_events(job_id),
        keys.UNDELIVERED,
        keys.ACTIVE,
        keys.WAITING,
        keys.job_control(job_id),
    )
    return Script(_RETRACT, names, (job_id, entry, str(int(cancel)), str(keys.JOB_TTL_S)))


def give_up(job_id: str) -> Script:
    """End a job that took too long: its worker begins nothing and enters nothing any more.

    Returns:
        A script that answers `given up`, or `over` when it had its end already.
    """
    return Script(_GIVE_UP, (keys.job(job_id),), (str(keys.JOB_TTL_S),))
