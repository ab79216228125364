"""The command `learn`: models that learn on by themselves, each night or after so many messages.

Each time a new model is made, which takes the old one's place (`bot.train.remake`): no line stays because it was
learned before.
"""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

import discord
import structlog
from discord import app_commands
from discord.ext import commands
from pydantic import BaseModel

from bot.background import DISCORD_ERRORS, BackgroundService, failure_logged, redis_call, run_forever
from bot.channels.sources import Source
from bot.core import Core
from bot.jobs.decoding import read
from bot.models.registry import Registry
from bot.servers.access import Viewer, channel_ids, require_admin
from bot.train.remake import EVERY_S, Remaking
from bot.types import Context, hybrid_command
from bot.words import BLURPLE, as_typed, code
from galvanic.errors import UserError
from galvanic.units import count
from shared import keys
from shared.jobs import Snowflake
from shared.models import ModelRecord

_DAY_S = 86_400.0
_NIGHT_S = 3 * 3_600.0  # the time of day, in UTC, at which nightly learning begins
_LEAST_S = 6 * 3_600.0  # between two trainings of one channel
_LEAST, _MOST = 100, 100_000  # limits of the messages after which a model learns

log = structlog.get_logger()


class Schedule(BaseModel, frozen=True, extra="ignore"):
    """When a channel's model learns on."""

    guild_id: Snowflake
    source_id: Snowflake  # what it learns from, whose members were told
    every: int  # so many new messages; 0: nightly
    at: float  # when it was turned on, or learned last, seconds since the epoch
    new: int = 0  # messages since

    def is_due(self, last_time: float, now: float) -> bool:
        """Return whether a model is to be made again: enough was said, and its last time is long enough ago."""
        last_night = (now - _NIGHT_S) // _DAY_S * _DAY_S + _NIGHT_S
        return self.new >= max(1, self.every) and last_time < (now - _LEAST_S if self.every else last_night)


