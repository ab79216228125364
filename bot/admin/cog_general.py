"""Commands `help` and `status`, the answer to a direct message, and the greeting of a new server."""

import contextlib
import math
import platform
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import discord
import redis.asyncio
import structlog
from discord import app_commands
from discord.ext import commands

from bot import intents
from bot.admin.metrics import ANSWER_SECONDS, memory_of
from bot.background import DISCORD_ERRORS, redis_call
from bot.components import button, view
from bot.core import Core
from bot.help import Help
from bot.options import decoding
from bot.options.autocomplete import choices
from bot.servers.access import is_admin
from bot.servers.settings import UnreadableSettings
from bot.train.start import DEMO_MINUTES
from bot.types import Context, hybrid_command
from bot.words import AMBER, BLURPLE, GREEN, RED, add_fields, in_minutes, listed, plain, size
from galvanic import __version__
from galvanic.units import count
from shared import keys, presence
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE, Job
from shared.metrics import disk

NEW_FOR = timedelta(days=1)  # a server that the bot joined earlier is not greeted, whatever Redis remembers
_MOST_LINES = 5
_LITTLE_SPACE = 0.05  # share of the disk; less is reported as a problem
_LIBRARIES = f"discord.py {discord.__version__}, Python {platform.python_version()}"
_KINDS = ((TRAIN_QUEUE, "Training"), (GENERATE_QUEUE, "Generating"))
_NO_WORKER = "⚠️ no worker: tell the bot's operator"

log = structlog.get_logger()


