"""The card of one training: what it shows, and how it is kept current until the end."""

import asyncio
import dataclasses
import io
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

import discord
import structlog
from redis.exceptions import RedisError

from bot.background import is_transient, unless_refused, wait_for
from bot.channels.sources import Sources
from bot.components import button, view
from bot.core import Core
from bot.errors import is_gone
from bot.jobs.client import card_nonce
from bot.models.audience import Audience
from bot.models.registry import Registry
from bot.train import embeds
from bot.train.state import TrainingState
from bot.words import NOBODY
from shared.connect import takes_nothing
from shared.events import Failed
from shared.jobs import LOSS_FILE, TRAIN_QUEUE, TrainJob

EDIT_EVERY_S = 2.0  # the shortest time between two edits of a card; Discord takes about one a second in a channel
FRESH_AFTER_S = 55 * 60  # then a card goes on in a fresh message: Discord limits edits after an hour (30046)
LOOK_AGAIN_S = 2.0  # without news: is its worker still there?
RENEW_EVERY_S = 3_600.0  # what is kept of a training expires a month after it was last renewed
RETRY_S = 5.0
UNKNOWN_AFTER_S = 30.0  # a waiting training that Redis does not know is given up then
LOST_AFTER_S = 600.0  # one that had begun, that Redis does not know and no worker tells of, is given up then
Place = Literal["channel", "nowhere", "done"]
"""A card's place: its channel; nowhere if that was deleted, until the owner is told of the end; done after the end."""

log = structlog.get_logger()


@dataclass(frozen=True)
class TrainingCards:
    """The cards of all trainings, with what they show besides their trainings' events."""

    core: Core
    registry: Registry
    audience: Audience
    sources: Sources
    reading: Callable[[TrainJob], Awaitable[discord.Embed | None]]  # how far its channel is read; None: it is

    async def keep(self, job: TrainJob, card: tuple[int, int] | None, news: asyncio.Event) -> None:
        await LiveCard(self, job, card, news).keep()

    async def samples_stand(self, job: TrainJob) -> bool:
        """Return whether no words were withdrawn that a training may have learned. Raises redis.RedisError."""
        return job.is_unread or not await self.registry.is_withdrawn(job.readings)

    async def embed(self, job: TrainJob, state: TrainingState) -> discord.Embed:
        """Draw a card. Of a private training it shows no names or samples. Raises redis.RedisError."""
        if job.is_private and state.finished is not None:
            return embeds.finished_privately(job)
        if not state.over and (reading := await self.reading(job)) is not None:
            return reading
        guild_id = job.place.guild_id
        kept = await self.registry.kept(job.place) if state.finished is not None else None
        shown = embeds.CardContext(
            prefix=await self.core.servers.prefix(guild_id),
            fit=await self.core.fit(guild_id),
            quotable=not job.is_private
            and self.audience.may_quote(job, job.place.channel_ids)
            and await self.samples_stand(job),
            ended_by=await self.sources.why_not(job) if state.state == "cancelled" else "",
            kept=kept.name if kept is not None else None,
        )
        if job.is_private:
            job = job.model_copy(update={"parent": None})
        if state.over:
            return embeds.training(job, state, shown)
        snapshot = await self.core.snapshots.look()
        if state.state == "queued" and snapshot.of(job.job_id) is None:  # it was entered a moment ago
            snapshot = await self.core.snapshots.look(now=True)
        queued = snapshot.of(job.job_id)
        shown = dataclasses.replace(
            shown,
            worker_there=await self.core.jobs.has_worker(TRAIN_QUEUE),
            place=queued.place if queued is not None else None,
            waiting=snapshot.waiting,
            begins=queued.begins if queued is not None else None,
            most_minutes=self.core.settings.train_max_minutes,
            control=await self.core.jobs.control(job.job_id),
        )
        return embeds.training(job, state, shown)


def buttons_of(job: TrainJob, state: TrainingState) -> discord.ui.View | None:
    """The buttons under a card: of a training that goes on, or of the model that it made."""
    samples = button("samples", job.job_id, label="Samples")
    if state.finished is not None and job.is_private:
        return view(samples)
    if state.finished is not None:
        model = state.finished.model
        of_channel = model.corpus is not None and model.corpus.reading is not None
        return view(
            button("write", model.model_id, label="Generate", style=discord.ButtonStyle.primary),
            button("more", model.model_id, label="Train more"),
            button("use", model.model_id, label="Use here"),
            samples,
            *([button("update", model.model_id, label="Learn new messages")] if of_channel else ()),
        )
    finish = button("finish", job.job_id, label="Finish now", style=discord.ButtonStyle.primary)
    cancel = button("cancel", job.job_id, label="Cancel", style=discord.ButtonStyle.danger)
    if state.over:
        return None
    return view(cancel) if job.is_unread else view(finish, cancel, samples)


