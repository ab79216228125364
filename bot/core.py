"""The core that every feature is built on: jobs and answers, servers' settings and rights, buttons, messages."""

from __future__ import annotations

from dataclasses import dataclass

import redis.asyncio
from discord.ext import commands

from bot.background import Chores, Service
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
from bot.servers.settings import GuildSettingsStore
from shared.settings import Settings


@dataclass(frozen=True, eq=False, repr=False)
class Core:
    """Services that belong to no feature. Those that need three or more of them take the core.

    Attributes:
        services: started in this order once Discord is ready, and stopped in the reverse order.
    """

    bot: commands.Bot
    settings: Settings
    redis: redis.asyncio.Redis
    servers: GuildSettingsStore
    access: Access
    responder: Responder
    components: Components
    jobs: JobClient
    recovery: Recovery
    snapshots: Snapshots
    admission: Admission
    typing: Typing
    delivery: Delivery
    requests: Requests
    routing: Routing
    chores: Chores
    services: list[Service]

    async def add(self, *cogs: commands.Cog) -> None:
        for cog in cogs:
            await self.bot.add_cog(cog)

    def run(self, *services: Service) -> None:
        """Have services started and stopped with the bot."""
        self.services.extend(services)


def build(bot: commands.Bot, *, settings: Settings, connection: redis.asyncio.Redis) -> Core:
    can_read = bot.intents.message_content
    servers = GuildSettingsStore(settings=settings, connection=connection, can_read_messages=can_read)
    access = Access(settings=settings, servers=servers, connection=connection)
    responder = Responder(bot=bot, settings=settings, servers=servers, access=access)
    jobs = JobClient(settings=settings, connection=connection)
    admission, typing, chores = Admission(settings), Typing(bot), Chores("chores")
    delivery = Delivery(client=bot, jobs=jobs, settings=settings, typing=typing.shown, written=admission.written)
    return Core(
        bot=bot,
        settings=settings,
        redis=connection,
        servers=servers,
        access=access,
        responder=responder,
        components=Components(responder=responder, access=access),
        jobs=jobs,
        recovery=Recovery(connection=connection, jobs=jobs),
        snapshots=Snapshots(connection=connection, settings=settings),
        admission=admission,
        typing=typing,
        delivery=delivery,
        requests=Requests(access=access, admission=admission, delivery=delivery),
        routing=Routing(bot=bot),
        chores=chores,
        services=[chores, delivery],
    )
