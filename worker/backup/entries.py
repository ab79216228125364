"""Redis' keys as plain values, one a line: read at one moment, and entered again whole or not at all.

Plain values rather than what `DUMP` gives, which no older version takes, nor many a server of another make.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import redis

from shared import keys
from worker.backup.keyspace import KEPT, KEPT_BEGIN, Kind, is_large, job_of, kind_of

_AT_ONCE = 200
"""Small keys that are read in one step: Redis does nothing else meanwhile."""
_PIECE = 500
"""Values of one key that are entered with one command."""
_PIECES = 100

Fields = tuple[bytes, ...]

_READ = """
local function read(name)
  local kind = redis.call('TYPE', name).ok
  local value
  if kind == 'string' then value = {redis.call('GET', name)}
  elseif kind == 'hash' then value = redis.call('HGETALL', name)
  elseif kind == 'set' then value = redis.call('SMEMBERS', name)
  elseif kind == 'zset' then value = redis.call('ZRANGE', name, 0, -1, 'WITHSCORES')
  elseif kind == 'list' then value = redis.call('LRANGE', name, 0, -1)
  elseif kind == 'stream' then
    value = {}
    local about = redis.call('XINFO', 'STREAM', name)
    for i = 1, #about, 2 do
      if about[i] == 'last-generated-id' then value[1] = about[i + 1] end
    end
    for _, entry in ipairs(redis.call('XRANGE', name, '-', '+')) do
      value[#value + 1] = entry[1]
      value[#value + 1] = tostring(#entry[2])
      for _, field in ipairs(entry[2]) do value[#value + 1] = field end
    end
  else return nil end
  return {name, kind, redis.call('PTTL', name), value}
end
"""

# Everything that hangs together, at one moment; of the rest, which does not change, the names at that moment.
# KEYS: active, undelivered, waiting, claims. ARGV: JSON of what is kept: `names`, `begin`.
_SNAPSHOT = (
    _READ
    + """
local open = {}
for _, id in ipairs(redis.call('HKEYS', KEYS[1])) do open[id] = true end
for _, id in ipairs(redis.call('SMEMBERS', KEYS[2])) do open[id] = true end
for _, id in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do open[id] = true end
for _, id in ipairs(redis.call('HVALS', KEYS[4])) do open[id] = true end
local kept = cjson.decode(ARGV[1])
local names = {}
for _, name in ipairs(kept.names) do names[name] = true end
local function is_kept(name)
  if names[name] then return true end
  for _, begin in ipairs(kept.begin) do
    if string.sub(name, 1, #begin) == begin then return true end
  end
  return false
end
local function waits(name)
  if string.sub(name, 1, 7) == 'corpus:' then return true end
  if string.sub(name, 1, 4) ~= 'job:' then return false end
  local colon = string.find(name, ':', 5, true)
  if not open[string.sub(name, 5, (colon or 0) - 1)] then return true end
  return colon ~= nil and string.sub(name, colon, colon + 5) == ':file:'
end
local now, later, others = {}, {}, {}
for _, name in ipairs(redis.call('KEYS', '*')) do
  if not is_kept(name) then others[#others + 1] = name
  elseif waits(name) then later[#later + 1] = name
  else now[#now + 1] = read(name) end
end
return {redis.call('TIME'), now, later, others}
"""
)

# ARGV: names.
_SOME = (
    _READ
    + """
local found = {}
for _, name in ipairs(ARGV) do found[#found + 1] = read(name) end
return {redis.call('TIME'), found}
"""
)

# The mark of a restore is staged and renamed with the rest, so it tells whether this was done; without it, it is not.
# KEYS: any. ARGV: prefix of what is to be entered, name of the mark, mark. Answers what is in the way.
_COMMIT = """
if redis.call('GET', ARGV[2]) == ARGV[3] then return false end
if redis.call('GET', ARGV[1] .. ARGV[2]) ~= ARGV[3] then return ARGV[2] end
local staged = redis.call('KEYS', ARGV[1] .. '*')
for _, name in ipairs(staged) do
  local target = string.sub(name, #ARGV[1] + 1)
  if redis.call('EXISTS', target) == 1 then return target end
end
for _, name in ipairs(staged) do redis.call('RENAME', name, string.sub(name, #ARGV[1] + 1)) end
return false
"""


# KEYS: any. ARGV: as above.
_SETTLE = """
if redis.call('GET', ARGV[2]) == ARGV[3] then return 1 end
redis.call('DEL', ARGV[1] .. ARGV[2])
return 0
"""
_MARK_TTL_S = 24 * 3_600


@dataclass(frozen=True)
class Entry:
    """One key.

    Attributes:
        key: its name.
        kind: Redis' word for its type.
        expires_ms: when it is to go, milliseconds since the epoch; None: never.
        values: its value; of a hash fields and values in turn, of a sorted set members and scores, of a stream the
            last id that it gave, then for each entry id, number of strings, and those strings.
    """

    key: bytes
    kind: str
    expires_ms: int | None
    values: Fields

    def to_line(self) -> bytes:
        """As a line of JSON."""
        fields = {
            "key": _written(self.key),
            "kind": self.kind,
            "expires": self.expires_ms,
            "values": [_written(value) for value in self.values],
        }
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Entry:
        """What `to_line` wrote.

        Raises:
            ValueError: it is no such line.
        """
        try:
            fields = json.loads(line)
            expires = fields["expires"]
            values = tuple(map(_read, fields["values"]))
            entry = cls(_read(fields["key"]), str(fields["kind"]), None if expires is None else int(expires), values)
            entry.commands(b"")
        except (KeyError, TypeError, IndexError, UnicodeDecodeError) as error:
            raise ValueError("no entry") from error
        return entry

    @property
    def pairs(self) -> dict[bytes, bytes]:
        """Of a hash, its fields."""
        return dict(zip(self.values[::2], self.values[1::2], strict=True))

    def commands(self, key: bytes) -> list[Fields]:
        """The commands that enter it under a name.

        Raises:
            ValueError: the type is not known, or the values are not of that type.
        """
        made = list(self._commands(key))
        if self.expires_ms is not None and made:
            made.append((b"PEXPIREAT", key, b"%d" % self.expires_ms))
        return made

    def _commands(self, key: bytes) -> Iterator[Fields]:
        values = self.values
        match self.kind:
            case "string":
                (value,) = values
                yield b"SET", key, value
            case "hash":
                for piece in _pieces(values, 2):
                    yield b"HSET", key, *piece
            case "set":
                for piece in _pieces(values, 1):
                    yield b"SADD", key, *piece
            case "list":
                for piece in _pieces(values, 1):
                    yield b"RPUSH", key, *piece
            case "zset":
                for piece in _pieces(values, 2):
                    turned = (
                        part for member, score in zip(piece[::2], piece[1::2], strict=True) for part in (score, member)
                    )
                    yield b"ZADD", key, *turned
            case "stream":
                yield from self._stream(key)
            case _:
                raise ValueError(f"unknown type {self.kind}")

    def _stream(self, key: bytes) -> Iterator[Fields]:
        last, at = self.values[0], 1
        while at < len(self.values):
            count = int(self.values[at + 1])
            yield b"XADD", key, self.values[at], *self.values[at + 2 : at + 2 + count]
            at += 2 + count
        if at > 1:  # one without entries tells nothing
            yield b"XSETID", key, last


class Snapshot:
    """What Redis knew at one moment.

    Attributes:
        taken_at: that moment, seconds since the epoch, by Redis' clock.
        entries: all that may change together: what waits and runs, registries, settings, consents, transcripts.
        foreign: keys that are not ours.
    """

    def __init__(self, client: redis.Redis) -> None:
        """Take it: one step, in which Redis does nothing else.

        Raises:
            redis.RedisError: Redis cannot be reached.
        """
        self._client = client
        names = (keys.ACTIVE, keys.UNDELIVERED, keys.WAITING, keys.CLAIMS)
        kept = json.dumps({"names": sorted(KEPT), "begin": KEPT_BEGIN})
        moment, now, later, others = cast(list[Any], client.eval(_SNAPSHOT, len(names), *names, kept))
        self.taken_at = _seconds(moment)
        self.entries = [entry for entry in _entries(moment, now) if kind_of(entry.key) is Kind.KEPT]
        self._later = sorted(name for name in later if kind_of(name) is Kind.KEPT)
        self.foreign = sum(kind_of(name) is Kind.FOREIGN for name in others)

    def rest(self) -> Iterator[Entry]:
        """The texts and files of that moment, and the jobs that were over: none of these changes, but some may go."""
        batch: list[bytes] = []
        for name in self._later:
            if is_large(name):
                yield from self._read([name])
                continue
            batch.append(name)
            if len(batch) == _AT_ONCE:
                yield from self._read(batch)
                batch = []
        if batch:
            yield from self._read(batch)

    def _read(self, names: list[bytes]) -> list[Entry]:
        moment, found = cast(list[Any], self._client.eval(_SOME, 0, *names))
        return _entries(moment, found)


def kept_keys(client: redis.Redis) -> list[bytes]:
    """The keys that are there already of those that a backup has."""
    return [name for name in cast(Iterable[bytes], client.scan_iter(count=1_000)) if kind_of(name) is Kind.KEPT]


def stage(client: redis.Redis, entries: Iterable[Entry], mark: str) -> None:
    """Enter keys where nobody reads them, for `commit`.

    Args:
        client: of Redis.
        entries: the keys.
        mark: random; by it `settle` knows whether the commit was done.

    Raises:
        redis.RedisError: Redis cannot be reached, or does not take one.
    """
    prefix = keys.staged("").encode()
    with client.pipeline(transaction=False) as pipe:
        waiting = 0
        for entry in entries:
            for command in entry.commands(prefix + entry.key):
                pipe.execute_command(*command)
                waiting += 1
            if waiting >= _PIECES or is_large(entry.key):
                pipe.execute()
                waiting = 0
        pipe.set(keys.staged(keys.RESTORED), mark, ex=_MARK_TTL_S)
        pipe.execute()


def commit(client: redis.Redis, mark: str) -> bytes | None:
    """Give all keys that were staged their own names, in one step; once more does nothing.

    Returns:
        None; or a key that is in the way, and nothing was done.
    """
    return cast(bytes | None, client.eval(_COMMIT, 0, keys.staged(""), keys.RESTORED, mark))


def settle(client: redis.Redis, mark: str) -> bool:
    """Whether a `commit` was done of which nobody heard; if not, it is not any more, should it be on its way."""
    return bool(client.eval(_SETTLE, 0, keys.staged(""), keys.RESTORED, mark))


def unmark(client: redis.Redis) -> None:
    """Drop the mark of a commit: its end is known, or nobody asks any more."""
    client.delete(keys.RESTORED)


def unstage(client: redis.Redis) -> None:
    """Drop what was staged, by this process or by one that was killed."""
    for name in cast(Iterable[bytes], client.scan_iter(match=keys.staged("*"), count=1_000)):
        client.unlink(name)


def now_ms(client: redis.Redis) -> int:
    """Redis' clock."""
    return int(1_000 * _seconds(cast(Any, client.time())))


def jobs_of(entries: Iterable[Entry]) -> set[str]:
    """Ids of the trainings that are not over."""
    active = next((entry.pairs for entry in entries if entry.key == keys.ACTIVE.encode()), {})
    return {job_id.decode() for job_id in active}


def is_job(entry: Entry) -> bool:
    """Whether it is the hash of a job."""
    job_id = job_of(entry.key)
    return job_id is not None and entry.key == keys.job(job_id).encode() and entry.kind == "hash"


def _entries(moment: Any, found: Iterable[Any]) -> list[Entry]:
    now = int(1_000 * _seconds(moment))
    return [
        Entry(bytes(key), kind.decode(), now + ttl if ttl >= 0 else None, tuple(values))
        for key, kind, ttl, values in found
    ]


def _seconds(moment: tuple[Any, Any]) -> float:
    return int(moment[0]) + int(moment[1]) / 1_000_000


def _pieces(values: Fields, width: int) -> Iterator[Fields]:
    if len(values) % width:
        raise ValueError("a value is missing")
    step = _PIECE * width
    for start in range(0, len(values), step):
        yield values[start : start + step]


def _written(value: bytes) -> str | dict[str, str]:
    """Readable where it is text."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _read(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8")
    return base64.b64decode(value["base64"], validate=True)
