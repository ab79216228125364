"""The bot itself: its intents, its connections, and the parts that it is made of."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import sys
import time
from typing import Any

import aiohttp
import discord
import structlog
from discord.backoff import ExponentialBackoff
from discord.ext import commands
from redis.exceptions import RedisError

from bot import gateway, intents
from bot.admin import cog_general, cog_settings, metrics
from bot.background import Chores, Service, log_failed, redis_call, run_forever
from bot.channels import consent, held, importer, sources, store, watch, withdrawals
from bot.channels.cog import Privacy
from bot.components import Components
from bot.help import Help
from bot.jobs import admission, client, delivery, recovery, snapshot
from bot.leader import Leader
from bot.lock import AnotherBot, BotLock
from bot.models import audience, registry, removal, transfer
from bot.models.cog import Models
from bot.options import decoding
from bot.play import best, quiz
from bot.play.cog import Play
from bot.responder import PatientContext, Responder, Typing
from bot.servers import access
from bot.servers.settings import GuildSettingsStore
from bot.talk import personas, rooms, speaker
from bot.talk.cog import Speaks
from bot.train import card, cog, cog_jobs, learn, remake, start
from bot.words import replace_surrogates
from bot.write import cog_chat, cog_menus, conversation, generate
from bot.write.cog import Writing
from shared import keys, presence
from shared.connect import connect_async
from shared.jobs import Job, TrainJob
from shared.settings import Settings
from shared.version import DATA_VERSION, require_version, without_number

log = structlog.get_logger()


class Galvanic(commands.Bot):
    """Makes every service, hands each what it needs, and adds their cogs and actions."""

    def __init__(self, settings: Settings, lacks: frozenset[str] = frozenset()) -> None:
        """`lacks`: intents that Discord does not grant."""
        asked = intents.wanted(settings, lacks)
        self.settings = settings
        self.admission = admission.Admission(settings)
        metrics.TEXTS_WAITING.set_function(lambda: self.admission.waiting)
        self.answers = metrics.RecentAnswers()
        self.away_since: float | None = None  # when Discord or its gateway went away, monotonic
        gateway.prepare()
        trace = aiohttp.TraceConfig()
        gateway.Pacing(trace)
        super().__init__(
            command_prefix=_prefixes,
            intents=asked,
            allowed_mentions=discord.AllowedMentions.none(),
            help_command=None,
            tree_cls=decoding.Tree,
            case_insensitive=True,
            strip_after_prefix=True,
            # Nothing looks members up either, whatever the intents would let it know of them.
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            # Nothing looks old messages up: cards are found by their ids.
            max_messages=None,
            # Nothing needs to know every server before it begins; discord.py waits 2 s for one more.
            guild_ready_timeout=0.5,
            http_trace=trace,
        )
        self.tasks = Service()
        self.has_begun = False
        self.identifies = gateway.Identifies()
        self.redis = connect_async(settings)
        self.lock = BotLock(self.redis)
        self.overtaken = False  # another bot has the lock, so this one is closed
        self.leader = Leader(self.redis, self.lock)
        self.jobs = client.JobClient(settings, self.redis)
        self.recovery = recovery.Recovery(self.redis, self.jobs)
        self.guild_settings = servers = GuildSettingsStore(
            settings, self.redis, can_read_messages=asked.message_content
        )
        self.access = access.Access(settings, servers, self.redis)
        self.responder = Responder(self, settings, servers, self.access)
        self.components = Components(self.responder, self.access)
        self.snapshots = snapshot.Snapshots(self.redis, settings)
        self.consents = consents = consent.ConsentStore(settings, self.redis, self.leader)
        self.transcripts = texts = store.TranscriptStore(self.redis, self.leader)
        self.audience = audience.Audience(self, settings)
        self.registry = registry.Registry(self.redis, settings, servers, self.audience)
        self.removal = removal.Removal(self, self.registry, self.jobs, self.snapshots)
        self.chores, self.looks = Chores("words"), Chores("looking for changes")
        words = (self, consents, texts, self.registry, servers, self.chores)
        self.withdrawals = withdrawals.Withdrawals(*words, self.redis, stale=lambda: self.remaking.wake())
        self.holdings = held.Holdings(*words, settings, self.redis, self.snapshots)
        self.sources = sources.Sources(settings, self, servers, consents, self.audience)
        self.privacy = Privacy(*words, settings, self.access, self.sources, self.withdrawals, self.holdings)
        self.typing = Typing(self)
        self.importer = importer.Importer(*words, settings, self.sources, self.withdrawals, self.jobs, self.snapshots)
        self.training_cards = cards = card.TrainingCards(
            self, settings, servers, self.jobs, self.snapshots, self.registry, self.audience, self.importer.card
        )
        self.delivery = delivery.Delivery(
            self,
            self.jobs,
            settings,
            cards.keep,
            self.typing.shown,
            self.admission.written,
            self._job_delivered,
        )
        common = (self, settings, servers, self.access, self.jobs, self.delivery, self.registry)
        self.trainings = start.Trainings(*common, self.snapshots, self.training_cards, texts, self.importer)
        self.remaking = remake.Remaking(
            *common,
            self.redis,
            self.snapshots,
            self.audience,
            texts,
            self.sources,
            self.trainings.begin_again,
            before=(self.withdrawals.resume, self.holdings.resume),
            after=(self.withdrawals.close_done, lambda: self.learning.look()),
        )
        self.learning = learn.Learning(self.redis, self.trainings, self.remaking)
        self.training_control = cog_jobs.Jobs(self.training_cards)
        self.transfer = transfer.Transfer(*common)
        self.models = Models(*common, self.transfer, self.removal)
        self.generating = generate.Generating(*common, self.admission.queue_slot)
        self.chat = conversation.Conversation(self.generating, texts, consents)
        self.speaker = speaker.Speaker(self, self.generating, self.chat, rooms.Rooms(self.redis))
        self.personas = personas.Personas(self, self.generating, self.chat, self.speaker.rooms)
        self.quiz = quiz.Quiz(*common, self.redis, self.admission.queue_slot)
        self.add_check(self.access.check_allowed_channel, call_once=True)

    async def setup_hook(self) -> None:
        settings, servers = self.settings, self.guild_settings
        pages = Help(self, servers)
        panel = cog_settings.ServerSettings(servers, settings.command_prefix, self.registry.stored_bytes, self.speaker)
        writing = Writing(self.components.open, self.generating)
        menus = cog_menus.Menus(self, writing, self.holdings.forget_soon)
        chat = cog_chat.Chat(self, self.generating, self.chat)
        words = (self, self.consents, self.transcripts, self.registry, servers, self.chores)
        for one in (
            self.responder,
            cog_general.General(
                self,
                settings,
                self.redis,
                servers,
                pages,
                self.answers,
                self.snapshots,
                self.admission,
                functools.partial(gateway.sync, self.tree, self.redis),
            ),
            panel,
            cog.Training(self.trainings, self.sources, self.components, self.typing.shown),
            self.training_control,
            self.learning,
            writing,
            menus,
            chat,
            Speaks(self.speaker, self.personas, chat),
            Play(self.quiz, best.Best(self.generating, self.redis, self.audience)),
            self.models,
            watch.Watch(*words, self.withdrawals, self.looks, self.removal),
            self.privacy,
        ):
            await self.add_cog(one)
        for service in (
            self.trainings,
            self.training_control,
            self.models,
            self.transfer,
            self.generating,
            menus,
            self.quiz,
            panel,
            self.privacy,
        ):
            service.register(self.components)
        self.delivery.require_presenters()
        for name in ("help", "help-more"):
            self.components.add(name, pages.turn, who="anybody", how="help")
        self.add_dynamic_items(self.components.item())
        await gateway.sync_if_changed(self.tree, self.redis)

    async def connect(self, *, reconnect: bool = True) -> None:
        """Unlike discord.py's, tries again after a first connection that failed, which has no session to resume."""
        self.jobs.start()
        self.recovery.start()
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
        self.away_since = None
        metrics.CONNECTED.set(1)

    on_resumed = on_connect

    async def on_disconnect(self) -> None:
        self.miss_discord()

    def miss_discord(self) -> None:
        """Note that Discord, or its gateway, cannot be reached."""
        self.away_since = self.away_since or time.monotonic()
        metrics.CONNECTED.set(0)

    async def on_ready(self) -> None:
        if self.has_begun:
            return
        self.has_begun = True
        for one in (self.chores, self.looks, self.delivery, self.importer, self.remaking, self.quiz):
            one.start()
        beat_s = presence.BEAT_S
        self.tasks.spawn(run_forever("presence", self._say_present, every_s=beat_s, retry_at_most_s=beat_s))
        # What a start leaves behind is never freed; each full collection of it held up answers for 23 ms.
        gc.collect()
        gc.freeze()
        log.info("ready", guilds=len(self.guilds))

    def _job_delivered(self, job: Job, seconds: float | None) -> None:
        if seconds is not None:
            self.answers.add(job.kind, seconds)
        if isinstance(job, TrainJob) and job.replaces is not None:
            self.remaking.wake()

    async def process_commands(self, message: discord.Message) -> None:
        """Run a message's command; other words to the bot go to the chat."""
        if message.author.bot or message.webhook_id is not None:
            return
        message.content = replace_surrogates(message.content)
        ctx: commands.Context[Galvanic] = await self.get_context(message)
        words = decoding.to_bot(message, self.user.id) if ctx.command is None and self.user else None
        if ctx.command is None and (called := await self.personas.called(message)) is not None:
            self.dispatch("called", ctx, *called)
        elif words is not None:
            self.dispatch("addressed", ctx, words)
        else:
            await self.invoke(ctx)

    def dispatch(self, event_name: str, /, *args: Any, **kwargs: Any) -> None:
        """Call the listeners of an event, unless the bot is closed: there is no loop then that they could run in."""
        if not self.is_closed():
            super().dispatch(event_name, *args, **kwargs)

    async def close(self) -> None:
        for one in (
            self.tasks,
            self.speaker,
            self.personas,
            self.quiz,
            self.remaking,
            self.importer,
            self.chores,
            self.looks,
            self.recovery,
            self.delivery,
            self.jobs,
        ):
            await one.stop()
        await super().close()
        with contextlib.suppress(RedisError):
            await self.delivery.note_delivered()  # what was posted while the others were being stopped
        await self.lock.leave()
        await self.redis.aclose()

    async def _has_data(self) -> bool:
        for family in (keys.model("*"), keys.guild_settings("*"), keys.guild_models("*"), keys.job("*")):
            async for _ in self.redis.scan_iter(match=family, count=1_000):
                return True
        return False

    async def require_version(self) -> None:
        """Write the number of the data into an empty Redis, or check it; not while Redis is away.

        Raises OtherVersion.
        """
        try:
            number = await redis_call(self.redis.get(keys.VERSION))
            if number is None and await self._has_data():
                raise without_number()
            written = self.redis.set(keys.VERSION, DATA_VERSION, nx=True, get=True)
            require_version(await redis_call(written))
        except RedisError as error:
            log.warning("version_not_checked", error=type(error).__name__)

    async def tell_trouble(self) -> None:
        """Say in Redis, for `make run` to show, that Discord cannot be reached, or what it does not grant."""
        since, said = self.away_since, intents.missing(self, self.settings)
        if since is not None and time.monotonic() - since > gateway.AWAY_S:
            said = gateway.AWAY
        if said is not None:
            await presence.beat_async(self.redis, presence.TROUBLE, said)

    async def keep_lock(self) -> None:
        """Renew the lock; if another bot has it, close this one. Raises redis.RedisError."""
        try:
            await self.lock.keep()
        except AnotherBot:
            self.overtaken = True
            self.loop.create_task(self.close())  # which cancels this task
            await asyncio.Event().wait()

    async def _say_present(self) -> None:
        await presence.beat_async(self.redis, presence.BOT, str(self.user))
        # A Redis that lost its data meanwhile has no number, and the next start would refuse what was written since.
        await redis_call(self.redis.set(keys.VERSION, DATA_VERSION, nx=True))

    async def get_context(self, origin: discord.Message | discord.Interaction, /, **options: Any) -> Any:
        """With our `PatientContext`, and without discord.py's errors about unpaired quotation marks (`PlainWords`)."""
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
    guild_id = message.guild.id if message.guild is not None else None
    return [*commands.when_mentioned(bot, message), await bot.guild_settings.prefix(guild_id)]
