"""Whose training is next: fair between servers, and decided in Redis in one step each time.

Celery's queue is first in, first out, so its messages are only tokens: a token says "there is a training to run", and
the worker that gets one claims the training whose turn it is. Turns are start tags of start-time fair queueing (Goyal,
Vin & Cheng 1996) with all trainings of one length: a server's next training comes one turn after its last one, but
never before the present turn. See docs/decisions/040-fair-turns.md.
"""

from __future__ import annotations

import secrets
from typing import Final, NamedTuple

from shared import keys
from shared.jobs import TrainJob

FIRST_EVENT, CANCELLED_EVENT = "0-1", "0-2"
"""Ids of the bot's own events in a job's stream: any attempt's are larger."""
HOLD_S = 90
"""A claimed training whose worker was not heard of for so long is lost. By then Celery has delivered the token of a
worker that died to another one (`worker.jobs.lease.VISIBILITY_TIMEOUT_S`), if it still has it and there is one."""
DOORBELL_LENGTH = 10_000


class Script(NamedTuple):
    """A Lua script with what it is to be run with: `client.eval(text, len(keys), *keys, *arguments)`."""

    text: str
    keys: tuple[str, ...]
    arguments: tuple[str, ...]

    @property
    def call(self) -> tuple[str, int, tuple[str, ...]]:
        """The script, the number of its keys, and keys and arguments in one."""
        return self.text, len(self.keys), (*self.keys, *self.arguments)


# Trainings entered before turns existed have the time as their score: they go first, in the order they came.
_PRESENT: Final = """
local function present(served, waiting)
  local now = tonumber(redis.call('HGET', served, 'now'))
  if now then return now end
  local last = redis.call('ZREVRANGE', waiting, 0, 0, 'WITHSCORES')
  now = math.ceil(tonumber(last[2] or '0'))
  redis.call('HSET', served, 'now', string.format('%d', now))
  return now
end
"""

_GUILD: Final = """
local function guild_of(id, active)
  local owner = redis.call('HGET', active, id)
  return owner and string.match(owner, '^(%d+):')
end
"""

# Whatever tokens have claimed it: there is one entry for each training that runs, so that all can be looked at.
_RELEASE: Final = """
local function release(job, id, claims)
  local all = redis.call('HGETALL', claims)
  for i = 1, #all, 2 do
    if all[i + 1] == id then redis.call('HDEL', claims, all[i]) end
  end
  redis.call('HDEL', job, 'token')
  redis.call('DEL', job .. ':hold')
end
"""

_OVER: Final = (
    _RELEASE
    + """
local function over(job, id, active, claims, waiting, ttl)
  redis.call('HDEL', active, id)
  redis.call('ZREM', waiting, id)
  release(job, id, claims)
  redis.call('HSET', job, 'over', '1')
  redis.call('EXPIRE', job, ttl)
end
"""
)

# KEYS: job, events, active, waiting, served, undelivered.
# ARGV: id, job (JSON), card or nothing, guild, user, the user's limit, the guild's limit, TTL, first event's id,
# first event, entry. A reply may get lost and the call be made again: then the entry tells that it was this one.
_ENTER: Final = (
    _PRESENT
    + """
if redis.call('HEXISTS', KEYS[1], 'job') == 1 then
  return redis.call('HGET', KEYS[1], 'entry') == ARGV[11] and 'entered' or 'known'
end
local guild, owner = ARGV[4], ARGV[4] .. ':' .. ARGV[5]
local own, all = 0, 0
local of = {}
local active = redis.call('HGETALL', KEYS[3])
for i = 1, #active, 2 do
  local who = active[i + 1]
  if who == owner then own = own + 1 end
  if string.match(who, '^(%d+):') == guild then
    all = all + 1
    of[active[i]] = true
  end
end
if own >= tonumber(ARGV[6]) then return 'user' end
if all >= tonumber(ARGV[7]) then return 'guild' end
local turn = present(KEYS[5], KEYS[4])
local served = tonumber(redis.call('HGET', KEYS[5], guild))
if served then turn = math.max(turn, served + 1) end
local waiting = redis.call('ZRANGE', KEYS[4], 0, -1, 'WITHSCORES')
for i = 1, #waiting, 2 do
  if of[waiting[i]] then turn = math.max(turn, tonumber(waiting[i + 1]) + 1) end
end
redis.call('HSET', KEYS[1], 'job', ARGV[2], 'entry', ARGV[11])
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'card', ARGV[3]) end
redis.call('EXPIRE', KEYS[1], ARGV[8])
redis.call('XADD', KEYS[2], ARGV[9], 'event', ARGV[10])
redis.call('EXPIRE', KEYS[2], ARGV[8])
redis.call('HSET', KEYS[3], ARGV[1], owner)
redis.call('ZADD', KEYS[4], turn, ARGV[1])
redis.call('SADD', KEYS[6], ARGV[1])
return 'entered'
"""
)