@dataclass(eq=False, repr=False)
class General(commands.Cog):
    """Helps, greets, and tells how the parts do."""

    core: Core
    pages: Help

    @hybrid_command(
        "help [COMMAND]",
        ("help", "help train", "help model use"),
        about="Show what I can do, or how a command is used",
        heading="This server",
        anywhere=True,
        direct=True,
    )
    @app_commands.describe(command="A command to explain")
    async def help_(self, ctx: Context, *, command: str | None = None) -> None:
        """Show what I can do, or how one command is used."""
        guild_id = ctx.guild.id if ctx.guild is not None else None
        await ctx.send(**await self.pages.page(command, ctx.author, guild_id), ephemeral=True)

    @help_.autocomplete("command")
    async def _commands(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return choices(self.pages.names(interaction.user), typed)

    @hybrid_command(
        "status", about="Whether all my parts are running", heading="This server", anywhere=True, direct=True
    )
    async def status(self, ctx: Context) -> None:
        """Show whether my workers and my memory are there.

        Members with Manage Server, and the bot's operator, see more: what the workers run on, how much waits, and how
        much room there is, of all servers together.
        """
        await ctx.defer(ephemeral=True)
        full = is_admin(ctx.author)
        with contextlib.suppress(*DISCORD_ERRORS):  # it may have to be asked who the owner is
            full = full or await self.core.bot.is_owner(ctx.author)
        await ctx.send(embed=await self._status(full=full), ephemeral=True)

    @commands.Cog.listener()
    async def on_job_delivered(self, job: Job, seconds: float | None) -> None:
        if seconds is not None:
            ANSWER_SECONDS.labels(job.kind).observe(seconds)

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """Tell somebody who writes directly what works there; commands and mentions are answered elsewhere."""
        assert self.core.bot.user is not None
        if (
            message.guild is not None
            or message.author.bot
            or decoding.to_bot(message, self.core.bot.user.id) is not None
        ):
            return
        ctx: Context = await self.core.bot.get_context(message)
        if ctx.command is None and not ctx.invoked_with:
            prefix = await self.core.servers.prefix(None)
            await ctx.send(
                f"My commands begin with `{prefix}`. I work in servers; `{prefix}help` shows what I can do here."
            )

    # ------------------------------------------------------------------ greeting a new server

    @commands.Cog.listener("on_guild_available")
    @commands.Cog.listener("on_guild_join")
    async def greet(self, guild: discord.Guild) -> None:
        """Greet a new server, also one that invited the bot while it was away: often before its first start."""
        since = guild.me.joined_at
        if since is None or discord.utils.utcnow() - since > NEW_FOR:
            return
        try:
            channel = _channel(guild, (await self.core.servers.get(guild.id)).channels)
            if channel is None:
                return
            key, joined = keys.greeted(guild.id), since.isoformat()
            if await redis_call(self.core.redis.get(key)) == joined.encode():
                return
            most = self.core.settings.train_max_minutes
            taste, minutes = min(DEMO_MINUTES, most), min(self.core.settings.train_minutes, most)
            lacks = intents.missing(self.core.bot, self.core.settings)
            embed = _greeting(await self.core.servers.prefix(guild.id), taste, minutes, lacks)
            label = f"A first taste: {in_minutes(taste)} of Frankenstein"
            controls = view(button("demo", label=label, style=discord.ButtonStyle.primary))
            await channel.send(embed=embed, view=controls, nonce=f"h-{since.timestamp():.3f}")
            await redis_call(self.core.redis.set(key, joined, ex=2 * NEW_FOR))
        except (redis.RedisError, UnreadableSettings, *DISCORD_ERRORS) as error:
            log.warning("server_not_greeted", guild_id=guild.id, error=type(error).__name__)

    # ------------------------------------------------------------------ status

    async def _status(self, *, full: bool) -> discord.Embed:
        """Draw the status: in full for operators and admins, otherwise only whether all works."""
        embed = discord.Embed(title="Status", colour=GREEN)
        try:
            machines = {queue: await self._machines(queue) for queue, _ in _KINDS}
            if full:
                return await self._full(embed, machines)
            for queue, does in _KINDS:
                embed.add_field(name=does, value="✅ worker running" if machines[queue] else _NO_WORKER)
            if not all(machines.values()):
                embed.colour = AMBER
            if (lacks := intents.missing(self.core.bot, self.core.settings)) is not None:
                embed.colour, embed.description = AMBER, f"⚠️ {lacks}"
        except redis.RedisError:
            embed.colour, embed.description = RED, "❌ My memory (Redis) can't be reached: tell the bot's operator."
        if (away := self._away()) is not None:
            embed.add_field(name="Discord", value=away)
        return embed.set_footer(text=_LIBRARIES)

    async def _full(self, embed: discord.Embed, machines: dict[str, Counter[str]]) -> discord.Embed:
        snapshot = await self.core.snapshots.look(now=True)
        running = sum(training.runs for training in snapshot.trainings)
        used = limit = 0
        with contextlib.suppress(redis.ResponseError):  # this Redis user may not ask
            used, limit = memory_of(cast(dict[str, Any], await redis_call(self.core.redis.info("memory"))))
        problems = [
            f"⚠️ **{does}**: no worker is running. The bot's operator can start one with `make run` or "
            f"`python -m worker serve {queue}`."
            for queue, does in _KINDS
            if not machines[queue]
        ]
        problems += [f"⚠️ {lacks}"] if (lacks := intents.missing(self.core.bot, self.core.settings)) is not None else []
        free, all_of = disk(self.core.settings.data_dir) or (None, 0)
        if free is not None and free < _LITTLE_SPACE * all_of:
            problems.append("⚠️ **The disk** is almost full: what is trained can't be saved then.")
        if limit and used > 0.9 * limit:
            problems.append("⚠️ **Redis** has almost no memory left: no command is taken then.")
        embed.colour = AMBER if problems else GREEN
        embed.description = "\n".join(problems) or "✅ Everything works."
        held = f"{size(used)}" + (f" of {size(limit)}" if limit else "") if used else "answers"
        fields = {does: _workers(machines[queue]) for queue, does in _KINDS} | {
            "Discord": f"{self._away() or 'not heard of yet'}\n{count(len(self.core.bot.guilds), 'server')}",
            "Trainings": f"{running} running, {snapshot.waiting} waiting",
            "Texts": f"{self.core.admission.waiting} in line",
            "Redis": f"✅ {held}",
            "Disk": "" if free is None else f"{size(free)} free of {size(all_of)}",
        }
        add_fields(embed, fields)
        return embed.set_footer(text=f"All servers together · Galvanic {__version__} · {_LIBRARIES}")

    async def _machines(self, queue: str) -> Counter[str]:
        """Count the running workers by what they run on."""
        alive = await redis_call(presence.alive_async(self.core.redis, queue))
        info = await redis_call(self.core.redis.hgetall(keys.worker_info(queue)))
        return Counter(sorted(info.get(name.encode(), b"").decode() or "a machine" for name in alive))

    def _away(self) -> str | None:
        """Return how far Discord is away, in words; None until the first heartbeat is answered."""
        latency = self.core.bot.latency
        return None if math.isnan(latency) else f"{latency * 1000:.0f} ms away"


def _workers(machines: Counter[str]) -> str:
    if not machines:
        return "⚠️ no worker"
    lines = [f"✅ {count(machines.total(), 'worker')}"]
    lines += [plain(name[:60]) + (f" (× {number})" if number > 1 else "") for name, number in machines.items()]
    return listed(lines, "and {} more", most=1 + _MOST_LINES)


def _channel(guild: discord.Guild, allowed: tuple[int, ...]) -> discord.TextChannel | None:
    """Return the channel to greet in, one that the server's admins allow, or None."""
    needed = discord.Permissions(view_channel=True, send_messages=True, embed_links=True)
    channels = [channel for channel in (guild.system_channel, *guild.text_channels) if channel is not None]
    fit = (channel for channel in channels if not allowed or channel.id in allowed)
    return next((channel for channel in fit if channel.permissions_for(guild.me) >= needed), None)


def _greeting(prefix: str, demo_minutes: float, minutes: float, lacks: str | None) -> discord.Embed:
    """Draw the greeting. `minutes`: how long a training takes by default. `lacks`: see `intents.missing`."""
    return discord.Embed(
        title="Hello! I learn to write from any text, and talk back in its voice",
        description="**A first taste:** press the button, and I read *Frankenstein* for "
        f"{in_minutes(demo_minutes)} while you watch. Then you can make me write. It takes about "
        f"{in_minutes(demo_minutes + 1)} in all; if I can't fetch the book, I read Python's manual instead, "
        "which needs no internet.\n\n"
        f"**Then:** attach a text, a book or a chat to `{prefix}train` to have me learn it, "
        f"{in_minutes(minutes)} at most. `{prefix}help` shows all I can do."
        + (f"\n\n⚠️ {lacks}" if lacks is not None else ""),
        colour=BLURPLE,
    )
