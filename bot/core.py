"""The core that every feature is built on: jobs and answers, servers' settings and rights, buttons, messages."""

from collections.abc import Awaitable, Callable

import redis.asyncio
from discord.ext import commands

from bot.background import BackgroundService, Chores
from bot.components import Components
from bot.jobs.admission import Admission
from bot.jobs.client import JobClient
from bot.jobs.delivery import Delivery
from bot.jobs.recovery import Recovery
from bot.jobs.snapshot import Snapshots
from bot.requests import Requests
from bot.responder import Responder, Typing
from bot.routing import Routing
from bot.servers.access import Access
from bot.servers.joined import JoinedServers
from bot.servers.settings import GuildSettingsStore
from bot.words import Fit, server_emoji
from shared.settings import Settings


class Core:
    """Services that belong to no feature. Those that need three or more of them take the core."""

    def __init__(self, bot: commands.Bot, *, settings: Settings, connection: redis.asyncio.Redis) -> None:
        self.bot = bot
        self.settings = settings
        self.redis = connection
        can_read = bot.intents.message_content
        self.servers = GuildSettingsStore(settings=settings, connection=connection, can_read_messages=can_read)
        self.access = Access(settings=settings, servers=self.servers)
        self.joined = JoinedServers(client=bot, connection=connection)
        self.responder = Responder(bot=bot, settings=settings, servers=self.servers, access=self.access)
        self.components = Components(responder=self.responder, access=self.access)
        self.jobs = JobClient(settings=settings, connection=connection)
        self.recovery = Recovery(connection=connection, jobs=self.jobs)
        self.snapshots = Snapshots(connection=connection, settings=settings)
        self.admission = Admission(settings)
        self.typing = Typing(bot)
        self.delivery = Delivery(
            client=bot,
            jobs=self.jobs,
            joined=self.joined,
            settings=settings,
            typing=self.typing.shown,
            written=self.admission.written,
        )
        self.requests = Requests(access=self.access, admission=self.admission, delivery=self.delivery)
        self.routing = Routing(bot=bot)
        self.chores = Chores("chores")
        # What features have to forget a server that the bot has left; one may be called again after a failure.
        self.forgetters: list[Callable[[int], Awaitable[None]]] = []
        # Started in this order once Discord is ready, and stopped in the reverse order.
        self.services: list[BackgroundService] = [self.chores, self.delivery]

    async def fit(self, guild_id: int) -> Fit:
        """Return a function that masks a server's blocked words and foreign emoji in a model's text.

        Raises as `GuildSettingsStore.get`."""
        blocklist, guild = await self.servers.blocklist(guild_id), self.bot.get_guild(guild_id)
        return lambda text: blocklist.mask(server_emoji(text, guild))

    async def add_cogs(self, *cogs: commands.Cog) -> None:
        for cog in cogs:
            await self.bot.add_cog(cog)

    def add_services(self, *services: BackgroundService) -> None:
        """Have services started and stopped with the bot."""
        self.services.extend(services)
