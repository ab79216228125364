"""The bot itself: its intents, its connection, and when its parts begin and end."""

import asyncio
import contextlib
import gc
import sys
from typing import Any

import aiohttp
import discord
import structlog
from discord import app_commands
from discord.backoff import ExponentialBackoff
from discord.ext import commands
from redis.exceptions import RedisError

from bot import features, gateway, intents
from bot.background import log_failed
from bot.core import Core
from bot.options import decoding
from bot.presence import Presence
from bot.responder import PatientContext
from shared.connect import connect_async
from shared.settings import Settings

log = structlog.get_logger()


class Galvanic(commands.Bot):
    """Connects to Discord; all that it does there is in the features."""

    def __init__(self, settings: Settings, lacks: frozenset[str] = frozenset()) -> None:
        """Build the bot. `lacks`: intents that Discord does not grant."""
        gateway.prepare()
        trace = aiohttp.TraceConfig()
        gateway.Pacing(trace)
        super().__init__(
            command_prefix=_prefixes,
            intents=intents.wanted(settings, lacks),
            allowed_mentions=discord.AllowedMentions.none(),
            help_command=None,
            # Installed for a person alone, commands would be offered in servers that the bot is not in.
            allowed_installs=app_commands.AppInstallationType(guild=True),
            case_insensitive=True,
            strip_after_prefix=True,
            # No member cache is needed, whatever the intents would let the bot know.
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            # Nothing looks old messages up: cards are found by their ids.
            max_messages=None,
            # Nothing needs to know every server before it begins; discord.py waits 2 s for one more.
            guild_ready_timeout=0.5,
            http_trace=trace,
            proxy=gateway.proxy(settings),
        )
        self.settings = settings
        self.redis = connect_async(settings)
        self.presence = Presence(self, settings=settings, connection=self.redis)
        self.core = Core(self, settings=settings, connection=self.redis)
        self.identifies = gateway.Identifies()
        self.has_begun = False

    async def setup_hook(self) -> None:
        await features.setup(self.core)
        self.add_check(self.core.access.check_allowed_channel, call_once=True)
        self.add_dynamic_items(self.core.components.item())
        await gateway.sync_if_changed(self.tree, self.redis)

    async def connect(self, *, reconnect: bool = True) -> None:
        """Connect, and try again if the first connection failed: discord.py would not, without a session to resume."""
        self.core.jobs.start()
        self.core.recovery.start()
        backoff = ExponentialBackoff()
        while True:
            try:
                return await super().connect(reconnect=reconnect)
            except AttributeError:
                if self.ws:
                    raise
            await asyncio.sleep(backoff.delay())

    async def before_identify_hook(self, _shard_id: int | None, *, initial: bool = False) -> None:  # noqa: ARG002
        await self.identifies.wait()

    async def on_connect(self) -> None:
        self.presence.find_discord()

    on_resumed = on_connect

    async def on_disconnect(self) -> None:
        self.presence.miss_discord()

    async def on_ready(self) -> None:
        if self.has_begun:
            return
        self.has_begun = True
        for service in (*self.core.services, self.presence):
            service.start()
        # What a start leaves behind is never freed; each full collection of it held up answers for 23 ms.
        gc.collect()
        gc.freeze()
        log.info("ready", guilds=len(self.guilds))

    async def on_message(self, _message: discord.Message, /) -> None:
        """Leave messages to `bot.routing`."""

    def dispatch(self, event_name: str, /, *args: Any, **kwargs: Any) -> None:
        """Call the listeners of an event, unless the bot is closed: there is no loop then that they could run in."""
        if not self.is_closed():
            super().dispatch(event_name, *args, **kwargs)

    async def close(self) -> None:
        for service in (self.presence, *reversed(self.core.services), self.core.recovery, self.core.jobs):
            await service.stop()
        await super().close()
        with contextlib.suppress(RedisError):
            await self.core.delivery.note_delivered()  # what was posted while the others were being stopped
        await self.presence.lock.leave()
        await self.redis.aclose()

    async def get_context(self, origin: discord.Message | discord.Interaction, /, **options: Any) -> Any:
        """Make a `PatientContext` that reads unpaired quotation marks as they are (`PlainWords`)."""
        options.setdefault("cls", PatientContext)
        ctx = await super().get_context(origin, **options)
        if isinstance(origin, discord.Message):
            ctx.view = decoding.PlainWords(ctx.view)
        return ctx

    async def on_error(self, event_method: str, /, *_args: Any, **_kwargs: Any) -> None:
        """Log an error of an event listener."""
        if (error := sys.exc_info()[1]) is not None and not self.is_closed():
            log_failed(event_method, error)


async def _prefixes(bot: Galvanic, message: discord.Message) -> list[str]:
    assert bot.user is not None
    guild_id = message.guild.id if message.guild is not None else None
    mentions = [f"{mention} " for mention in decoding.mentions_of_bot(message.guild, bot.user.id)]
    return [*mentions, await bot.core.servers.prefix(guild_id)]
