"""What members said about learning from their messages, and which channels a server's admins allow, in Redis."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, cast

import discord
import redis.asyncio
import structlog
from pydantic import BaseModel, Field
from redis.asyncio.client import Pipeline

from bot.background import redis_call
from bot.jobs.decoding import read
from bot.leader import Leader
from bot.servers.settings import guilds_with
from shared import keys
from shared.jobs import Snowflake
from shared.settings import Settings

Mode = Literal["off", "opt-in", "opt-out"]
T = TypeVar("T", bound=BaseModel)

log = structlog.get_logger()


class Said(BaseModel, frozen=True, extra="ignore"):
    """What a member said, `at` a time in seconds since the epoch.

    Only messages after the id `since` count; 0, of a first yes: all. A yes after a no counts from then on.
    """

    state: Literal["in", "out"]
    at: float
    since: Snowflake = 0


class Allowed(BaseModel, frozen=True, extra="ignore"):
    """Who allowed a channel, and when (seconds since the epoch)."""

    by: Snowflake
    at: float = Field(ge=0)


_UNREADABLE = Said(state="out", at=0)
"""A damaged answer counts as a no."""


@dataclass(frozen=True)
class Consents:
    """The operator's switch, and the answers of those members of a server who gave one."""

    mode: Mode
    said: dict[int, Said] = field(default_factory=dict)

    @property
    def agreed(self) -> frozenset[int]:
        return frozenset(user_id for user_id, said in self.said.items() if said.state == "in")

    def includes(self, user_id: int, message_id: int) -> bool:
        """Whether a model may learn from a message of this member."""
        if (said := self.said.get(user_id)) is None:
            return self.mode == "opt-out"
        return self.mode != "off" and said.state == "in" and message_id > said.since

    def refused(self, user_ids: Collection[int]) -> set[int]:
        """Whose words must go: a no or, with opt-in, no answer; nobody's for a record that cannot be read."""
        noes = {user_id for user_id, said in self.said.items() if said.state == "out" and said is not _UNREADABLE}
        unasked = set(user_ids) - self.said.keys() if self.mode == "opt-in" else set[int]()
        return noes.intersection(user_ids) | unasked


