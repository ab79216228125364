"""Keeps each job's message current: reads the event streams and hands what they say to the cards.

One reader listens to the doorbell for all jobs; each followed job has a task that reads the job's own stream from
where it was, folds it into a view, and edits the card, at most every `card_interval_s`. After a restart every job
whose end was not shown is followed again from its first event: edits are idempotent, so nothing shows twice. The same
is looked for every minute: a bot that led before this one may have entered a job when it had lost the lead already.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import discord
import structlog
from redis.exceptions import RedisError

from bot import cards, failures, tasks
from bot.answers.post import post_answer, posting, too_slow
from bot.answers.problems import post_error
from bot.commands.context import addressed
from bot.escape import NOBODY
from bot.failures import AWAY, TRANSIENT, passing
from bot.jobs.jobview import JobView
from bot.jobs.live_card import LiveCard, buttons_of, card_context
from bot.jobs.queue import TRAINING
from bot.jobs.understanding import NotUnderstood
from bot.types import Send
from shared.errors import UserError
from shared.events import TERMINAL, Event, Failed
from shared.jobs import Asked, DeleteJob, Place, TrainJob
from shared.logging import job_context

if TYPE_CHECKING:
    from bot.client import Galvanic

LATE_ANSWER_S = 3_600
"""An answer that is older than this is dropped: people no longer expect it."""

_LOST_S = 4.0
"""A job without news for so long may have been lost with its worker, so somebody looks."""
_MOST_AGAIN = 2
_RETRY_S = 5.0
_RETRY_AT_MOST_S = 60.0
_LOOK_AGAIN_S = 60.0
"""Between two looks for jobs that nobody follows."""

log = structlog.get_logger()


class Follower:
    """Follows jobs from their streams to their messages."""

    def __init__(self, bot: Galvanic) -> None:
        self._bot = bot
        self._queue = bot.queue
        self._bells: dict[str, set[asyncio.Event]] = {}
        self._followed: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._own: set[str] = set()
        self._late: set[str] = set()
        self._delivered: set[str] = set()
        self._foreign: set[str] = set()
        self._any_delivered = asyncio.Event()
        self._stopped = False

    def start(self) -> None:
        """Begin to listen, and take up the jobs of an earlier run."""
        self._spawn(self._listen())
        self._spawn(self._resume())
        self._spawn(self._look_again())
        self._spawn(self._keep_noting())

    async def stop(self) -> None:
        """End all tasks; what was not shown yet is shown after the next start."""
        self._stopped = True
        await tasks.end(*self._tasks)

    @contextmanager
    def reserved(self, job_id: str) -> Iterator[bool]:
        """While a job is entered and shown by whoever asked for it: the bot's start must not take it for an old one.

        Gives False if somebody does that already: Discord delivered the request twice.
        """
        if job_id in self._own:
            yield False
            return
        self._own.add(job_id)
        try:
            yield True
        finally:
            self._own.discard(job_id)

    async def post(self, job: TrainJob, send: Send) -> discord.Message:
        """Post the first card of a training that was entered.

        Raises:
            redis.RedisError: Redis cannot be reached; there is no card then.
        """
        view = JobView()
        embed = cards.training(job, view, await card_context(self._bot, job, view))
        message: discord.Message = await send(embed=embed, view=buttons_of(job, view))
        return message

    def follow(self, job: TrainJob, card: tuple[int, int] | None) -> None:
        """Keep the card (channel id, message id) of a training current until its end; None posts a fresh one."""
        if job.job_id not in self._followed:
            self._followed.add(job.job_id)
            self._spawn(self._show(job, card))

    async def answer(self, job_id: str, timeout_s: float) -> Event | None:
        """Wait for the final event of a job.

        Returns:
            The event, or None when there was none in time: then the job is given up, and comes about no more.

        Raises:
            redis.RedisError: Redis could not be asked at last, so that there may be one.
        """
        away: list[RedisError] = []
        try:
            with self._bell(job_id) as bell:
                async with asyncio.timeout(timeout_s):
                    return await self._end(job_id, bell, away)
        except TimeoutError:
            if away:
                raise away[-1] from None
            if await self._queue.give_up(job_id):
                return None
            ends = [event for _, event in await self._queue.events(job_id, "0") if event.kind in TERMINAL]
            return ends[-1] if ends else None

    async def _end(self, job_id: str, bell: asyncio.Event, away: list[RedisError]) -> Event:
        """The final event of a job. `away`: gets why Redis cannot be asked, and loses it when it can."""
        again = 0
        while True:
            bell.clear()
            try:
                events = await self._queue.events(job_id, "0")
                away.clear()
            except RedisError as error:
                away[:] = [error]
                log.warning("redis_unreachable", job_id=job_id, error=type(error).__name__)
                await asyncio.sleep(1)
                continue
            for _, event in events:
                if event.kind in TERMINAL:
                    return event
            try:
                async with asyncio.timeout(_LOST_S):
                    await bell.wait()
            except TimeoutError:
                again += await self._ask_again(job_id, again)

    async def _ask_again(self, job_id: str, again: int) -> bool:
        """Have a job done by another worker if that which had it was killed; whether it was sent."""
        try:
            if again >= _MOST_AGAIN or not await self._queue.is_lost(job_id):
                return False
            log.warning("asked_again", job_id=job_id)
            await self._queue.ask_again(job_id)
        except AWAY as error:
            log.warning("redis_unreachable", job_id=job_id, error=type(error).__name__)
            return False
        return True

    @contextmanager
    def _bell(self, job_id: str) -> Iterator[asyncio.Event]:
        """What rings when there is news of a job. Each who waits for it has their own."""
        bell = asyncio.Event()
        self._bells.setdefault(job_id, set()).add(bell)
        try:
            yield bell
        finally:
            self._bells[job_id].discard(bell)
            if not self._bells[job_id]:
                del self._bells[job_id]

    def answer_later(self, job: Asked, event: Event | None = None) -> None:
        """Post the answer to a job as soon as Discord and Redis are well again, be it after the next start.

        Args:
            job: what was asked for.
            event: how it ended; None: that has to be asked.
        """
        if job.job_id not in self._late and not self._stopped:
            self._late.add(job.job_id)
            # Whoever asked for one of this run reserves it.
            otherwise = too_slow() if job.job_id in self._own else _restarted()
            self._spawn(self._answer_late(job, event, otherwise))

    def delivered(self, job_id: str) -> None:
        """Somebody has seen how a job ended. Redis is told in the background, again and again while it is away."""
        log.info("job_delivered", job_id=job_id)
        self._delivered.add(job_id)
        self._any_delivered.set()

    async def note_delivered(self) -> bool:
        """Tell Redis now what `delivered` was told; False: it does not take it, and it is kept for the next time."""
        self._any_delivered.clear()
        if not (job_ids := sorted(self._delivered)):
            return True
        try:
            await self._queue.delivered(*job_ids)
            self._delivered.difference_update(job_ids)
        except RedisError as error:
            self._any_delivered.set()
            log.warning("redis_unreachable", error=type(error).__name__, undelivered=len(job_ids))
            return False
        return True

    async def _keep_noting(self) -> None:
        while True:
            await self._any_delivered.wait()
            if not await self.note_delivered():
                await asyncio.sleep(_RETRY_S)

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
                    news = set(self._bells)  # they may have rung while nobody listened
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
                for bell in self._bells.get(job_id, ()):
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

    async def _look_again(self) -> None:
        """Take up what nobody follows, as at the start, again and again.

        Only what was there at the look before, too: what is just being entered, answered or taken back is somebody's.
        """
        before: set[str] = set()
        while True:
            await asyncio.sleep(_LOOK_AGAIN_S)
            try:
                found = set(await self._queue.undelivered())
                for job_id in sorted(found & before - self._foreign):
                    await self._take_up(job_id)
                before = found
            except RedisError as error:
                log.warning("redis_unreachable", error=type(error).__name__)

    async def _take_up(self, job_id: str) -> None:
        if job_id in self._late | self._delivered | self._followed | self._own:
            return  # by this run: before Redis went away in the midst of all this, or since it was asked for
        try:
            stored = await self._queue.load(job_id)
            entered_at = await self._queue.entered_at(job_id)
            old = await self._queue.awaits_delivery(job_id)  # and was not answered meanwhile by whoever asked
        except NotUnderstood as error:
            # Written by another version of the bot, which may come back: it stays in Redis. Its card is told once.
            self._foreign.add(job_id)
            log.error("job_not_understood", job_id=job_id, fields=len(error.fields))
            await self._say_foreign(job_id)
            return
        if not old or job_id in self._own | self._late | self._delivered:
            return
        if stored is None or entered_at is None or isinstance(stored.job, DeleteJob):
            self.delivered(job_id)
            if stored is None and job_id.startswith(TRAINING):
                await self._queue.close(job_id)
        elif isinstance(stored.job, TrainJob):
            await self._queue.adopt(stored.job)
            self.follow(stored.job, stored.card)
        elif time.time() - entered_at < LATE_ANSWER_S:
            self.answer_later(stored.job)
        else:
            log.warning("answer_too_late", job_id=job_id)
            self.delivered(job_id)

    async def _say_foreign(self, job_id: str) -> None:
        """Tell on a card that another version of the bot has to keep it."""
        where = await self._queue.card(job_id)
        if where is None:
            return
        channel = self._bot.get_partial_messageable(where[0])
        try:
            await channel.get_partial_message(where[1]).edit(embed=cards.foreign(job_id), allowed_mentions=NOBODY)
        except (discord.HTTPException, *TRANSIENT) as error:
            log.warning("card_not_edited", job_id=job_id, error=type(error).__name__)

    async def _answer_late(self, job: Asked, event: Event | None, otherwise: Failed) -> None:
        """Post an answer that could not be posted when it came: the bot was down, or Discord or Redis were."""
        give_up = time.monotonic() + LATE_ANSWER_S
        with job_context(job.job_id, guild_id=job.place.guild_id, channel_id=job.place.channel_id):
            try:
                if event is None:
                    event = await self._end_late(job, give_up) or otherwise
                await self._post_late(job, event, give_up)
                self.delivered(job.job_id)
            except RedisError as error:
                _log_lost(job, error)
                self.delivered(job.job_id)
            finally:
                self._late.discard(job.job_id)

    async def _end_late(self, job: Asked, give_up: float) -> Event | None:
        """The final event of a job, None when there is none in time: an outage of Redis does not count.

        Raises:
            redis.RedisError: it lasted until the time to `give_up`.
        """
        while True:
            try:
                return await self.answer(job.job_id, self._bot.settings.generate_timeout_s)
            except RedisError:
                if time.monotonic() >= give_up:
                    raise

    async def _post_late(self, job: Asked, event: Event, give_up: float) -> None:
        """Try until the time to `give_up`; what is not posted by then, or refused for good, is let go."""
        send = self._reply_to(job.place)
        wait = _RETRY_S
        while True:
            try:
                # Discord knows a nonce for some minutes only. Should it have taken an answer and lost its own reply,
                # and be away for longer than that, the answer is there twice.
                async with posting(job):
                    await post_answer(self._bot, send, job, event, nonce=job.job_id)
                return
            except Exception as error:
                if not passing(error) or time.monotonic() >= give_up:
                    _log_lost(job, error)
                    if not passing(error) and getattr(error, "code", None) not in failures.CLOSED:
                        await self._say_lost(job, send)
                    return
                log.warning("answer_not_posted_yet", job_id=job.job_id, error=type(error).__name__)
            await asyncio.sleep(wait)
            wait = min(2 * wait, _RETRY_AT_MOST_S)

    def _reply_to(self, place: Place) -> Send:
        """What posts a late answer: as a reply to what asked for it, or naming whoever did. Neither pings them."""
        channel = self._bot.get_partial_messageable(place.channel_id, guild_id=place.guild_id)
        if place.message_id is None:
            return addressed(channel.send, f"<@{place.user_id}>")
        asked = discord.MessageReference(
            message_id=place.message_id,
            channel_id=place.channel_id,
            guild_id=place.guild_id,
            fail_if_not_exists=False,
        )
        return functools.partial(channel.send, reference=asked)

    async def _say_lost(self, job: Asked, send: Send) -> None:
        """The answer itself cannot be posted, but its person is to hear of that."""
        problem = UserError(
            f"I couldn't post what <@{job.place.user_id}> asked for.",
            "A server admin can check my permissions in this channel. If they are right, the cause is in my log.",
        )
        try:
            await post_error(send, problem, nonce=job.job_id, allowed_mentions=NOBODY)
        except (discord.HTTPException, *TRANSIENT) as error:
            log.warning("loss_not_told", job_id=job.job_id, error=type(error).__name__)

    async def _show(self, job: TrainJob, card: tuple[int, int] | None) -> None:
        with job_context(job.job_id, guild_id=job.place.guild_id, channel_id=job.place.channel_id):
            try:
                with self._bell(job.job_id) as bell:
                    await LiveCard(self._bot, job, card, bell).keep()
            finally:
                self._followed.discard(job.job_id)
                if job.replaces is not None:
                    self._bot.upkeep.ring()


def _restarted() -> Failed:
    return Failed(problem="I was restarted before this was done.", remedy="Run the command again.")


def _log_lost(job: Asked, error: Exception) -> None:
    if isinstance(error, discord.HTTPException):
        log.warning("answer_not_posted", job_id=job.job_id, status=error.status, code=error.code)
    elif passing(error):
        log.warning("answer_too_late", job_id=job.job_id, error=type(error).__name__)
    else:
        log.error("answer_not_posted", job_id=job.job_id, exc_info=error)