# Of those with the same turn, the one is next whose server has waited longest since it began one: so each round has
# the order of the last one, and nobody is at its end and at the next one's beginning. One that was handed back is
# before all. The first rule is for trainings that an older version's worker had begun: their own message brings them
# back.
# KEYS: claims, waiting, served, active, the token's own job. ARGV: token, prefix of a job's key, how long it is held.
_CLAIM: Final = (
    _PRESENT
    + _GUILD
    + """
local function hold(id)
  redis.call('SET', ARGV[2] .. id .. ':hold', ARGV[1], 'EX', ARGV[3])
  return id
end
local claimed = redis.call('HGET', KEYS[1], ARGV[1])
if claimed then return hold(claimed) end
local known = redis.call('HMGET', KEYS[5], 'job', 'over', 'token')
if known[1] and not known[2] and not known[3] and not redis.call('ZSCORE', KEYS[2], ARGV[1]) then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[1])
  redis.call('HSET', KEYS[5], 'token', ARGV[1])
  return hold(ARGV[1])
end
local now = present(KEYS[3], KEYS[2])
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
if not first[1] then return false end
local turn = tonumber(first[2])
local id, least
for _, other in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], first[2], first[2])) do
  local order = -1
  if redis.call('HEXISTS', ARGV[2] .. other, 'turn') == 0 then
    order = tonumber(redis.call('HGET', KEYS[3], 'order:' .. (guild_of(other, KEYS[4]) or '')) or '0')
  end
  if not least or order < least then id, least = other, order end
end
redis.call('ZREM', KEYS[2], id)
redis.call('HSET', KEYS[1], ARGV[1], id)
redis.call('HSET', ARGV[2] .. id, 'token', ARGV[1], 'turn', first[2])
local guild = guild_of(id, KEYS[4])
if guild then
  local served = tonumber(redis.call('HGET', KEYS[3], guild) or '0')
  local order = string.format('%d', redis.call('HINCRBY', KEYS[3], 'order', 1))
  redis.call('HSET', KEYS[3], guild, string.format('%d', math.max(served, turn)), 'order:' .. guild, order)
end
redis.call('HSET', KEYS[3], 'now', string.format('%d', math.max(now, turn)))
return hold(id)
"""
)

# Not for a task that has lost the training to another one. KEYS: job, hold. ARGV: token, how long it is held.
_HOLD: Final = """
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
return 1
"""

# The training waits again as its worker would have left it. The event has the number of a new attempt: should the old
# one be alive after all, nothing that it tells from now on is taken.
# KEYS: job, active, claims, waiting, events, hold, doorbell. ARGV: id, event if it had begun, event if not, doorbell
# length.
_REGAIN: Final = (
    _RELEASE
    + """
if redis.call('HEXISTS', KEYS[1], 'over') == 1 or redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then return 0 end
if redis.call('ZSCORE', KEYS[4], ARGV[1]) or redis.call('EXISTS', KEYS[6]) == 1 then return 0 end
release(KEYS[1], ARGV[1], KEYS[3])
redis.call('ZADD', KEYS[4], redis.call('HGET', KEYS[1], 'turn') or '0', ARGV[1])
local last = redis.call('XREVRANGE', KEYS[5], '+', '-', 'COUNT', 1)
local begun = last[1] and not string.match(last[1][1], '^0%-')
local attempt = string.format('%d', redis.call('HINCRBY', KEYS[1], 'attempt', 1))
redis.call('XADD', KEYS[5], attempt .. '-1', 'event', begun and ARGV[2] or ARGV[3])
redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[4], '*', 'job', ARGV[1])
return 1
"""
)

