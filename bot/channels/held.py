"""What is held of a member, server by server: what they said, their words, the models that learned from these."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import discord
import structlog

from bot.channels.consent import Allowed, Mode, Said
from bot.channels.store import Transcript
from bot.failures import TRANSIENT, passing
from bot.redis_reply import reply
from shared import keys
from shared.jobs import TrainJob
from shared.models import ModelRecord

if TYPE_CHECKING:
    from bot.client import Galvanic

    Person = discord.User | discord.Member

_ASKED_AT_ONCE = 5
_HOUR_S = 3_600.0

log = structlog.get_logger()


@dataclass(frozen=True)
class Words:
    """A member's words in one transcript.

    Attributes:
        lines: how many.
        kept: whether the words themselves are still there, and not only their number.
        until: when they are dropped, seconds since the epoch; None: not decided yet, or done.
        name: what the member is called in it; None: lines have no names.
    """

    transcript: Transcript
    lines: int
    kept: bool
    until: float | None
    name: str | None


@dataclass(frozen=True)
class StaleModel:
    """A model that learned words which were withdrawn or deleted since.

    Attributes:
        due: by when it is made again, or deleted; seconds since the epoch.
    """

    model: ModelRecord
    due: float


@dataclass(frozen=True)
class Held:
    """What is held of a member in one server.

    Attributes:
        name: of the server; None: the bot is not there any more.
        mode: the operator's switch.
        said: what the member said; None: nothing.
        channels: that an admin allows and the member can read.
        allowances: channels that the member allowed as an admin.
        words: what is kept of their words.
        learned: models that learned from them.
        stale: models that learned from them, or from channels that they can read, and that are behind.
        owned: models that they own.
        trainings: trainings of theirs that are not over.
    """

    guild_id: int
    name: str | None
    mode: Mode
    said: Said | None
    channels: tuple[int, ...]
    allowances: dict[int, Allowed]
    words: tuple[Words, ...]
    learned: tuple[ModelRecord, ...]
    stale: tuple[StaleModel, ...]
    owned: tuple[ModelRecord, ...]
    trainings: tuple[TrainJob, ...]


async def member_in(guild: discord.Guild, user: Person) -> discord.Member | None:
    """A person as a member of a server; None: they are none.

    Raises:
        discord.HTTPException: Discord is in trouble.
    """
    if isinstance(user, discord.Member) and user.guild.id == guild.id:
        return user
    known = guild.get_member(user.id)
    if known is not None:
        return known
    try:
        return await guild.fetch_member(user.id)
    except discord.NotFound as error:
        if passing(error):
            raise
        return None


async def servers_of(bot: Galvanic, user: Person, *, to_refuse: bool = False) -> list[int]:
    """The servers where something is held of a person, or where their messages count.

    Where silence is a no, nothing is held of somebody who said nothing; where it is a yes, Discord is asked in which
    of its servers the bot meets them. A server that Discord says nothing about counts, so that a no is kept there.

    Args:
        bot: the bot.
        user: the person.
        to_refuse: they are to say no there, which is to last should the operator once take silence for a yes.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    found = set(await bot.consents.guilds_of(user.id))
    for transcript in await bot.transcripts.all():
        if user.id in await bot.transcripts.members(transcript.transcript_id):
            found.add(transcript.info.guild_id)
    for guild in list(bot.guilds):
        if guild.id not in found and any(one.owner_id == user.id for one in await bot.registry.all(guild.id)):
            found.add(guild.id)
    found |= {one.job.place.guild_id for one in (await bot.outlook.look(now=True)).standings if _is_of(one.job, user)}
    if to_refuse or bot.settings.channel_training == "opt-out":
        found |= await _shared_servers(user, [guild for guild in bot.guilds if guild.id not in found])
    return sorted(found)


async def _shared_servers(user: Person, guilds: list[discord.Guild]) -> set[int]:
    turns = asyncio.Semaphore(_ASKED_AT_ONCE)

    async def is_there(guild: discord.Guild) -> bool:
        async with turns:
            try:
                return await member_in(guild, user) is not None
            except (discord.HTTPException, *TRANSIENT) as error:
                log.warning("member_not_looked_up", guild_id=guild.id, error=type(error).__name__)
                return True

    there = await asyncio.gather(*map(is_there, guilds))
    return {guild.id for guild, yes in zip(guilds, there, strict=True) if yes}


async def in_server(bot: Galvanic, guild_id: int, user: Person) -> Held:
    """What is held of a person in one server.

    Raises:
        redis.RedisError: Redis cannot be reached.
        discord.HTTPException: Discord is in trouble.
    """
    guild = bot.get_guild(guild_id)
    member = await member_in(guild, user) if guild is not None else None
    words = await _words(bot, guild_id, user.id)
    models = await bot.registry.all(guild_id)
    theirs = {one.transcript.transcript_id for one in words}
    learned = tuple(model for model in models if theirs & {ref.transcript_id for ref in model.transcripts})
    shown = [model for model in models if model in learned or _reads_all(member, model.heard)]
    allowances = await bot.consents.allowances(guild_id)
    standings = (await bot.outlook.look(now=True)).standings
    return Held(
        guild_id=guild_id,
        name=guild.name if guild is not None else None,
        mode=bot.settings.channel_training,
        said=await bot.consents.said(guild_id, user.id),
        channels=tuple(channel for channel in sorted(allowances) if reads(member, channel)),
        allowances={channel: allowed for channel, allowed in allowances.items() if allowed.by == user.id},
        words=words,
        learned=learned,
        stale=await _stale(bot, shown),
        owned=tuple(model for model in models if model.owner_id == user.id),
        trainings=tuple(one.job for one in standings if _is_of(one.job, user) and one.job.place.guild_id == guild_id),
    )


def reads(member: discord.Member | None, channel_id: int) -> bool:
    """Whether a member can read a channel and what was said there before."""
    channel = member.guild.get_channel(channel_id) if member is not None else None
    if member is None or channel is None:
        return False
    rights = channel.permissions_for(member)
    return rights.view_channel and rights.read_message_history


def _reads_all(member: discord.Member | None, channels: tuple[int, ...]) -> bool:
    return bool(channels) and all(reads(member, channel) for channel in channels)


def _is_of(job: TrainJob, user: Person) -> bool:
    return job.place.user_id == user.id


async def _words(bot: Galvanic, guild_id: int, user_id: int) -> tuple[Words, ...]:
    found = []
    for transcript in await bot.transcripts.all(guild_id):
        lines = (await bot.transcripts.members(transcript.transcript_id)).get(user_id, 0)
        if not lines:
            continue
        left = await bot.transcripts.expires_in(transcript.transcript_id)
        found.append(
            Words(
                transcript,
                lines,
                kept=await bot.transcripts.has_text(transcript.transcript_id),
                until=time.time() + left if left is not None else None,
                name=(await bot.transcripts.names(transcript.transcript_id)).get(user_id),
            )
        )
    return tuple(sorted(found, key=lambda words: words.transcript.info.created_at))


async def _stale(bot: Galvanic, models: list[ModelRecord]) -> tuple[StaleModel, ...]:
    refs = [ref.transcript_id for model in models for ref in model.transcripts]
    revisions = await bot.lifetimes.revisions(refs)
    found = []
    for model in models:
        if model.is_stale(revisions):
            since = cast(bytes | None, await reply(bot.redis.hget(keys.STALE, model.model_id)))
            known_since = float(since) if since is not None else time.time()
            found.append(StaleModel(model, known_since + _HOUR_S * bot.settings.forget_within_hours))
    return tuple(found)
