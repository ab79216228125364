"""Data of a member, server by server: their answer, the models that learned from them, and a month of requests."""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from typing import Protocol, cast

import discord
import structlog

from bot.background import redis_call, unless_refused
from bot.channels.consent import AllowedChannel, ConsentAnswer, ConsentStore
from bot.channels.sources import can_read
from bot.core import Core
from bot.jobs.decoding import job_from
from bot.models.registry import Registry
from bot.servers.access import member_in
from bot.types import User
from shared import keys
from shared.jobs import LOSS_FILE, MODEL_FILE, SURPRISE_FILE, Job, TrainJob, people_of
from shared.models import ModelRecord

_KEYS_AT_ONCE = 500
_FILES = (LOSS_FILE, MODEL_FILE, SURPRISE_FILE)

log = structlog.get_logger()


@dataclass(frozen=True)
class LearnedModel:
    """A model that learned from a member.

    `called`: the name that their lines begin with, if these have names. `made_again_or_deleted_by`: in seconds since
    the epoch; None: nothing of it was withdrawn.
    """

    name: str
    model_id: str
    channels: tuple[int, ...]
    called: str | None
    made_again_or_deleted_by: float | None


class MemberSection(Protocol):
    """Something that another feature stores of members. Any method raises `redis.RedisError`."""

    async def of_member(self, guild_id: int, user_id: int) -> str | None:
        """Return what is stored of a member in a server."""

    async def forget_member(self, user_id: int, guild_ids: Collection[int]) -> None:
        """Delete what is stored of a member in these servers."""


@dataclass(frozen=True)
class MemberData:
    """Data that is stored of a member in one server.

    Attributes:
        name: the server's name; None: the bot is not there any more.
        channels: those that an admin allows and the member can read.
        allowances: channels that the member allowed as an admin.
        trainings: those that are not over.
        sections: what other features store, by title.
    """

    guild_id: int
    name: str | None
    answer: ConsentAnswer | None
    channels: tuple[int, ...]
    allowances: dict[int, AllowedChannel]
    learned: tuple[LearnedModel, ...]
    owned: tuple[ModelRecord, ...]
    trainings: tuple[TrainJob, ...]
    sections: dict[str, str]


