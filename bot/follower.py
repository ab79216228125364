"""Keeps each job's message current: reads the event streams and hands what they say to the cards.

One reader listens to the doorbell for all jobs; each followed job has a task that reads the job's own stream from
where it was, folds it into a view, and edits the card, at most every `card_interval_s`. After a restart every job
whose end was not shown is followed again from its first event: edits are idempotent, so nothing shows twice.
"""

from __future__ import annotations

import asyncio
import io
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import discord
import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError

from bot import cards
from bot.delivery import post_answer
from bot.jobview import JobView
from bot.views import job_buttons
from shared.events import TERMINAL, Event, Failed
from shared.jobs import TRAIN_QUEUE, Asked, DeleteJob, TrainJob
from shared.logging import job_context

if TYPE_CHECKING:
    from bot.client import Galvanic

LOOK_AGAIN_S = 2.0
"""How often a card without news is looked at: whether its worker is still there."""
RETRY_S = 5.0
FRESH_CARD_AFTER_S = 55 * 60
"""Edits of a message older than an hour have a small quota of their own (error 30046): a fresh card comes before."""
KEEP_TEXT_EVERY_S = 600
LATE_ANSWER_S = 3_600
"""An answer that the bot could not post for longer than this would only surprise people."""
TRANSIENT = (aiohttp.ClientError, OSError, discord.DiscordServerError, discord.RateLimited)

log = structlog.get_logger()


