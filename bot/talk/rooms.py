"""Channels in which the bot may speak unasked: their state in Redis, and a part of it in memory."""

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import redis.asyncio
import structlog

from bot.background import redis_call
from bot.talk.speaking import Speaking, parse
from galvanic.errors import UserError
from shared import keys

MOST_IN_A_SERVER = 200  # texts an hour in all channels of a server, whatever its admins choose
KNOWN = 10_000  # channels that are kept in memory: those where something was said last
_FIELDS = ("speak", "quiet", "spoke", "heard")
_HOUR_S = 3_600
_READ_S = 1.5  # for what a channel has chosen: a form that shows it must be open within Discord's 3 s

log = structlog.get_logger()


@dataclass(slots=True)
class Room:
    """A channel with its threads: what `keys.channel` has of it. `rests_until`: nothing is tried before; monotonic."""

    speak: Speaking = field(default_factory=Speaking)
    quiet: int = 0
    spoke: int = 0
    heard: int = 0
    rests_until: float = 0.0


class Rooms:
    """The rooms in which the bot may speak unasked, in Redis and cached. Raises redis.RedisError.

    One bot process serves a channel, so the cache agrees with Redis.
    """

    def __init__(self, connection: redis.asyncio.Redis) -> None:
        self._redis = connection
        self._known: OrderedDict[int, Room] = OrderedDict()

    async def room(self, channel_id: int) -> Room:
        if (room := self._known.get(channel_id)) is None:
            speak, *numbers = await redis_call(self._redis.hmget(keys.channel(channel_id), _FIELDS), _READ_S)
            try:
                rules = parse((speak or b"").decode())
            except UserError:  # they are damaged, or a time zone is gone
                log.error("speaking_not_understood", channel_id=channel_id)
                rules = Speaking()
            room = self._known.setdefault(channel_id, Room(rules, *(int(number or 0) for number in numbers)))
            if len(self._known) > KNOWN:
                self._known.popitem(last=False)
        self._known.move_to_end(channel_id)
        return room

    async def put(self, channel_id: int, **changes: Any) -> None:
        """Change fields of a room, in memory at once."""
        room = await self.room(channel_id)
        for name, value in changes.items():
            setattr(room, name, value)
        kept: Any = {name: value.lines if name == "speak" else value for name, value in changes.items()}
        try:
            await redis_call(self._redis.hset(keys.channel(channel_id), mapping=kept))
        except redis.RedisError:
            self.forget(channel_id)  # what is in Redis counts
            raise

    def forget(self, channel_id: int) -> None:
        self._known.pop(channel_id, None)

    async def take(self, channel_id: int, guild_id: int, text_id: str) -> bool:
        """Count a text in a channel's and its server's hour; False, and nothing is counted: that would be too many."""
        most, now = (await self.room(channel_id)).speak.most, time.time()
        async with self._redis.pipeline(transaction=True) as pipe:
            for key in _spoken(channel_id, guild_id):
                pipe.zremrangebyscore(key, "-inf", now - _HOUR_S)
                pipe.zadd(key, {text_id: now})
                pipe.expire(key, _HOUR_S)
                pipe.zcard(key)
            in_channel, in_server = (await redis_call(pipe.execute()))[3::4]
        taken: bool = in_channel <= most and in_server <= MOST_IN_A_SERVER
        if not taken:
            await self.give_back(channel_id, guild_id, text_id)
        return taken

    async def give_back(self, channel_id: int, guild_id: int, text_id: str) -> None:
        """Take back the count of a text that was not posted."""
        for key in _spoken(channel_id, guild_id):
            await redis_call(self._redis.zrem(key, text_id))


def _spoken(channel_id: int, guild_id: int) -> tuple[str, str]:
    return keys.spoken("channel", channel_id), keys.spoken("guild", guild_id)
