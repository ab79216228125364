"""What members said about learning from their messages, and which channels a server's admins allow, in Redis."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, cast

import discord
import redis.asyncio
import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.redis_reply import reply
from shared import keys
from shared.jobs import Snowflake
from shared.settings import Settings

Mode = Literal["off", "opt-in", "opt-out"]

log = structlog.get_logger()


class Said(BaseModel):
    """What a member said.

    Attributes:
        state: `in`: yes; `out`: no.
        at: when, seconds since the epoch.
        since: only messages after this id count. Whoever withdrew once and agrees again begins anew.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1
    state: Literal["in", "out"]
    at: float
    since: Snowflake = 0


class Allowed(BaseModel):
    """Who allowed a channel, and when (seconds since the epoch)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1
    by: Snowflake
    at: float = Field(ge=0)


_UNREADABLE = Said(state="out", at=0)
"""What a newer version wrote counts as a no."""


@dataclass(frozen=True)
class Consents:
    """What the members of a server said.

    Attributes:
        mode: the operator's switch.
        said: by each who said something.
    """

    mode: Mode
    said: dict[int, Said] = field(default_factory=dict)

    @property
    def agreed(self) -> frozenset[int]:
        """Who said yes."""
        return frozenset(user_id for user_id, said in self.said.items() if said.state == "in")

    def includes(self, user_id: int, message_id: int) -> bool:
        """Whether a model may learn from a message of this member."""
        said = self.said.get(user_id)
        match self.mode:
            case "off":
                return False
            case "opt-in":
                return said is not None and said.state == "in" and message_id > said.since
            case "opt-out":
                return said is None or (said.state == "in" and message_id > said.since)

    def refused(self, user_ids: Iterable[int]) -> set[int]:
        """Those whose words must not be kept: who said no and, where members are asked, who said nothing.

        For a record that cannot be read nothing is destroyed.
        """
        unasked = self.mode == "opt-in"
        return {
            user_id
            for user_id in user_ids
            if (
                unasked if (said := self.said.get(user_id)) is None else said.state == "out" and said is not _UNREADABLE
            )
        }


class ConsentStore:
    """Consent in Redis. One bot serves a server, so each server's is read from Redis only once.

    Any method raises `redis.RedisError` while Redis cannot be reached: nothing is taken for a yes then.
    """

    def __init__(self, settings: Settings, client: redis.asyncio.Redis) -> None:
        self._mode: Mode = settings.channel_training
        self._redis = client
        self._said: dict[int, dict[int, Said]] = {}
        self._allowed: dict[int, dict[int, Allowed]] = {}

    async def of(self, guild_id: int) -> Consents:
        """What the members of a server said."""
        return Consents(self._mode, await self._members(guild_id))

    async def said(self, guild_id: int, user_id: int) -> Said | None:
        """What one member said; None: nothing."""
        return (await self._members(guild_id)).get(user_id)

    async def guilds_of(self, user_id: int) -> list[int]:
        """The servers where somebody said something, also those that they have left."""
        found = []
        async for key in self._redis.scan_iter(match=keys.consent_pattern(), count=500):
            if await reply(self._redis.hexists(key, str(user_id))):
                found.append(int(key.decode().split(":")[1]))
        return sorted(found)

    async def guilds(self) -> set[int]:
        """The servers of which anything is kept here."""
        found = set()
        for pattern in (keys.consent_pattern(), keys.allowed_channels_pattern()):
            async for key in self._redis.scan_iter(match=pattern, count=500):
                found.add(int(key.decode().split(":")[1]))
        return found

    async def agree(self, guild_id: int, user_id: int) -> Said:
        """A member says yes. What they wrote before they last withdrew stays out."""
        before = await self.said(guild_id, user_id)
        if before is not None and before.state == "in":
            return before
        since = before.since if before is not None else 0
        if before is _UNREADABLE:  # nobody knows any more since when what they write counts: since now
            since = discord.utils.time_snowflake(discord.utils.utcnow())
        return await self._keep(guild_id, user_id, Said(state="in", at=time.time(), since=since))

    async def refuse(self, guild_id: int, user_id: int, until: int) -> Said:
        """A member says no, or withdraws.

        Args:
            guild_id: the server.
            user_id: the member.
            until: id that no message has exceeded yet; should they agree again, only later ones count.
        """
        return await self._keep(guild_id, user_id, Said(state="out", at=time.time(), since=until))

    async def _keep(self, guild_id: int, user_id: int, said: Said) -> Said:
        members = await self._members(guild_id)
        if said.state == "out":
            members[user_id] = said  # at once, whatever becomes of it in Redis
        await reply(self._redis.hset(keys.consent(guild_id), str(user_id), said.model_dump_json()))
        members[user_id] = said
        log.info("consent_changed", guild_id=guild_id, user_id=user_id, state=said.state)
        return said

    async def allowed(self, guild_id: int) -> frozenset[int]:
        """The channels that a server's admins allow."""
        return frozenset(await self._channels(guild_id))

    async def allowances(self, guild_id: int) -> dict[int, Allowed]:
        """As `allowed`, with who allowed each, and when."""
        return dict(await self._channels(guild_id))

    async def allow(self, guild_id: int, channel_id: int, by: int) -> None:
        """An admin allows a channel."""
        channels = await self._channels(guild_id)
        allowed = Allowed(by=by, at=time.time())
        await reply(self._redis.hset(keys.allowed_channels(guild_id), str(channel_id), allowed.model_dump_json()))
        channels[channel_id] = allowed
        log.info("channel_allowed", guild_id=guild_id, channel_id=channel_id, user_id=by)

    async def disallow(self, guild_id: int, channel_id: int, by: int) -> bool:
        """An admin takes it back; False when it was not allowed."""
        channels = await self._channels(guild_id)
        was = channels.pop(channel_id, None) is not None
        await reply(self._redis.hdel(keys.allowed_channels(guild_id), str(channel_id)))
        log.info("channel_disallowed", guild_id=guild_id, channel_id=channel_id, user_id=by)
        return was

    async def forget_guild(self, guild_id: int) -> None:
        """Drop all that is known of a server that the bot has left. Those who said no stay known, should it return."""
        refused = {who: said for who, said in (await self._members(guild_id)).items() if said.state == "out"}
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(keys.consent(guild_id), keys.allowed_channels(guild_id))
            for user_id, said in refused.items():
                pipe.hset(keys.consent(guild_id), str(user_id), said.model_dump_json())
            await reply(pipe.execute())
        self._said[guild_id], self._allowed[guild_id] = refused, {}
        log.info("consents_forgotten", guild_id=guild_id)

    async def _members(self, guild_id: int) -> dict[int, Said]:
        known = self._said.get(guild_id)
        if known is None:
            data = cast(dict[bytes, bytes], await reply(self._redis.hgetall(keys.consent(guild_id))))
            known = {int(user_id): _read(guild_id, said) for user_id, said in data.items()}
            known = self._said.setdefault(guild_id, known)
        return known

    async def _channels(self, guild_id: int) -> dict[int, Allowed]:
        known = self._allowed.get(guild_id)
        if known is None:
            data = cast(dict[bytes, bytes], await reply(self._redis.hgetall(keys.allowed_channels(guild_id))))
            known = {}
            for channel_id, allowed in data.items():
                try:
                    known[int(channel_id)] = Allowed.model_validate_json(allowed)
                except ValidationError as error:
                    log.error("allowance_not_understood", guild_id=guild_id, fields=error.error_count())
            known = self._allowed.setdefault(guild_id, known)
        return known


def _read(guild_id: int, data: bytes) -> Said:
    try:
        return Said.model_validate_json(data)
    except ValidationError as error:
        log.error("consent_not_understood", guild_id=guild_id, fields=error.error_count())
        return _UNREADABLE