class ConsentStore:
    """Consent in Redis, asked there each time: another bot may have led meanwhile. Changes are fenced.

    Any method raises `redis.RedisError` while Redis cannot be reached: nothing is taken for a yes then.
    """

    def __init__(self, settings: Settings, client: redis.asyncio.Redis, leader: Leader | None = None) -> None:
        self._mode: Mode = settings.channel_training
        self._redis = client
        self._leader = leader or Leader(client)
        self._refusing: dict[tuple[int, int], Said] = {}
        """By server and member: a no that Redis has not taken yet. It counts all the same."""

    async def of(
        self, guild_id: int, user_ids: Collection[int] | None = None, pipe: Pipeline | None = None
    ) -> Consents:
        """What all, or some, members said. `pipe`: of a `Leader.step` that must fail if somebody answers meanwhile."""
        key, client = keys.consent(guild_id), pipe if pipe is not None else self._redis
        if pipe is not None:
            await redis_call(pipe.watch(key))
        found: dict[Any, bytes | None] = {}
        if user_ids is None:
            found = await redis_call(client.hgetall(key))
        elif user_ids:
            wanted = sorted(user_ids)
            found = dict(zip(wanted, await redis_call(client.hmget(key, [str(one) for one in wanted])), strict=True))
        said = {int(who): _read(Said, guild_id, one) or _UNREADABLE for who, one in found.items() if one is not None}
        said |= {who: no for (where, who), no in self._refusing.items() if where == guild_id}
        return Consents(self._mode, said)

    async def said(self, guild_id: int, user_id: int) -> Said | None:
        return (await self.of(guild_id, [user_id])).said.get(user_id)

    async def guilds_of(self, user_id: int) -> list[int]:
        """The servers where somebody said something, also those that they have left."""
        known = await guilds_with(self._redis, keys.consent)
        return [one for one in known if await redis_call(self._redis.hexists(keys.consent(one), str(user_id)))]

    async def guilds(self) -> set[int]:
        """The servers with an answer or an allowed channel."""
        return await guilds_with(self._redis, keys.consent, keys.allowed_channels)

    async def agree(self, guild_id: int, user_id: int, asked: int = 0) -> Said:
        """Note a yes; the answer that counts now, which is an earlier yes if there is one.

        After a no only messages count that are newer than now and than `asked`, the id of what they said yes with.
        """

        async def keep(pipe: Pipeline) -> Said:
            before = (await self.of(guild_id, [user_id], pipe)).said.get(user_id)
            if before is not None and before.state == "in":
                return before
            now = discord.utils.utcnow()
            newest = discord.utils.time_snowflake(now, high=True)
            since = max(newest, asked, before.since) if before is not None else 0
            said = Said(state="in", at=now.timestamp(), since=since)
            pipe.multi()
            pipe.hset(keys.consent(guild_id), str(user_id), said.model_dump_json())
            return said

        refusing = self._refusing.get((guild_id, user_id))
        said = await self._leader.step(keep)
        if self._refusing.get((guild_id, user_id)) is refusing:  # unless they said no meanwhile
            self._refusing.pop((guild_id, user_id), None)
        log.info("consent_changed", guild_id=guild_id, user_id=user_id, state=said.state)
        return said

    async def refuse(self, guild_id: int, user_id: int, until: int) -> None:
        """Note a no. `until`: no message has a higher id yet; a later yes is for later messages only."""
        said = Said(state="out", at=time.time(), since=until)
        self._refusing[guild_id, user_id] = said  # at once, whatever becomes of it in Redis
        await self._leader.write(lambda pipe: pipe.hset(keys.consent(guild_id), str(user_id), said.model_dump_json()))
        if self._refusing.get((guild_id, user_id)) is said:
            del self._refusing[guild_id, user_id]
        log.info("consent_changed", guild_id=guild_id, user_id=user_id, state=said.state)

    async def allowed(self, guild_id: int) -> dict[int, Allowed]:
        """By channel, what a server's admins allow."""
        data = cast(dict[bytes, bytes], await redis_call(self._redis.hgetall(keys.allowed_channels(guild_id))))
        found = ((int(channel_id), _read(Allowed, guild_id, one)) for channel_id, one in data.items())
        return {channel_id: allowed for channel_id, allowed in found if allowed is not None}

    async def allow(self, guild_id: int, channel_id: int, by: int) -> None:
        allowed = Allowed(by=by, at=time.time()).model_dump_json()
        await self._leader.write(lambda pipe: pipe.hset(keys.allowed_channels(guild_id), str(channel_id), allowed))
        log.info("channel_allowed", guild_id=guild_id, channel_id=channel_id, user_id=by)

    async def disallow(self, guild_id: int, channel_id: int, by: int) -> None:
        await self._leader.write(lambda pipe: pipe.hdel(keys.allowed_channels(guild_id), str(channel_id)))
        log.info("channel_disallowed", guild_id=guild_id, channel_id=channel_id, user_id=by)

    async def forget_guild(self, guild_id: int) -> None:
        """Drop all that is known of a server that the bot has left, but the noes: it may return."""

        async def drop(pipe: Pipeline) -> None:
            said = (await self.of(guild_id, None, pipe)).said
            pipe.multi()
            pipe.delete(keys.consent(guild_id), keys.allowed_channels(guild_id))
            for user_id, one in said.items():
                if one.state == "out":
                    pipe.hset(keys.consent(guild_id), str(user_id), one.model_dump_json())

        await self._leader.step(drop)
        log.info("consents_forgotten", guild_id=guild_id)


def _read(kind: type[T], guild_id: int, data: bytes) -> T | None:
    return read(kind, data, "consent_not_understood", guild_id=guild_id, kind=kind.__name__)
