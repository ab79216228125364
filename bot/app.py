"""The bot itself: its intents, its connections, and the parts that it is made of."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import sys
import time
from typing import Any

import discord
import structlog
from discord.backoff import ExponentialBackoff
from discord.ext import commands
from redis.exceptions import RedisError

from bot.admin.cog_errors import Errors
from bot.admin.cog_general import General
from bot.admin.cog_settings import ServerSettings
from bot.admin.cog_welcome import Welcome
from bot.admin.metrics import BotMetrics
from bot.admin.status import StatusReport
from bot.background import is_transient, run_forever
from bot.channels.chores import Chores
from bot.channels.cog import Privacy
from bot.channels.consent import ConsentStore
from bot.channels.held import Holdings
from bot.channels.importer import Importer
from bot.channels.missed import Missed
from bot.channels.rights import Rights
from bot.channels.sources import Sources
from bot.channels.store import TranscriptStore
from bot.channels.watch import Watch
from bot.channels.withdrawals import Withdrawals
from bot.components import Components
from bot.escape import replace_surrogates
from bot.gateway import connection
from bot.gateway.pacing import Pacing
from bot.gateway.syncing import sync, sync_if_changed
from bot.help import Help
from bot.jobs.admission import Admission
from bot.jobs.client import JobClient
from bot.jobs.delivery import Delivery
from bot.jobs.dispatcher import Dispatcher
from bot.jobs.snapshot import Snapshots
from bot.leader import Leader
from bot.models.actions import ModelActions
from bot.models.audience import Audience
from bot.models.cog import Models
from bot.models.lifetime import Lifetimes
from bot.models.registry import Registry
from bot.models.removal import Removal
from bot.models.transfer import Transfer
from bot.options import decoding
from bot.options.decoding import PlainWords, Tree
from bot.responder import PatientContext, Responder, Typing
from bot.servers.access import Access
from bot.servers.cooldowns import Cooldowns
from bot.servers.settings import GuildSettingsStore
from bot.train.card import TrainingCards
from bot.train.cog import Training
from bot.train.cog_jobs import Jobs
from bot.train.remake import Remaking
from bot.train.start import TASTE_MINUTES, Trainings
from bot.write.cog import Writing
from bot.write.cog_chat import Chat
from bot.write.generate import Generating
from shared import presence
from shared.connect import connect_async
from shared.events import Event, Failed
from shared.jobs import Job, TrainJob
from shared.settings import Settings

log = structlog.get_logger()


class Galvanic(commands.Bot):
    """Makes every service, hands each what it needs, and adds their cogs and actions."""

    def __init__(self, settings: Settings) -> None:
        learning = settings.channel_training != "off"
        intents = discord.Intents(
            guilds=True,
            guild_messages=True,
            dm_messages=True,
            message_content=True,
            # Who is banned and (the privileged one) who leaves withdraws at once; see `bot.channels.watch`.
            moderation=learning,
            members=learning and settings.members_intent,
        )
        self.settings = settings
        self.admission = Admission(settings)
        self.metrics = BotMetrics(self, settings, self.admission)
        connection.prepare()
        Pacing(self.metrics.trace)
        super().__init__(
            command_prefix=_prefixes,
            intents=intents,
            allowed_mentions=discord.AllowedMentions.none(),
            help_command=None,
            tree_cls=Tree,
            case_insensitive=True,
            strip_after_prefix=True,
            # Nothing looks members up either, whatever the intents would let it know of them.
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            # Nothing looks old messages up: cards are found by their ids.
            max_messages=None,
            # Nothing needs to know every server before it begins; discord.py waits 2 s for one more.
            guild_ready_timeout=0.5,
            http_trace=self.metrics.trace,
        )
        self.redis = connect_async(settings)
        self.leader = Leader(self.redis)
        self.queue = JobClient(settings, self.redis, self.metrics.ended)
        self.dispatcher = Dispatcher(self.redis, self.queue)
        self.guild_settings = GuildSettingsStore(settings, self.redis)
        self.access = Access(self.guild_settings)
        self.responder = Responder(settings, lambda ctx: self.metrics.replied(ctx, "refused"))
        self.components = Components(self, self.responder, self.access)
        self.cooldowns = Cooldowns(self.redis)
        self.outlook = Snapshots(self.redis)
        self.consents = ConsentStore(settings, self.redis, self.leader)
        self.transcripts = TranscriptStore(self.redis, self.leader)
        self.audience = Audience(self, settings)
        self.registry = Registry(self.redis, self.guild_settings, self.audience)
        self.lifetimes = Lifetimes(self.redis, settings)
        self.removal = Removal(self, self.registry, self.queue, self.outlook)
        self.chores, self.looks = Chores("words"), Chores("looking for changes")
        self.withdrawals = Withdrawals(
            self,
            self.redis,
            self.consents,
            self.transcripts,
            self.registry,
            self.chores,
            stale=lambda: self.remaking.wake(),
        )
        self.sources = Sources(settings, self, self.guild_settings, self.consents, self.audience)
        self.typing = Typing(self)
        self.delivery = Delivery(self, self.queue, settings, self.typing.shown)
        self.training_cards = TrainingCards(
            self,
            settings,
            self.guild_settings,
            self.queue,
            self.outlook,
            self.registry,
            self.audience,
            self.lifetimes.revisions,
        )
        self.trainings = Trainings(
            settings,
            self.guild_settings,
            self.access,
            self.cooldowns,
            self.queue,
            self.outlook,
            self.delivery,
            self.training_cards,
            self.registry,
            self.lifetimes,
            self.transcripts,
        )
        self.importer = self._make_importer()
        self.remaking = Remaking(
            self,
            settings,
            self.guild_settings,
            self.redis,
            self.queue,
            self.outlook,
            self.registry,
            self.audience,
            self.lifetimes,
            self.removal,
            self.transcripts,
            self.sources,
            self.importer,
            before=(self.withdrawals.resume,),
            after=(self.withdrawals.close_done,),
        )
        self.training_control = Jobs(
            self.guild_settings, self.queue, self.outlook, self.audience, self.training_cards, self.importer
        )
        self.trainings.register(self.components)
        self.training_control.register(self.components)
        self.delivery.show_trainings(self.training_cards)
        self.delivery.subscribe(self._job_delivered)
        servers = self.guild_settings
        common = (self, settings, servers, self.access, self.cooldowns, self.queue, self.delivery, self.registry)
        self.model_actions = ModelActions(*common, self.lifetimes, self.removal)
        self.transfer = Transfer(*common, self.audience, self.lifetimes, self.removal)
        self.generating = Generating(*common, self.admission.slot)
        self.model_actions.register(self.components)
        self.transfer.register(self.components)
        self.generating.register(self.components)
        self.add_check(self.access.works_here, call_once=True)
        self.metrics.watch(self)
        self.identifies = connection.Identifies()
        self._presence: asyncio.Task[None] | None = None

    async def setup_hook(self) -> None:
        pages = Help(self, self.guild_settings)
        report = StatusReport(self, self.redis, self.metrics, self.outlook, self.admission, self.settings.data_dir)
        panel = ServerSettings(self.guild_settings, self.settings.command_prefix, self.registry.stored_bytes)
        for cog in (
            Errors(self, self.guild_settings, self.access, self.responder),
            General(self, self.guild_settings, pages, report, functools.partial(sync, self.tree, self.redis)),
            panel,
            Training(self.settings, self.trainings, self.sources, self.importer, self.transcripts, self.components),
            self.training_control,
            Welcome(self, self.settings, self.redis, self.guild_settings, TASTE_MINUTES),
        ):
            await self.add_cog(cog)
        panel.register(self.components)
        self.components.add("help", pages.turn, who="anybody", how="help")
        await self.add_cog(Writing(self.components.open, self.generating))
        await self.add_cog(Chat(self, self.generating))
        await self.add_cog(Models(self.model_actions, self.transfer, self.removal))
        await self._add_channels()
        self.add_dynamic_items(self.components.item())
        await asyncio.gather(sync_if_changed(self.tree, self.redis), self.queue.warm())

    def _make_importer(self) -> Importer:
        return Importer(
            self,
            self.settings,
            self.guild_settings,
            connection=self.redis,
            store=self.transcripts,
            consents=self.consents,
            sources=self.sources,
            withdrawals=self.withdrawals,
            queue=self.queue,
            outlook=self.outlook,
            delivery=self.delivery,
            admitted=self.trainings.admitted,
        )

    async def _add_channels(self) -> None:
        settings, servers, consents, store = self.settings, self.guild_settings, self.consents, self.transcripts
        removing = (self.registry, self.removal, self.outlook, self.queue)
        watch = Watch(self, servers, consents, store, self.withdrawals, self.chores, *removing)
        self.holdings = Holdings(
            self, settings, self.redis, consents, store, self.registry, self.lifetimes, self.outlook
        )
        rights = Rights(
            self,
            settings,
            servers,
            sources=self.sources,
            consents=consents,
            registry=self.registry,
            withdrawals=self.withdrawals,
            holdings=self.holdings,
        )
        for cog in (
            watch,
            Missed(self, consents, store, watch, self.looks),
            Privacy(settings, servers, self.cooldowns, consents, self.holdings, rights),
        ):
            await self.add_cog(cog)
        rights.register(self.components)

    async def connect(self, *, reconnect: bool = True) -> None:
        """Unlike discord.py's, tries again after a first connection that failed, which has no session to resume."""
        self.queue.start()
        self.dispatcher.start()
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

    async def on_ready(self) -> None:
        if self._presence is None:
            self.chores.start()
            self.looks.start()
            self.delivery.start()
            self.importer.start()
            self.remaking.start()
            beat_s = presence.BEAT_S
            said = run_forever("presence", self._say_present, every_s=beat_s, retry_at_most_s=beat_s)
            self._presence = asyncio.create_task(said)
            # What a start leaves behind is never freed; each full collection of it took 23 ms.
            gc.freeze()
            log.info("ready", guilds=len(self.guilds))

    def _job_delivered(self, job: Job, event: Event | None, seconds: float | None) -> None:
        if seconds is not None:
            self.metrics.answered(job.kind, seconds)
            if not isinstance(event, Failed):
                self.admission.answered()
        if isinstance(job, TrainJob) and job.replaces is not None:
            self.remaking.wake()

    async def process_commands(self, message: discord.Message) -> None:
        """Run a message's command; other words to the bot go to the chat."""
        if message.author.bot or message.webhook_id is not None:
            return
        message.content = replace_surrogates(message.content)
        ctx: commands.Context[Galvanic] = await self.get_context(message)
        words = decoding.to_bot(message, self.user.id) if ctx.command is None and self.user else None
        if words is not None:
            self.dispatch("addressed", ctx, words)
        else:
            await self.invoke(ctx)

    async def prefix(self, guild: discord.Guild | None) -> str:
        return await self.guild_settings.prefix(guild.id if guild is not None else None)

    async def close(self) -> None:
        if self._presence is not None:
            self._presence.cancel()
        await self.remaking.stop()
        await self.importer.stop()
        await self.chores.stop()
        await self.looks.stop()
        await self.dispatcher.stop()
        await self.delivery.stop()
        await self.queue.stop()
        await super().close()
        with contextlib.suppress(RedisError):
            await self.delivery.note_delivered()  # what was posted while the others were being stopped
        await self.leader.leave()
        await self.redis.aclose()

    async def tell_trouble(self) -> None:
        """Say in Redis, for `make run` to show, that Discord cannot be reached."""
        if (said := connection.trouble(self.metrics.away_since)) is not None:
            await presence.beat_async(self.redis, presence.TROUBLE, said)

    async def _say_present(self) -> None:
        if not await self.leader.keep():
            log.error("another_bot_took_over", doing="stopping")
            self.loop.create_task(self.close())  # which cancels this task
            await asyncio.Event().wait()
        await presence.beat_async(self.redis, presence.BOT, str(self.user))

    async def get_context(self, origin: discord.Message | discord.Interaction, /, **options: Any) -> Any:
        """With our `PatientContext`, and without discord.py's errors about unpaired quotation marks (`PlainWords`)."""
        options.setdefault("cls", PatientContext)
        received_at = time.monotonic()
        ctx = await super().get_context(origin, **options)
        ctx.received_at = received_at  # type: ignore[attr-defined]  # for `BotMetrics.replied`
        if isinstance(origin, discord.Message):
            ctx.view = PlainWords(ctx.view)
        return ctx

    async def on_error(self, event_method: str, /, *_args: Any, **_kwargs: Any) -> None:
        """Log a listener's error, without a traceback if it is transient."""
        error = sys.exc_info()[1]
        if error is not None and is_transient(error):
            log.warning("listener_interrupted", listener=event_method, error=type(error).__name__)
        else:
            log.exception("listener_failed", listener=event_method)


async def _prefixes(bot: Galvanic, message: discord.Message) -> list[str]:
    return [*commands.when_mentioned(bot, message), await bot.prefix(message.guild)]
