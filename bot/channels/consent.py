"""Members' answers about learning from their messages, and the channels that a server's admins allow, in Redis."""

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import discord
import redis.asyncio
import structlog
from pydantic import BaseModel, Field
from redis.asyncio.client import Pipeline

from bot.background import redis_call
from bot.jobs.decoding import read
from bot.servers.settings import guilds_with
from shared import keys
from shared.jobs import Snowflake
from shared.settings import Settings

Mode = Literal["off", "opt-in", "opt-out"]

log = structlog.get_logger()


class ConsentAnswer(BaseModel, frozen=True, extra="ignore"):
    """A member's yes or no, given `at` a time in seconds since the epoch.

    Only messages after the id `since` count; 0, of a first yes: all. A yes after a no counts from then on.
    """

    state: Literal["in", "out"]
    at: float
    since: Snowflake = 0


class AllowedChannel(BaseModel, frozen=True, extra="ignore"):
    """An admin's permission to learn from a channel; `at`: seconds since the epoch."""

    by: Snowflake
    at: float = Field(ge=0)


_UNREADABLE = ConsentAnswer(state="out", at=0)  # a damaged answer counts as a no


@dataclass(frozen=True)
class Consents:
    """The operator's switch, and the answers of those members of a server who gave one."""

    mode: Mode
    answers: dict[int, ConsentAnswer] = field(default_factory=dict)

    @property
    def agreed(self) -> frozenset[int]:
        """Return the members who said yes."""
        return frozenset(user_id for user_id, answer in self.answers.items() if answer.state == "in")

    @property
    def rule(self) -> str:
        """Say to people whose messages are learned."""
        return {
            "opt-out": "Messages of members who said no are left out.",
            "opt-in": "Only messages of members who agreed are learned.",
            "off": "No messages are learned.",
        }[self.mode]

    def includes(self, user_id: int, message_id: int) -> bool:
        """Return whether a model may learn from a message of this member."""
        if (answer := self.answers.get(user_id)) is None:
            return self.mode == "opt-out"
        return self.mode != "off" and answer.state == "in" and message_id > answer.since

    def refused(self, user_ids: Collection[int], until: int = 0) -> set[int]:
        """Return the members, of these, whose messages up to the id `until` must be removed.

        They said no, or agreed again after that message; with opt-in also those who gave no answer. An answer that
        cannot be read takes nobody's words out.
        """
        noes = {
            user_id
            for user_id, answer in self.answers.items()
            if (answer.state == "out" and answer is not _UNREADABLE)
            or (answer.state == "in" and 0 < until <= answer.since)
        }
        unasked = set(user_ids) - self.answers.keys() if self.mode == "opt-in" else set[int]()
        return noes.intersection(user_ids) | unasked

    def withdrawn(self, user_ids: Collection[int], since: int) -> set[int]:
        """Return the members, of these, who said no after `since`, a snowflake. They need no yes."""
        return {
            user_id
            for user_id in user_ids
            if (answer := self.answers.get(user_id)) is not None and answer.state == "out" and answer.since > since
        }


