"""Begins trainings, whoever asks: a command, or a button under an earlier one's card."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from bot import cards
from bot.failures import AWAY, passing
from bot.jobs.queue import TRAINING, card_nonce
from bot.servers.actor import Actor
from bot.train import options as train_options
from bot.train.texts import text_again
from bot.types import Send
from shared import corpora
from shared.corpora import Corpus
from shared.errors import UserError
from shared.jobs import CorpusInfo, TrainJob, TrainOptions
from shared.logging import job_context
from shared.models import ModelRecord
from shared.units import MEGABYTE

if TYPE_CHECKING:
    from bot.client import Galvanic

log = structlog.get_logger()

TASTE_MINUTES = 2.0
"""How long a newcomer's first training takes at most."""


@dataclass(frozen=True)
class TrainRequest:
    """What is to be learned, and how.

    Attributes:
        corpus: the text; of a channel's messages, which lie in Redis already, only what is known of them.
        parent: the model to start from; None: a new model.
    """

    corpus: Corpus | CorpusInfo
    options: TrainOptions
    parent: ModelRecord | None = None

    @property
    def info(self) -> CorpusInfo:
        """What is known of the text."""
        return self.corpus.info if isinstance(self.corpus, Corpus) else self.corpus

    @property
    def text(self) -> str | None:
        """Its words; None: they lie in Redis already."""
        return self.corpus.text if isinstance(self.corpus, Corpus) else None


async def begin(
    bot: Galvanic,
    who: Actor,
    prepare: Callable[[], Awaitable[TrainRequest]],
    send: Send,
    *,
    by_message: bool = False,
) -> None:
    """Check who may, get the text, send the training on its way, and post its card.

    A request that is refused or fails costs no cooldown.

    Args:
        bot: the bot.
        who: who asks, and where.
        prepare: gets the text; called once all is well so far, for it may take long.
        send: a `send` of discord.py's, for the card.
        by_message: `send` takes a nonce, by which Discord posts a card once.

    Raises:
        UserError: they may not, not here, or not yet; or what `prepare` refuses; or Discord is in trouble, and the
            answer to an interaction, which is not sent again, says that the card comes later.
        redis.RedisError, kombu.exceptions.OperationalError: Redis cannot be reached; nothing was begun.
        discord.HTTPException: Discord refuses the card; nothing was begun.
    """
    job_id = f"{TRAINING}{who.request_id}"
    if await bot.queue.load(job_id) is not None:
        return  # Discord delivered this request before
    async with admitted(bot, who):
        request = await prepare()
        parent = request.parent
        job = TrainJob(
            job_id=job_id,
            place=who.place,
            corpus=request.info,
            options=request.options,
            parent=parent.ref if parent is not None else None,
            parent_transcripts=parent.transcripts if parent is not None else None,
        )
        if parent is not None:
            await require_current(bot, parent)
        if by_message:
            send = functools.partial(send, nonce=card_nonce(job_id))
        if not await _submit(bot, who, job, request.text, send) and not by_message:
            raise UserError(
                "Discord didn't take the card of your training.",
                "The training goes on all the same: its card comes as soon as Discord takes it.",
            )


@asynccontextmanager
async def admitted(bot: Galvanic, who: Actor) -> AsyncIterator[None]:
    """For what begins a training: who may, within the quotas and the person's cooldown.

    Raises:
        UserError: they may not, not here, or not yet.
    """
    await bot.access.require("train", who.user, who.channel)
    await _require_room(bot, who)
    wait = bot.settings.train_cooldown_s
    async with bot.cooldowns.spend("train", who.guild_id, who.user.id, wait, request=who.request_id):
        yield


async def more(bot: Galvanic, who: Actor, model_id: str) -> TrainRequest:
    """What "Train more" under a finished card asks for: the model's own text once more, for as long as before.

    Raises:
        UserError: the model is gone or may not be used here, or its text is not to be had any more.
    """
    parent = await bot.registry.by_id(who.guild_id, who.here, model_id)
    options = train_options.again(parent, bot.settings)
    prefix = await bot.guild_settings.prefix(who.guild_id)
    corpus = await text_again(
        parent, bot.queue, bot.transcripts, bot.settings, keep_licence=options.keep_licence, prefix=prefix
    )
    name = await bot.registry.next_name(who.guild_id, who.here, parent)
    return TrainRequest(corpus, options.model_copy(update={"name": name}), parent)