class Follower:
    """Follows jobs from their streams to their messages."""

    def __init__(self, bot: Galvanic) -> None:
        self._bot = bot
        self._queue = bot.queue
        self._bells: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._interval = bot.settings.card_interval_s

    def start(self) -> None:
        """Begin to listen, and take up the jobs of an earlier run."""
        self._spawn(self._listen())
        self._spawn(self._resume())

    async def stop(self) -> None:
        """End all tasks; what was not shown yet is shown after the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def follow(self, job: TrainJob, card: tuple[int, int] | None) -> None:
        """Keep the card (channel id, message id) of a training current until its end; None posts a fresh one."""
        if job.job_id not in self._bells:
            self._bells[job.job_id] = asyncio.Event()
            self._spawn(self._show(job, card))

    async def answer(self, job_id: str, timeout_s: float) -> Event | None:
        """Wait for the final event of a job.

        Returns:
            The event, or None when there was none in time, be it that Redis is away.
        """
        bell = self._bells.setdefault(job_id, asyncio.Event())
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    bell.clear()
                    try:
                        events = await self._queue.events(job_id, "0")
                    except RedisError as error:
                        log.warning("redis_unreachable", job_id=job_id, error=type(error).__name__)
                        await asyncio.sleep(1)
                        continue
                    for _, event in events:
                        if event.kind in TERMINAL:
                            return event
                    await bell.wait()
        except TimeoutError:
            return None
        finally:
            self._bells.pop(job_id, None)

    def _spawn(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("follower_task_failed", exc_info=error)

    async def _listen(self) -> None:
        position: str | None = None
        reachable = True
        while True:
            try:
                if position is None:
                    position = await self._queue.doorbell_position()
                    news = set(self._bells)  # whatever rang while nobody listened
                else:
                    position, news = await self._queue.listen(position)
                reachable = True
            except RedisError as error:
                if reachable:
                    log.warning("redis_unreachable", error=type(error).__name__)
                reachable, position = False, None
                await asyncio.sleep(1)
                continue
            for job_id in news:
                if bell := self._bells.get(job_id):
                    bell.set()

    async def _resume(self) -> None:
        while True:
            try:
                for job_id in await self._queue.undelivered():
                    await self._take_up(job_id)
                return
            except RedisError as error:
                log.warning("redis_unreachable", error=type(error).__name__)
                await asyncio.sleep(2)

    async def _take_up(self, job_id: str) -> None:
        try:
            stored = await self._queue.load(job_id)
            events = await self._queue.events(job_id, "0")
        except ValidationError as error:
            # Of another version of the bot, which may come back: left as it is, and the others go on.
            log.error("job_not_understood", job_id=job_id, fields=error.error_count())
            return
        if stored is None or not events or isinstance(stored.job, DeleteJob):
            await self._queue.delivered(job_id)
        elif isinstance(stored.job, TrainJob):
            self.follow(stored.job, stored.card)
        elif job_id not in self._bells:
            if time.time() - events[0][1].at < LATE_ANSWER_S:
                self._spawn(self._answer_late(stored.job))
            else:
                log.warning("answer_too_late", job_id=job_id)
                await self._queue.delivered(job_id)

    async def _answer_late(self, job: Asked) -> None:
        """Post the answer to a request whose asker was waiting when the bot went down."""
        event = await self.answer(job.job_id, self._bot.settings.generate_timeout_s)
        if event is None:
            event = Failed(problem="I was restarted before this was done.", remedy="Please ask again.")
        channel = self._bot.get_partial_messageable(job.place.channel_id, guild_id=job.place.guild_id)
        try:
            await post_answer(self._bot, channel.send, job, event, nonce=job.job_id)
        except discord.HTTPException as error:
            log.warning("answer_not_posted", job_id=job.job_id, status=error.status, code=error.code)
        await self._queue.delivered(job.job_id)

    async def _show(self, job: TrainJob, card: tuple[int, int] | None) -> None:
        with job_context(job.job_id, guild_id=job.place.guild_id, channel_id=job.place.channel_id):
            try:
                await _Card(self._bot, job, card, self._bells[job.job_id], self._interval).keep()
            finally:
                self._bells.pop(job.job_id, None)


class _Card:
    """The message of one training."""

    def __init__(
        self, bot: Galvanic, job: TrainJob, where: tuple[int, int] | None, bell: asyncio.Event, interval_s: float
    ) -> None:
        self._bot = bot
        self._queue = bot.queue
        self._job = job
        self._where = where
        self._bell = bell
        self._interval = interval_s
        self._view = JobView()
        self._cursor = "0"
        self._shown: Any = None
        # A card that was posted a moment ago has had its say for now.
        self._edited = time.monotonic() if where else float("-inf")
        self._text_kept = float("-inf")
        self._told = False

    async def keep(self) -> None:
        """Show every change until the end has been shown; no trouble on the way ends it."""
        while not self._told:
            self._bell.clear()
            try:
                wait = await self._update()
            except RedisError as error:
                log.warning("redis_unreachable", error=type(error).__name__)
                await self._say_outage()
                wait = RETRY_S
            except TRANSIENT as error:
                log.warning("discord_unreachable", error=type(error).__name__)
                wait = RETRY_S
            except Exception:  # a card that stands still for good would be worse than one that is late
                log.exception("card_not_updated")
                wait = 6 * RETRY_S
            await self._sleep(wait)

    async def _update(self) -> float:
        """Show what is new, if it is time to; the seconds until the next look."""
        embed = await self._render()
        if embed.to_dict() != self._shown:
            wait = self._edited + self._interval - time.monotonic()
            if wait > 0:
                return wait
            try:
                await self._put(embed)
            except discord.NotFound:
                log.warning("card_has_no_channel")
                self._told = True
            except discord.Forbidden:
                log.warning("card_forbidden")
                if not self._view.over:
                    return 12 * RETRY_S
                await self._tell_owner(embed)
            self._shown, self._edited = embed.to_dict(), time.monotonic()
        if self._view.over or self._told:
            await self._queue.delivered(self._job.job_id)
            self._told = True
        return LOOK_AGAIN_S

    async def _sleep(self, seconds: float) -> None:
        """Until something rings, or when an edit has to wait, until then."""
        if self._told:
            return
        if seconds != LOOK_AGAIN_S:
            await asyncio.sleep(max(seconds, 0.05))
            return
        try:
            async with asyncio.timeout(seconds):
                await self._bell.wait()
        except TimeoutError:
            return

    async def _render(self) -> discord.Embed:
        for entry, event in await self._queue.events(self._job.job_id, self._cursor):
            self._view.apply(event)
            self._cursor = entry
        if not self._view.over and time.monotonic() - self._text_kept > KEEP_TEXT_EVERY_S:
            await self._queue.keep_text(self._job)
            self._text_kept = time.monotonic()
        waiting = self._view.state == "queued"
        return cards.training(
            self._job,
            self._view,
            worker_there=await self._queue.has_worker(TRAIN_QUEUE),
            position=await self._queue.position(self._job.job_id) if waiting else None,
            prefix=self._bot.settings.command_prefix,
        )

    async def _put(self, embed: discord.Embed) -> None:
        """Edit the card, or post a fresh one where there is none to edit, or it is too old for that."""
        files = await self._files()
        buttons = None if self._view.over else job_buttons(self._job.job_id)
        place = self._job.place
        channel = self._bot.get_partial_messageable(place.channel_id, guild_id=place.guild_id)
        old = channel.get_partial_message(self._where[1]) if self._where is not None else None
        if old is not None and time.time() - old.created_at.timestamp() < FRESH_CARD_AFTER_S:
            try:
                await old.edit(embed=embed, view=buttons, attachments=files)
                return
            except discord.NotFound:
                log.info("card_was_deleted")
                old = None
            for file in files:
                file.reset(seek=True)
        # The nonce keeps a message from being posted twice, but a card that was deleted must be posted anew.
        nonce = f"{self._job.job_id}-{self._where[1] % 1_000 if self._where else 0}"[-25:]
        if buttons is None:
            message = await channel.send(embed=embed, files=files, nonce=nonce)
        else:
            message = await channel.send(embed=embed, files=files, view=buttons, nonce=nonce)
        self._where = (place.channel_id, message.id)
        await self._queue.set_card(self._job.job_id, self._where)
        if old is not None:
            try:
                await old.delete()
            except discord.HTTPException as error:
                log.warning("old_card_not_removed", status=error.status, code=error.code)

    async def _files(self) -> list[discord.File]:
        if self._view.state != "finished":
            return []
        chart = await self._queue.artifact(self._job.job_id, cards.LOSS_FILE)
        return [discord.File(io.BytesIO(chart), cards.LOSS_FILE)] if chart is not None else []

    async def _say_outage(self) -> None:
        """Tell on the card that the queue is away, if the card is there to edit."""
        embed = cards.outage(self._job)
        if self._where is None or embed.to_dict() == self._shown:
            return
        if time.monotonic() - self._edited < self._interval:
            return
        channel = self._bot.get_partial_messageable(self._where[0], guild_id=self._job.place.guild_id)
        try:
            await channel.get_partial_message(self._where[1]).edit(embed=embed)
            self._shown, self._edited = embed.to_dict(), time.monotonic()
        except (discord.HTTPException, *TRANSIENT) as error:
            log.warning("card_not_edited", error=type(error).__name__)

    async def _tell_owner(self, embed: discord.Embed) -> None:
        """The channel is closed to the bot: the person who asked gets the end as a direct message."""
        try:
            owner = await self._bot.fetch_user(self._job.place.user_id)
            await owner.send(embed=embed, files=await self._files())
        except discord.HTTPException as error:
            log.warning("end_not_told", status=error.status, code=error.code)
        self._told = True