class ConsentStore:
    """Consent in Redis, asked there each time.

    Any method raises `redis.RedisError` while Redis cannot be reached: nothing is taken for a yes then.
    """

    def __init__(self, *, settings: Settings, client: redis.asyncio.Redis) -> None:
        self._mode: Mode = settings.channel_training
        self._redis = client
        self._refusing: dict[tuple[int, int], ConsentAnswer] = {}
        """Noes that Redis has not taken yet, by server and member. They count all the same."""

    async def of(
        self, guild_id: int, user_ids: Collection[int] | None = None, pipe: Pipeline | None = None
    ) -> Consents:
        """Return the answers of all, or some, members. `pipe`: of a transaction that is to fail if somebody answers."""
        key, client = keys.consent(guild_id), pipe if pipe is not None else self._redis
        if pipe is not None:
            await redis_call(pipe.watch(key))
        stored: dict[Any, bytes | None] = {}
        if user_ids is None:
            stored = await redis_call(client.hgetall(key))
        elif user_ids:
            ids = sorted(user_ids)
            stored = dict(zip(ids, await redis_call(client.hmget(key, [str(user_id) for user_id in ids])), strict=True))
        answers = {
            int(user_id): read(ConsentAnswer, data, "consent_not_understood", guild_id=guild_id) or _UNREADABLE
            for user_id, data in stored.items()
            if data is not None
        }
        answers |= {user_id: no for (server, user_id), no in self._refusing.items() if server == guild_id}
        return Consents(self._mode, answers)

    async def answer(self, guild_id: int, user_id: int) -> ConsentAnswer | None:
        """Return a member's answer; None: they gave none."""
        return (await self.of(guild_id, [user_id])).answers.get(user_id)

    async def guilds_of(self, user_id: int) -> list[int]:
        """Return the servers where somebody gave an answer, also those that they have left."""
        guilds = await guilds_with(self._redis, keys.consent("*"))
        return [guild for guild in guilds if await redis_call(self._redis.hexists(keys.consent(guild), str(user_id)))]

    async def agree(self, guild_id: int, user_id: int, asked: int = 0) -> ConsentAnswer:
        """Note a yes, and return the answer that counts: an earlier yes if there is one.

        After a no only messages count that are newer than this moment and than `asked`, the id of the press or message
        that said yes.
        """

        async def keep(pipe: Pipeline) -> ConsentAnswer:
            before = (await self.of(guild_id, [user_id], pipe)).answers.get(user_id)
            if before is not None and before.state == "in":
                return before
            newest = discord.utils.time_snowflake(discord.utils.utcnow(), high=True)
            since = max(newest, asked, before.since) if before is not None else 0
            answer = ConsentAnswer(state="in", at=time.time(), since=since)
            pipe.multi()
            pipe.hset(keys.consent(guild_id), str(user_id), answer.model_dump_json())
            return answer

        refusing = self._refusing.get((guild_id, user_id))
        answer = cast(ConsentAnswer, await redis_call(self._redis.transaction(keep, value_from_callable=True)))
        if self._refusing.get((guild_id, user_id)) is refusing:  # unless they said no meanwhile
            self._refusing.pop((guild_id, user_id), None)
        log.info("consent_changed", guild_id=guild_id, user_id=user_id, state=answer.state)
        return answer

    async def refuse(self, guild_id: int, user_id: int, until: int) -> None:
        """Note a no. `until`: no message has a higher id yet; a later yes is for later messages only."""
        answer = ConsentAnswer(state="out", at=time.time(), since=until)
        self._refusing[guild_id, user_id] = answer  # at once, whatever becomes of it in Redis
        await self._write_refusal(guild_id, user_id, answer)

    async def write_refusals(self) -> None:
        """Write the noes that Redis did not take when they were given: a restart must not turn them into yeses."""
        for (guild_id, user_id), answer in tuple(self._refusing.items()):
            if self._refusing.get((guild_id, user_id)) is answer:  # unless they said yes meanwhile
                await self._write_refusal(guild_id, user_id, answer)

    async def _write_refusal(self, guild_id: int, user_id: int, answer: ConsentAnswer) -> None:
        await redis_call(self._redis.hset(keys.consent(guild_id), str(user_id), answer.model_dump_json()))
        if self._refusing.get((guild_id, user_id)) is answer:
            del self._refusing[guild_id, user_id]
        log.info("consent_changed", guild_id=guild_id, user_id=user_id, state=answer.state)

    async def allowed(self, guild_id: int) -> dict[int, AllowedChannel]:
        """Return the channels that a server's admins allow."""
        data = cast(dict[bytes, bytes], await redis_call(self._redis.hgetall(keys.allowed_channels(guild_id))))
        return {
            int(channel_id): allowed
            for channel_id, stored in data.items()
            if (allowed := read(AllowedChannel, stored, "allowance_not_understood", guild_id=guild_id)) is not None
        }

    async def allow(self, guild_id: int, channel_id: int, by: int) -> None:
        """Note that an admin allows a channel."""
        allowed = AllowedChannel(by=by, at=time.time()).model_dump_json()
        await redis_call(self._redis.hset(keys.allowed_channels(guild_id), str(channel_id), allowed))
        log.info("channel_allowed", guild_id=guild_id, channel_id=channel_id, user_id=by)

    async def disallow(self, guild_id: int, channel_id: int, by: int | None = None) -> None:
        """Note that a channel is no longer allowed. `by` None: it was deleted."""
        if await redis_call(self._redis.hdel(keys.allowed_channels(guild_id), str(channel_id))):
            log.info("channel_disallowed", guild_id=guild_id, channel_id=channel_id, user_id=by)

    async def forget_guild(self, guild_id: int) -> None:
        """Drop all that is known of a server that the bot has left, but the noes: it may return.

        A yes after a no is a no again: without an answer, `opt-out` would count the words that were taken back.
        """

        async def drop(pipe: Pipeline) -> None:
            answers = (await self.of(guild_id, None, pipe)).answers
            pipe.multi()
            pipe.delete(keys.consent(guild_id), keys.allowed_channels(guild_id))
            for user_id, answer in answers.items():
                if answer.state == "out" or answer.since:
                    at = answer.at if answer.state == "out" else time.time()
                    no = answer.model_copy(update={"state": "out", "at": at})
                    pipe.hset(keys.consent(guild_id), str(user_id), no.model_dump_json())

        await redis_call(self._redis.transaction(drop))