# KEYS: claims, waiting. ARGV: token, prefix of a job's key.
_HAND_BACK: Final = """
local id = redis.call('HGET', KEYS[1], ARGV[1])
if not id then return false end
local job = ARGV[2] .. id
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HDEL', job, 'token')
redis.call('DEL', job .. ':hold')
if redis.call('HEXISTS', job, 'over') == 0 then
  redis.call('ZADD', KEYS[2], redis.call('HGET', job, 'turn') or '0', id)
end
return id
"""

# KEYS: job, active, claims, waiting. ARGV: id, TTL.
_CLOSE: Final = _OVER + "over(KEYS[1], ARGV[1], KEYS[2], KEYS[3], KEYS[4], ARGV[2])\n"

# A waiting training ends at once; one that a worker has is left to that worker, which reads the request. Its server
# keeps the turn of one that never began: those after it move up.
# KEYS: job, active, claims, waiting, events, control, doorbell.
# ARGV: id, TTL, event, its id if it is the second, doorbell length, prefix of a job's key.
_CANCEL: Final = (
    _OVER
    + _GUILD
    + """
if redis.call('HEXISTS', KEYS[1], 'over') == 1 then return 'over' end
redis.call('SET', KEYS[6], 'cancel', 'EX', ARGV[2])
local last = redis.call('XREVRANGE', KEYS[5], '+', '-', 'COUNT', 1)
local attempt, seq = string.match(last[1] and last[1][1] or '0-1', '^(%d+)-(%d+)$')
if attempt ~= '0' and not redis.call('ZSCORE', KEYS[4], ARGV[1]) then return 'asked' end
local id = attempt == '0' and ARGV[4] or attempt .. '-' .. string.format('%d', tonumber(seq) + 1)
redis.call('XADD', KEYS[5], id, 'event', ARGV[3])
local turn, guild = redis.call('ZSCORE', KEYS[4], ARGV[1]), guild_of(ARGV[1], KEYS[2])
if turn and guild and redis.call('HEXISTS', KEYS[1], 'turn') == 0 then
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '(' .. turn, '+inf')) do
    if guild_of(other, KEYS[2]) == guild and redis.call('HEXISTS', ARGV[6] .. other, 'turn') == 0 then
      redis.call('ZINCRBY', KEYS[4], -1, other)
    end
  end
end
over(KEYS[1], ARGV[1], KEYS[2], KEYS[3], KEYS[4], ARGV[2])
redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[5], '*', 'job', ARGV[1])
return 'cancelled'
"""
)

# One step, so that an event of a superseded attempt changes nothing: XADD refuses an id that is not the newest and
# ends the script. Progress takes the place of what was told of it before: a training tells it every second.
# KEYS: stream, doorbell, waiting, job, active, claims.
# ARGV: id, event, job id, doorbell length, TTL, whether it is the last event, whether it is progress.
TELL: Final = (
    _OVER
    + """
local function tell()
  if ARGV[6] == '1' then
    redis.call('XADD', KEYS[1], ARGV[1], 'event', ARGV[2], 'last', '1')
  else
    redis.call('XADD', KEYS[1], ARGV[1], 'event', ARGV[2])
  end
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'job', ARGV[3])
  redis.call('EXPIRE', KEYS[1], ARGV[5])
  if ARGV[7] == '1' then
    local before = redis.call('HGET', KEYS[4], 'progress')
    if before then redis.call('XDEL', KEYS[1], before) end
    redis.call('HSET', KEYS[4], 'progress', ARGV[1])
  end
  redis.call('EXPIRE', KEYS[4], ARGV[5])
  if ARGV[6] == '1' then over(KEYS[4], ARGV[3], KEYS[5], KEYS[6], KEYS[3], ARGV[5]) end
  return 1
end
"""
)
"""Lua function that tells an event, with the keys and arguments of `tell`: for what is to be the same step."""

# A training of an older version's bot was not entered as active; one that is over or was taken back must not be.
# KEYS: job, active. ARGV: id, owner.
_ADOPT: Final = """
local known = redis.call('HMGET', KEYS[1], 'job', 'over')
if known[1] and not known[2] then redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2]) end
return 1
"""


def _counted(job_id: str) -> tuple[str, ...]:
    """A training's key, and those of all that counts it."""
    return (keys.job(job_id), keys.ACTIVE, keys.CLAIMS, keys.WAITING)


