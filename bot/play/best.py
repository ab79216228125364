"""Which of the bot's texts people reacted to most. Numbers are kept, not who reacted."""

from dataclasses import dataclass
from datetime import timedelta

import discord

from bot.background import redis_call
from bot.core import Core
from bot.models.audience import Audience
from bot.models.registry import Registry
from bot.options.decoding import fetched, message_text
from bot.play.embeds import Favourite
from bot.servers.access import Actor, Viewer
from bot.write.generate import Generating
from shared import keys
from shared.jobs import GenerateJob

MOST, TRIMMED_TO = 500, 450
"""Texts of a server, and how many are left when there are more: what is new has a while to gather reactions."""
AGE = timedelta(seconds=keys.JOB_TTL_S)
SHOWN, LOOKED_AT = 5, 20


@dataclass(frozen=True)
class Best:
    """Counts the reactions to a server's texts, and finds those that people reacted to most."""

    core: Core
    registry: Registry
    generating: Generating
    audience: Audience

    async def count(self, guild_id: int, member: str, by: int) -> None:
        """Note a reaction more (1) or less (-1) to `message:channel`."""
        key = keys.best(guild_id)
        async with self.core.redis.pipeline(transaction=True) as pipe:
            if by < 0:
                pipe.zadd(key, {member: by}, xx=True, incr=True)
                pipe.zremrangebyscore(key, "-inf", 0)
            else:
                pipe.zincrby(key, by, member)
                pipe.expire(key, AGE)
            number, _ = await redis_call(pipe.execute())
        if number == by:  # it is new
            await self._ranked(guild_id)

    async def _ranked(self, guild_id: int) -> list[tuple[int, str]]:
        """Return numbers of reactions with `message:channel`, the most first; drop what is too old or too much."""
        ranked = await redis_call(self.core.redis.zrevrange(keys.best(guild_id), 0, -1, withscores=True))
        oldest = discord.utils.time_snowflake(discord.utils.utcnow() - AGE)
        counted = [(int(number), member.decode()) for member, number in ranked]
        kept = [entry for entry in counted if int(entry[1].partition(":")[0]) >= oldest]
        kept = kept if len(kept) <= MOST else kept[:TRIMMED_TO]
        if gone := {member for _, member in counted} - {member for _, member in kept}:
            await redis_call(self.core.redis.zrem(keys.best(guild_id), *gone))
        return kept

    async def favourites(self, actor: Actor) -> list[Favourite]:
        """Return the favourites that may be shown where somebody asks.

        Raises discord.HTTPException: Discord is in trouble.
        """
        favourites: list[Favourite] = []
        looked = 0
        for number, member in await self._ranked(actor.guild_id):
            message_id, channel_id = map(int, member.split(":"))
            if len(favourites) == SHOWN or looked == LOOKED_AT:
                break
            if not self.audience.all_can_read(actor.guild_id, actor.here, [channel_id]):
                continue
            looked += 1
            channel = self.core.bot.get_partial_messageable(channel_id, guild_id=actor.guild_id)
            message = await fetched(channel, message_id)
            # Clearing an emoji, for example, sends no event for each of its reactions: trust the message.
            seen = sum(reaction.count - reaction.me for reaction in message.reactions) if message is not None else 0
            number = min(number, seen)
            job = await self._job_of(message) if message is not None else None
            if message is None or number <= 0 or job is None:
                await redis_call(self.core.redis.zrem(keys.best(actor.guild_id), member))
            elif (names := await self._models(actor, job)) is not None:
                fit = await self.core.fit(actor.guild_id)
                text = fit(" ".join(message_text(message).split()))
                favourites.append(Favourite(number, message.jump_url, channel_id, " + ".join(names), text))
        return sorted(favourites, key=lambda favourite: -favourite.number)

    async def forget_guild(self, guild_id: int) -> None:
        await redis_call(self.core.redis.delete(keys.best(guild_id)))

    async def _job_of(self, message: discord.Message) -> GenerateJob | None:
        """Return the job of the text that a message shows; None: it shows none, or nobody knows any more.

        None of a comparison, too: nobody knows which of its texts people liked.
        """
        job_id = await self.generating.job_of(message)
        stored = await self.core.jobs.load(job_id) if job_id is not None else None
        return stored.job if stored is not None and isinstance(stored.job, GenerateJob) else None

    async def _models(self, actor: Actor, job: GenerateJob) -> list[str] | None:
        """Return the names of the models that wrote a text; None: it may not be shown here."""
        names = {part.model_id: part.name for part in job.mix} or {job.model_id: job.model_name}
        usable = await self.registry.by_ids(Viewer(actor.guild_id, actor.here), names)
        return list(names.values()) if len(usable) == len(names) else None