async def taste(bot: Galvanic) -> TrainRequest:
    """What a newcomer begins with: some minutes of *Frankenstein*, or of a text that is here if it can't be fetched.

    Raises:
        UserError: neither can be had.
    """
    minutes = min(TASTE_MINUTES, bot.settings.train_max_minutes)
    try:
        corpus = await corpora.resolve("frankenstein", bot.settings)
    except UserError as error:
        log.info("book_not_fetched", reason=error.problem)
        corpus = await corpora.resolve("python-docs", bot.settings)
    return TrainRequest(corpus, TrainOptions(minutes=minutes))


async def require_current(bot: Galvanic, model: ModelRecord) -> None:
    """Refuse to go on from a model that learned words which were withdrawn since.

    Raises:
        UserError: it did.
    """
    revisions = await bot.transcripts.revisions([ref.transcript_id for ref in model.transcripts])
    if model.is_stale(revisions):
        raise UserError(
            f"`{model.name}` learned from words that were withdrawn since, so it isn't trained further.",
            "It is being made again without them.",
        )


async def _submit(bot: Galvanic, who: Actor, job: TrainJob, text: str | None, send: Send) -> bool:
    """Enter the job first: a bot that dies in between posts the card after its next start.

    A card that was posted before would say "Queued" for ever. So would one that Discord took although it said
    nothing, if the job were taken back: while it is in trouble, the job stays and delivery posts the card.

    Returns:
        False when delivery has to do that.
    """
    limits = await _limits(bot, who.guild_id)
    place = job.place
    context = job_context(job.job_id, guild_id=place.guild_id, channel_id=place.channel_id)
    with context, bot.delivery.reserved(job.job_id) as ours:
        entry = await bot.queue.submit_train(job, text, None, limits) if ours else "known"
        if entry == "known":
            return True
        if entry != "entered":  # another one was entered since the first look
            raise await _no_room(bot, who, entry == "user")
        try:
            message = await bot.training_cards.post(job, send)
        except Exception as error:
            if bot.is_closed():
                log.info("card_left_to_the_next_start", job_id=job.job_id, error=type(error).__name__)
                return True
            if not passing(error) or isinstance(error, AWAY):
                await bot.queue.retract(job.job_id)
                raise
            log.warning("card_put_off", job_id=job.job_id, error=type(error).__name__)
            bot.delivery.follow(job, None)
            return False
        bot.delivery.follow(job, (message.channel.id, message.id))
        return True


async def _limits(bot: Galvanic, guild_id: int) -> tuple[int, int]:
    own = await bot.guild_settings.get(guild_id)
    return bot.guild_settings.jobs_per_user(own), bot.guild_settings.jobs_per_server(own)


async def _require_room(bot: Galvanic, who: Actor) -> None:
    """Refuse early what the quotas would refuse: of trainings at once, and of the models' disk space.

    Raises:
        UserError: says when to try again, or what to do.
    """
    own = await bot.guild_settings.get(who.guild_id)
    outlook = await bot.outlook.look(now=True)
    for_one, for_all = await _limits(bot, who.guild_id)
    if outlook.count(who.guild_id, who.user.id) >= for_one:
        raise await _no_room(bot, who, True)
    if outlook.count(who.guild_id) >= for_all:
        raise await _no_room(bot, who, False)
    limit_mb = bot.guild_settings.disk_mb(own)
    taken = await bot.registry.stored_bytes(who.guild_id)
    if taken >= limit_mb * MEGABYTE:
        prefix = await bot.guild_settings.prefix(who.guild_id)
        raise UserError(
            f"This server's models take {taken / MEGABYTE:,.1f} MB, and {limit_mb:,.0f} MB is the most.",
            f"Delete one you no longer need with `{prefix}model delete NAME`; `{prefix}models` lists them.",
        )


async def _no_room(bot: Galvanic, who: Actor, of_user: bool) -> UserError:
    """Why there is no room for another training, and when to try again."""
    outlook = await bot.outlook.look(now=True)
    for_one, for_all = await _limits(bot, who.guild_id)
    if of_user:
        problem = (
            f"You already have {cards.count(for_one, 'training')} waiting or running here, "
            "the most one person may have."
        )
        first = outlook.first_to_end(who.guild_id, who.user.id)
    else:
        problem = (
            f"This server already has {cards.count(for_all, 'training')} waiting or running, the most it may have."
        )
        first = outlook.first_to_end(who.guild_id)
    if first is None or first.ends is None:
        return UserError(problem, "Try again when one of them has ended.")
    return UserError(problem, f"Try again in {cards.span(first.ends)}: `{first.job.job_id}` ends first.")