@dataclass(eq=False, repr=False)
class Learning(BackgroundService, commands.Cog):
    """Trains channels' models again by themselves, when their schedules say so.

    Messages are counted while the bot is there; how many is stored every minute.
    """

    core: Core
    registry: Registry
    remaking: Remaking
    _changing: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)
    _heard: Counter[int] = field(init=False, default_factory=Counter)
    """New messages since the last look, by channel; those of a thread count for its parent, too."""

    def start(self) -> None:
        self.spawn(run_forever("learn", self.look, every_s=EVERY_S))

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        if message.guild is not None and not (message.author.bot or message.webhook_id or message.is_system()):
            self._heard.update(channel_ids(message.channel))

    async def look(self) -> None:
        """Have the models that are due learn on. Raises redis.RedisError."""
        names = await redis_call(self.core.redis.hkeys(keys.LEARNING))
        heard, self._heard = self._heard, Counter()
        for name in names:
            async with self._changing:
                with failure_logged("learning_failed"):
                    await self._look_at(int(name), heard)

    async def _look_at(self, channel_id: int, heard: Counter[int]) -> None:
        schedule = await self._load(channel_id)
        guild = self.core.bot.get_guild(schedule.guild_id) if schedule is not None else None
        if schedule is None or guild is None or guild.unavailable:
            return
        if guild.get_channel(channel_id) is None:
            await redis_call(self.core.redis.hdel(keys.LEARNING, str(channel_id)))
            return
        now = time.time()
        changed = schedule.model_copy(update={"new": schedule.new + heard[schedule.source_id]})
        try:
            if changed.is_due(changed.at, now):
                model = await self._model(guild, channel_id, schedule.source_id)
                if changed.is_due(model.created_at, now):  # somebody else may have had it made since
                    await self.remaking.make_again(guild, model, limited=True)
                    changed = changed.model_copy(update={"at": now, "new": 0})
        except (UserError, *DISCORD_ERRORS) as error:  # the next look tries again; `learn` says why
            log.debug("model_learns_on_later", channel_id=channel_id, error=type(error).__name__)
        if changed != schedule:
            await redis_call(self.core.redis.hset(keys.LEARNING, str(channel_id), changed.model_dump_json()))

    async def forget_guild(self, guild_id: int) -> None:
        """Forget the schedules of a server that the bot has left."""
        for name in await redis_call(self.core.redis.hkeys(keys.LEARNING)):
            async with self._changing:
                schedule = await self._load(int(name))
                if schedule is not None and schedule.guild_id == guild_id:
                    await redis_call(self.core.redis.hdel(keys.LEARNING, name))

    async def _model(self, guild: discord.Guild, channel_id: int, source_id: int) -> ModelRecord:
        """Return the channel's model. Raises UserError: it has none of that source."""
        model = await self._current(guild, channel_id)
        notes = await self.registry.notes.of(model.readings)
        if {note.source_id for note in notes.values()} != {source_id}:
            raise UserError("This channel has another model now.", "Turn it on for that one, or choose the other.")
        return model

    async def _current(self, guild: discord.Guild, channel_id: int) -> ModelRecord:
        """Return the channel's model. Raises UserError: it has none, or one of a member's own words."""
        model = await self.registry.current(Viewer(guild.id, [channel_id]))
        if model is None:
            raise UserError("This channel has no model now.", "Choose or train one that learned from a channel.")
        if model.authors:
            raise UserError(
                f"`{model.name}` learned one member's words, so it can't keep learning.", "Choose another one."
            )
        return model

    async def _load(self, channel_id: int) -> Schedule | None:
        data = await redis_call(self.core.redis.hget(keys.LEARNING, str(channel_id)))
        return read(Schedule, data, "schedule_not_understood", channel_id=channel_id) if data is not None else None

    @hybrid_command(
        "learn [nightly | every NUMBER | off]",
        ("learn nightly", "learn every 500", "learn off"),
        about="Have this channel's model keep learning by itself",
        heading="Training",
        admin=True,
    )
    @app_commands.describe(when="Leave it out to see how it is", messages="With `every`: after so many new messages")
    @app_commands.choices(when=[app_commands.Choice(name=word, value=word) for word in ("nightly", "every", "off")])
    async def learn(self, ctx: Context, when: str | None = None, messages: int | None = None) -> None:
        """Have this channel's model made again by itself, each night or after so many messages.

        I tell the members of the channel that it learns from. As with `train`, each member decides whether I learn from
        their messages.
        """
        await ctx.defer(ephemeral=True)
        require_admin(ctx.author)
        assert ctx.guild is not None
        channel_id = channel_ids(ctx.channel)[-1]
        async with self._changing:
            if when is None:
                text = await self._state(ctx.guild, channel_id)
            elif when.lower() == "off":
                off = await redis_call(self.core.redis.hdel(keys.LEARNING, str(channel_id)))
                text = "This channel's model doesn't keep learning by itself " + ("any more." if off else "anyway.")
            else:
                prefix = await self.core.servers.prefix(ctx.guild.id)
                text = await self._turn_on(ctx.guild, channel_id, _every(when.lower(), messages, prefix))
        await ctx.send(embed=discord.Embed(description=text, colour=BLURPLE), ephemeral=True)

    async def _turn_on(self, guild: discord.Guild, channel_id: int, every: int) -> str:
        """Note a schedule, and tell the members. Raises UserError: the model cannot learn on now, or that fails."""
        model, prefix = await self._current(guild, channel_id), await self.core.servers.prefix(guild.id)
        before, request = await self._load(channel_id), await self.remaking.request(guild, model)
        assert request.reading is not None
        source = guild.get_channel_or_thread(request.reading.source_id)
        if not isinstance(source, Source):
            raise UserError("That channel is gone.", "Choose another model.")
        schedule = Schedule(guild_id=guild.id, source_id=source.id, every=every, at=time.time())
        how = f"from {source.mention} {self._how(schedule)}"
        if before is None or before.source_id != schedule.source_id:
            # There is no place in a forum that everybody looks at.
            place = guild.get_channel(channel_id) if isinstance(source, discord.ForumChannel) else source
            notice = (
                f"An admin turned it on: the model `{model.name}` is made again {how}\n"
                f"`{prefix}optin` tells you what that means, and asks you. `{prefix}optout` says no, at any time: "
                "models that learned your words are made again without them, or deleted."
            )
            embed = discord.Embed(title="A model keeps learning from this channel", description=notice, colour=BLURPLE)
            try:
                assert isinstance(place, discord.abc.Messageable)
                await place.send(embed=embed)
            except DISCORD_ERRORS as error:
                raise UserError(
                    f"I can't tell the members of {source.mention}, so it stays off.", "Let me write there."
                ) from error
        await redis_call(self.core.redis.hset(keys.LEARNING, str(channel_id), schedule.model_dump_json()))
        return f"`{model.name}` is made again {how}"

    async def _state(self, guild: discord.Guild, channel_id: int) -> str:
        schedule, prefix = await self._load(channel_id), await self.core.servers.prefix(guild.id)
        if schedule is None:
            nightly = as_typed(prefix, "learn", "when", "nightly")
            return f"This channel's model doesn't keep learning by itself. `{nightly}` turns it on."
        text = (
            f"This channel's model is made again from <#{schedule.source_id}> {self._how(schedule)}\n"
            f"{count(schedule.new + self._heard[schedule.source_id], 'message')} since <t:{int(schedule.at)}:f>."
        )
        try:
            model = await self._model(guild, channel_id, schedule.source_id)
            await self.remaking.request(guild, model)
            await self.remaking.trainings.require_quota(guild.id, model.owner_id, f"<@{model.owner_id}>", replaces=True)
        except UserError as error:
            text += f"\n⚠️ That isn't possible at the moment: {error.problem} {error.remedy}"
        return text

    def _how(self, schedule: Schedule) -> str:
        when = "every night at 3:00 UTC"
        if schedule.every:
            when = f"after every {schedule.every:,} new messages, at most every {_LEAST_S / 3_600:g} hours"
        settings = self.core.settings
        members = "agreed" if settings.channel_training == "opt-in" else "didn't say no"
        return f"{when}. It learns what members who {members} wrote, as it is then."


def _every(when: str, messages: int | None, prefix: str) -> int:
    """Return the number of messages; 0: nightly. Raises UserError: it is neither."""
    every = as_typed(prefix, "learn", "when", "every", "messages", "500")
    if when == "nightly":
        return 0
    if when != "every":
        nightly, off = (as_typed(prefix, "learn", "when", word) for word in ("nightly", "off"))
        raise UserError(f"`{prefix}learn` can't be {code(when)}.", f"Use `{nightly}`, `{every}` or `{off}`.")
    if messages is None or not _LEAST <= messages <= _MOST:
        raise UserError(
            "After how many messages should it learn?",
            f"Name a number from {_LEAST} to {_MOST:,}: `{every}`.",
        )
    return messages