@dataclass(eq=False, repr=False, kw_only=True)
class MemberDataService:
    """Finds what is stored of people. Any method raises `redis.RedisError` while Redis cannot be reached."""

    core: Core
    consents: ConsentStore
    registry: Registry
    sections: dict[str, MemberSection] = field(init=False, default_factory=dict)
    """What other features store of members, by its name in an exported file."""

    async def servers_of(self, user: User, *, to_refuse: bool = False) -> list[int]:
        """Return the servers where something is stored of a person, or where their messages count.

        With opt-out, these are all servers that the bot shares with them, as Discord says; with `to_refuse` also
        otherwise, so that a refusal still holds if the operator changes to opt-out. If Discord does not answer for a
        server, it counts.
        """
        servers = set(await self.consents.guilds_of(user.id))
        servers |= {*(await self.registry.notes.with_member(user.id)).values()}
        guilds = list(self.core.bot.guilds)
        for guild in guilds:
            owners = {
                *(model.owner_id for model in await self.registry.all(guild.id)),
                *(allowed.by for allowed in (await self.consents.allowed(guild.id)).values()),
            }
            if user.id in owners or await self._in_sections(guild.id, user.id):
                servers.add(guild.id)
        servers |= {job.place.guild_id async for job in self.requests_of(user.id)}
        if to_refuse or self.core.settings.channel_training == "opt-out":
            servers |= await _shared_servers(user, [guild for guild in guilds if guild.id not in servers])
        return sorted(servers)

    async def in_server(self, guild_id: int, user: User) -> MemberData:
        """Return what is stored of a person in a server. Raises discord.HTTPException: Discord is in trouble."""
        guild = self.core.bot.get_guild(guild_id)
        member = await member_in(guild, user) if guild is not None else None

        def readable(channel_id: int) -> bool:
            return guild is not None and can_read(member, guild.get_channel(channel_id))

        models = await self.registry.all(guild_id)
        allowances = await self.consents.allowed(guild_id)
        return MemberData(
            guild_id=guild_id,
            name=guild.name if guild is not None else None,
            answer=await self.consents.answer(guild_id, user.id),
            channels=tuple(filter(readable, sorted(allowances))),
            allowances={channel: allowed for channel, allowed in allowances.items() if allowed.by == user.id},
            learned=await self._learned(guild_id, user.id, models),
            owned=tuple(model for model in models if model.owner_id == user.id),
            trainings=tuple(
                job
                for job in await self.core.snapshots.trainings()
                if (job.place.guild_id, job.place.user_id) == (guild_id, user.id)
            ),
            sections=await self._in_sections(guild_id, user.id),
        )

    async def _in_sections(self, guild_id: int, user_id: int) -> dict[str, str]:
        stored = {title: await section.of_member(guild_id, user_id) for title, section in self.sections.items()}
        return {title: data for title, data in stored.items() if data is not None}

    async def _learned(self, guild_id: int, user_id: int, models: list[ModelRecord]) -> tuple[LearnedModel, ...]:
        notes = self.registry.notes
        readings = await notes.with_member(user_id, guild_id)
        members = {reading_id: (await notes.members(reading_id)).get(user_id) for reading_id in readings}
        learned = []
        for model in models:
            own = [members[ref.reading_id] for ref in model.readings if ref.reading_id in members]
            if own:
                called = next((member.name for member in own if member is not None and member.name), None)
                gone_by = await self.registry.gone_by(model)
                learned.append(LearnedModel(model.name, model.model_id, model.source_channels, called, gone_by))
        return tuple(learned)

    # ------------------------------------------------------------------ a person's requests

    async def forget_requests(self, user_id: int, guild_ids: Collection[int]) -> int:
        """Delete a person's requests in these servers, and others' with that person's words; return how many.

        Their answers go, too, a chat that the person was shown, and what other features store of them. Trainings stay,
        for their models need them; but not those of the person's words alone, whose samples are theirs. One that runs
        goes once its end is shown.
        """
        for section in self.sections.values():
            await section.forget_member(user_id, guild_ids)
        for guild_id in guild_ids:
            await redis_call(self.core.redis.delete(key := keys.preview(guild_id, user_id)))
            await redis_call(self.core.redis.zrem(keys.previews(guild_id), key))
        theirs = [
            job.job_id
            async for job in self.requests_of(user_id)
            if job.place.guild_id in guild_ids
            if not isinstance(job, TrainJob) or user_id in {ref.author_id for ref in job.readings}
        ]
        for job_id in theirs:
            await self.forget_request(job_id)
        return len(theirs)

    async def forget_request(self, job_id: str) -> None:
        """Delete a request and its answer, or, if that is being answered now, have `resume` do so once it is."""
        if await redis_call(self.core.redis.sismember(keys.OUTBOX, job_id)):
            await redis_call(self.core.redis.sadd(keys.FORGOTTEN, job_id))
            return
        job = job_from(job_id, await redis_call(self.core.redis.get(keys.asked(job_id))))
        for user_id in people_of(job) if job is not None else ():
            await redis_call(self.core.redis.zrem(keys.requests(user_id), job_id))
        files = [keys.artifact(job_id, name) for name in _FILES]
        own = [key(job_id) for key in (keys.job, keys.asked, keys.job_events, keys.job_control)]
        await redis_call(self.core.redis.delete(*own, *files))
        await redis_call(self.core.redis.srem(keys.FORGOTTEN, job_id))

    async def resume(self) -> None:
        """Delete requests that were being answered when somebody had them forgotten. Called every minute."""
        for job_id in cast(set[bytes], await redis_call(self.core.redis.smembers(keys.FORGOTTEN))):
            await self.forget_request(job_id.decode())

    async def requests_of(self, user_id: int) -> AsyncIterator[Job]:
        """Yield the jobs that a person asked for, or that have their words, but for damaged ones."""
        ids = [member.decode() for member in await redis_call(self.core.redis.zrange(keys.requests(user_id), 0, -1))]
        for part in discord.utils.as_chunks(ids, _KEYS_AT_ONCE):
            stored = await redis_call(self.core.redis.mget([keys.asked(job_id) for job_id in part]))
            jobs = dict(zip(part, stored, strict=True))
            if gone := [job_id for job_id, data in jobs.items() if data is None]:
                await redis_call(self.core.redis.zrem(keys.requests(user_id), *gone))
            for job_id, data in jobs.items():
                if (job := job_from(job_id, data)) is not None:
                    yield job


async def _shared_servers(user: User, guilds: list[discord.Guild]) -> set[int]:
    """Return the servers where Discord finds a person, or says nothing."""
    shared = set()
    for guild in guilds:
        with unless_refused(log.warning, "member_not_looked_up", guild_id=guild.id):
            if await member_in(guild, user) is None:
                continue
        shared.add(guild.id)
    return shared