class LiveCard:
    """The card of one training, at `where` (channel id, message id; None: there is none yet); `news` wakes it."""

    def __init__(self, cards: TrainingCards, job: TrainJob, where: tuple[int, int] | None, news: asyncio.Event) -> None:
        self._cards = cards
        self._jobs = cards.core.jobs
        self._job = job
        self._where = where
        self._news = news
        self._state = TrainingState()
        self._cursor = "0"
        self._shown: Any = None
        self._edited = self._renewed = float("-inf")
        self._place: Place = "channel"
        self._stuck_since: float | None = None
        self._recorded: tuple[int, int] | None = None  # where Redis knows the card to be

    async def keep(self) -> None:
        """Show every change until the end has been shown; no trouble on the way ends it."""
        full = False
        while self._place != "done":
            self._news.clear()
            wait_s = RETRY_S
            try:
                wait_s = await self._show()
                full = False
            except RedisError as error:
                log.warning("redis_unreachable", error=type(error).__name__)
                self._stuck_since = None  # its worker could not say either that it is there
                full = full or takes_nothing(error, self._cards.core.settings)  # silent afterwards, it is no less full
                await self._show_outage(embeds.outage(self._job, full=full))
            except Exception as error:  # a card that stands still for good would be worse than one that is late
                if is_transient(error):
                    log.warning("discord_unreachable", error=type(error).__name__)
                else:
                    log.exception("card_not_updated")
                    wait_s = 6 * RETRY_S
            if wait_s == LOOK_AGAIN_S:
                await wait_for(self._news, wait_s)
            else:
                await asyncio.sleep(max(wait_s, 0.05))

    async def _show(self) -> float:
        """Show what is new, if it is time to; return the seconds until the next look."""
        await self._record()
        await self._read()
        unasked = self._job.is_private and self._job.replaces is not None  # a member's own model is made again
        if unasked or self._place == "nowhere":
            if not self._state.over:
                return LOOK_AGAIN_S
            if not unasked:
                await self._tell_owner()
            self._place = "done"
            return 0.0
        guild = self._cards.core.bot.get_guild(self._job.place.guild_id)
        if self._state.over and guild is not None and guild.unavailable:
            return LOOK_AGAIN_S  # nobody can tell now who may see what, and the end is drawn once
        embed = await self._cards.embed(self._job, self._state)
        if embed.to_dict() == self._shown:
            return LOOK_AGAIN_S
        wait_s = self._edited + EDIT_EVERY_S - time.monotonic()
        return wait_s if wait_s > 0 else await self._put(embed)

    async def _record(self) -> None:
        """Store in Redis where the card is: the next run of the bot goes on with it."""
        if self._where is not None and self._where != self._recorded:
            await self._jobs.set_card(self._job.job_id, self._where)
            self._recorded = self._where

    async def _read(self) -> None:
        for entry, event in await self._jobs.events(self._job.job_id, self._cursor):
            self._state = self._state.after(event)
            self._cursor, self._stuck_since = entry, None
        if self._state.finished is not None:
            await self._cards.registry.use_new(self._job, self._state.finished.model.model_id)
        if self._job.is_unread and (stored := await self._jobs.load(self._job.job_id)) is not None:
            assert isinstance(stored.job, TrainJob)
            self._job = stored.job
        if not self._state.over:
            await self._give_up_if_unknown()
            if time.monotonic() - self._renewed > RENEW_EVERY_S:
                await self._jobs.renew(self._job.job_id)
                self._renewed = time.monotonic()

    async def _give_up_if_unknown(self) -> None:
        """End the training if Redis knows nothing of it any more, as after a loss of its data."""
        if (await self._cards.core.snapshots.look()).of(self._job.job_id) is not None:
            self._stuck_since = None
            return
        now = time.monotonic()
        self._stuck_since = self._stuck_since or now
        patience_s = UNKNOWN_AFTER_S if self._state.state == "queued" else LOST_AFTER_S
        if now - self._stuck_since > patience_s and await self._jobs.load(self._job.job_id) is None:
            log.error("training_lost")
            lost = Failed(problem="My memory (Redis) has lost this training.", remedy="Run the command again.")
            self._state = self._state.after(lost)

    async def _put(self, embed: discord.Embed) -> float:
        """Show the card, and return the seconds until the next look.

        An end that Discord refuses goes to the owner alone. A training that somebody asked for ends if Discord refuses
        its first card. If the channel was deleted, it ends, too: with the best so far if its model may be used
        elsewhere. Raises what is no refusal.
        """
        job, refused = self._job, False
        try:
            await self._post(embed)
        except discord.HTTPException as error:
            log.warning("card_refused", status=error.status, code=error.code)
            if is_transient(error):
                raise
            refused = True
            if is_gone(error):
                self._place = "nowhere"
            elif self._where is None and job.replaces is None and not self._state.over:
                hidden = Failed(
                    problem="Discord doesn't let me show this training where you asked for it, so I ended it.",
                    remedy="Let me write there, and run the command again.",
                )
                if await self._jobs.give_up(job, hidden, "failed"):
                    self._state = self._state.after(hidden)
        if self._state.over:
            if refused or (job.is_private and self._state.finished is not None):
                await self._tell_owner()
            self._place = "done"
            return 0.0
        if self._place == "nowhere":
            kept = self._state.has_learned and job.scope == "guild"
            await (self._jobs.finish(job.job_id) if kept else self._jobs.cancel(job.job_id))
            log.info("training_ended_with_its_channel", kept=kept)
        elif refused:
            return 12 * RETRY_S
        self._shown, self._edited = embed.to_dict(), time.monotonic()
        await self._record()
        return LOOK_AGAIN_S

    async def _post(self, embed: discord.Embed) -> None:
        """Edit the card, or post a new one where there is none to edit, or it is too old for that."""
        place, at = self._job.place, self._where
        buttons, files = buttons_of(self._job, self._state), list[discord.File]()
        if self._state.finished is not None and not self._job.is_private:  # the chart has the model's name
            chart = await self._jobs.artifact(self._job.job_id, LOSS_FILE)
            files = [discord.File(io.BytesIO(chart), LOSS_FILE)] if chart is not None else []
        channel = self._cards.core.bot.get_partial_messageable(place.channel_id, guild_id=place.guild_id)
        old = channel.get_partial_message(at[1]) if at is not None else None
        if old is not None and time.time() - old.created_at.timestamp() < FRESH_AFTER_S:
            try:
                await old.edit(embed=embed, view=buttons, attachments=files, allowed_mentions=NOBODY)
                return
            except discord.NotFound as error:
                if is_transient(error):
                    raise
                log.info("card_was_deleted")
                old = None
            for file in files:
                file.reset(seek=True)
        # The nonce keeps a message from being posted twice, but a card that was deleted must be posted again.
        nonce = card_nonce(self._job.job_id, at[1] if at is not None else 0)
        options: dict[str, Any] = {"view": buttons} if buttons is not None else {}
        message = await channel.send(embed=embed, files=files, nonce=nonce, **options)
        self._where = (place.channel_id, message.id)
        if old is not None:
            with unless_refused(log.warning, "old_card_not_removed"):
                await old.delete()

    async def _show_outage(self, embed: discord.Embed) -> None:
        """Say on the card that the queue is away, if there is a card to edit."""
        due = time.monotonic() - self._edited >= EDIT_EVERY_S
        if not due or self._place != "channel" or self._where is None or embed.to_dict() == self._shown:
            return
        channel_id, message_id = self._where
        message = self._cards.core.bot.get_partial_messageable(channel_id).get_partial_message(message_id)
        with unless_refused(log.warning, "card_not_edited"):
            await message.edit(embed=embed, allowed_mentions=NOBODY)
            self._shown, self._edited = embed.to_dict(), time.monotonic()

    async def _tell_owner(self) -> None:
        """Tell the person who asked how it ended, in a direct message, unless Discord lets nobody send them any."""
        prefix = await self._cards.core.servers.prefix(self._job.place.guild_id)
        embed = embeds.direct_end(self._job, self._state, prefix, channel_gone=self._place == "nowhere")
        try:
            owner = await self._cards.core.bot.fetch_user(self._job.place.user_id)
            await owner.send(embed=embed, nonce=self._job.job_id)
        except discord.HTTPException as error:
            if is_transient(error):
                raise  # tried again: it is the only word that they get
            log.warning("end_not_told", status=error.status, code=error.code)