def enter(
    job: TrainJob, card: tuple[int, int] | None, limits: tuple[int, int], event: str, entry: str | None = None
) -> Script:
    """Take a training in: its turn, its first event, and the quotas, all at once.

    Args:
        job: the training.
        card: channel and message that show it, None when there is none yet.
        limits: trainings that may be active at once: of this person in this server, and of all members together.
        event: its first event (JSON).
        entry: random; a call that is made again with the same one is answered as the first time. None: a new one.

    Returns:
        A script that answers `entered`, `known` (this very job is there), `user` or `guild` (whose limit is reached).
    """
    place = job.place
    names = (
        keys.job(job.job_id),
        keys.job_events(job.job_id),
        keys.ACTIVE,
        keys.WAITING,
        keys.SERVED,
        keys.UNDELIVERED,
    )
    arguments = (
        job.job_id,
        job.model_dump_json(),
        "" if card is None else f"{card[0]}:{card[1]}",
        str(place.guild_id),
        str(place.user_id),
        str(limits[0]),
        str(limits[1]),
        str(keys.JOB_TTL_S),
        FIRST_EVENT,
        event,
        entry or secrets.token_hex(8),
    )
    return Script(_ENTER, names, arguments)


def claim(token: str) -> Script:
    """Claim the training whose turn it is; a token that comes again gets the same one. Answers its id, or nothing."""
    names = (keys.CLAIMS, keys.WAITING, keys.SERVED, keys.ACTIVE, keys.job(token))
    return Script(_CLAIM, names, (token, keys.job(""), str(HOLD_S)))


def hold(job_id: str, token: str) -> Script:
    """Say that the training which a token claimed is being worked on; does nothing once another one has it."""
    return Script(_HOLD, (keys.job(job_id), keys.job_hold(job_id)), (token, str(HOLD_S)))


def regain(job_id: str, begun: str, queued: str) -> Script:
    """Let a training wait again that was claimed, and of whose worker nothing was heard for `HOLD_S`.

    Args:
        job_id: the training.
        begun: the event (JSON) that tells of it if the training had begun.
        queued: that for one which had not.

    Returns:
        A script that answers 1, or 0 when it is held, waits, or is over.
    """
    names = (*_counted(job_id), keys.job_events(job_id), keys.job_hold(job_id), keys.DOORBELL)
    return Script(_REGAIN, names, (job_id, begun, queued, str(DOORBELL_LENGTH)))


def hand_back(token: str) -> Script:
    """Let a claimed training wait again, with its old turn: it is the next one."""
    return Script(_HAND_BACK, (keys.CLAIMS, keys.WAITING), (token, keys.job("")))


def close(job_id: str) -> Script:
    """Take a training that is over from everything that counts it."""
    return Script(_CLOSE, _counted(job_id), (job_id, str(keys.JOB_TTL_S)))


def cancel(job_id: str, event: str) -> Script:
    """End a waiting training, or ask its worker to. Answers `cancelled`, `asked` or `over`."""
    names = (*_counted(job_id), keys.job_events(job_id), keys.job_control(job_id), keys.DOORBELL)
    arguments = (job_id, str(keys.JOB_TTL_S), event, CANCELLED_EVENT, str(DOORBELL_LENGTH), keys.job(""))
    return Script(_CANCEL, names, arguments)


def tell(job_id: str, entry: str, event: str, *, last: bool, progress: bool) -> Script:
    """Append an event to a job's stream under an id, and ring the bell.

    Args:
        job_id: the job.
        entry: the id.
        event: JSON.
        last: it closes the job.
        progress: it replaces the last one that was progress.
    """
    names = (keys.job_events(job_id), keys.DOORBELL, keys.WAITING, keys.job(job_id), keys.ACTIVE, keys.CLAIMS)
    flags = (str(int(last)), str(int(progress)))
    arguments = (entry, event, job_id, str(DOORBELL_LENGTH), str(keys.JOB_TTL_S), *flags)
    return Script(TELL + "return tell()\n", names, arguments)


def adopt(job: TrainJob) -> Script:
    """Count a training that an older version entered, unless it is over or was taken back."""
    owner = f"{job.place.guild_id}:{job.place.user_id}"
    return Script(_ADOPT, (keys.job(job.job_id), keys.ACTIVE), (job.job_id, owner))
