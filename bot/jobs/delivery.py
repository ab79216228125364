"""Posts the result of each job for the person who asked for it, once.

A command waits for its result (`ask`). If Discord or Redis is in trouble, or the bot was restarted, the result is
posted in the background. Trainings have a card, which is kept current until it shows the end. Features register how
answers and cards look (`present`, `present_trainings`).
"""

import asyncio
import contextlib
import functools
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import discord
import structlog
from redis.exceptions import RedisError

from bot.background import BackgroundService, backoff, is_transient, reserve, retry, run_forever, wait_for
from bot.errors import AlreadyReported, code_of, post_error
from bot.jobs.client import JobClient
from bot.responder import addressed
from bot.servers.joined import JoinedServers
from bot.types import Send
from galvanic.errors import UserError
from shared.events import TERMINAL, Event, Failed, answer_of
from shared.jobs import GENERATE_QUEUE, Asked, CompareJob, GenerateJob, Job, SurpriseJob, TrainJob
from shared.logging import job_context
from shared.settings import Settings

LATE_ANSWER_S = 3_600  # an older answer is dropped: people no longer expect it
UNASKED = "u"  # first letter of the ids of jobs that nobody asked for: no answer of theirs is posted late
_LOOK_S = 4.0  # without news
_RETRY_S = 5.0
_RETRY_AT_MOST_S = 60.0
_LOOK_AGAIN_S = 60.0  # between two looks for jobs that nobody delivers
Presenter = Callable[..., Awaitable[None]]
"""Posts how a job ended: called with `send`, the job, its last event, and options for `send`. Raises a `UserError` to
post instead. It checks itself whether the end may be shown there."""
KeepCard = Callable[[TrainJob, tuple[int, int] | None, asyncio.Event], Awaitable[None]]
"""Keeps a training's card (channel id, message id; None: there is none yet) current until its end was shown. The event
is set when there is news."""
log = structlog.get_logger()


@dataclass(eq=False, repr=False)
class Delivery(BackgroundService):
    """Sends jobs that people ask for, and posts how they end.

    `typing` shows in a channel (its id) that somebody waits there. `written` is called when a job has ended. The event
    `job_delivered` tells of each job whose end was shown, with the seconds that its person waited (None: it was
    delayed).
    """

    client: discord.Client
    jobs: JobClient
    joined: JoinedServers
    settings: Settings
    typing: Callable[[int], AbstractAsyncContextManager[None]]
    written: Callable[[], None]
    in_background: set[str] = field(init=False, default_factory=set)  # ids of the jobs that are delivered there
    _presenters: dict[tuple[type, type], Presenter] = field(init=False, default_factory=dict)
    _keep_card: KeepCard | None = field(init=False, default=None)
    _asking: set[str] = field(init=False, default_factory=set)
    _to_note: set[str] = field(init=False, default_factory=set)
    _any_to_note: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _seen: set[str] | None = field(init=False, default=None)

    def present(self, job: type[Asked], presenter: Presenter, failed: Presenter | None = None) -> None:
        """Have jobs of a kind sent, and the event that answers them posted by `presenter`.

        `failed`: posts that a job failed; without one that is posted as an error.
        """
        self._presenters[job, answer_of(job)] = presenter
        if failed is not None:
            self._presenters[job, Failed] = failed

    def present_trainings(self, keep_card: KeepCard) -> None:
        self._keep_card = keep_card

    def start(self) -> None:
        """Take up the jobs of an earlier run."""
        self.spawn(run_forever("look_for_undelivered", self.look, every_s=_LOOK_AGAIN_S))
        self.spawn(run_forever("note_delivered", self.note_delivered, every_s=None, wakeup=self._any_to_note))

    # ------------------------------------------------------------------ sending jobs and waiting for them

    async def ask(self, job: Asked, send: Send, *, files: dict[str, bytes] | None = None, **options: Any) -> None:
        """Send a job, wait for its end, and post that.

        `send` must post for all to see: a delayed answer is posted in the channel. `files`: what the worker needs, by
        name (`keys.artifact`).

        Raises AlreadyReported when the worker refused the job or did not answer in time (posted like an answer, so that
        no trouble of Discord's loses it); UserError when no worker is there, or Discord refuses the end of a job that
        failed; redis.RedisError when nothing was sent. An outage after that only delays the answer.
        """
        if (type(job), answer_of(type(job))) not in self._presenters:
            raise RuntimeError(f"nothing could show how a {type(job).__name__} ends: `Delivery.present` is missing")
        with job_context(job), self.reserved(job.job_id) as ours:
            if not ours:
                return  # Discord delivered this message before
            try:
                await self._require_worker()
            except UserError as error:
                if (type(job), Failed) not in self._presenters:
                    raise
                await self.post(job, Failed(problem=error.problem, remedy=error.remedy), send, **options)
                raise AlreadyReported(error.problem, error.remedy) from error
            if await self.jobs.submit(job, files=files):  # else it did so before the bot was started
                await self._deliver(job, send, options)

    async def unasked(self, job: Asked, within_s: float) -> Event | None:
        """Send a job that nobody asked for, and wait for its end; None: Discord delivered its cause twice.

        The job's id must begin with `UNASKED`. Raises UserError: no worker is there; redis.RedisError.
        """
        with job_context(job), self.reserved(job.job_id) as ours:
            if not ours:
                return None
            await self._require_worker()
            if not await self.jobs.submit(job):
                return None
            try:
                event = await self.end_of(job, within_s)
                self.written()
                return event
            finally:
                self.delivered(job.job_id)

    async def _require_worker(self) -> None:
        if not await self.jobs.has_worker(GENERATE_QUEUE):
            raise UserError(
                "I can't do this at the moment: a part of me (the generate worker) is not running.",
                "Tell the bot's operator, who can start it with `make run` or `python -m worker serve generate`.",
            )

    def reserved(self, job_id: str) -> AbstractContextManager[bool]:
        """Keep a job from being taken for one of an earlier run while it is entered and first shown.

        Gives False if somebody does that already: Discord delivered the request twice.
        """
        return reserve(self._asking, job_id)

    def follow(self, job: TrainJob, card: tuple[int, int] | None) -> None:
        """Keep the card (channel id, message id) of a training current until its end; None posts a new one."""
        self._in_background(job, functools.partial(self._show, job, card))

    async def end_of(self, job: Asked, timeout_s: float) -> Event:
        """Wait for the final event of a job. If there is none in time, the job is given up, and has failed.

        Raises redis.RedisError when Redis could not be asked at last, so that there may be one.
        """
        away: RedisError | None = None
        with contextlib.suppress(TimeoutError), self.jobs.news_of(job.job_id) as news:
            async with asyncio.timeout(timeout_s):
                while True:
                    news.clear()
                    try:
                        if (event := await self._final(job.job_id)) is not None:
                            return event
                        away = None
                    except RedisError as error:
                        away = error
                        log.warning("redis_unreachable", job_id=job.job_id, error=type(error).__name__)
                    await wait_for(news, 1 if away else _LOOK_S)
        if away is not None:
            raise away
        remedy = "Try again. If it stays so, tell the bot's operator."
        if isinstance(job, GenerateJob | CompareJob | SurpriseJob):
            remedy = "Try again, or ask for a shorter text."
        too_late = Failed(problem="This was not done in time.", remedy=remedy)
        given_up = await self.jobs.give_up(job, too_late)
        return too_late if given_up else await self._final(job.job_id) or too_late

    async def _final(self, job_id: str) -> Event | None:
        return next((event for _, event in await self.jobs.events(job_id, "0") if event.kind in TERMINAL), None)

    # ------------------------------------------------------------------ posting answers

    async def _deliver(self, job: Asked, send: Send, options: dict[str, Any]) -> None:
        """Wait for the end of a job that somebody asked for just now, and post it with `send`. Raises as `ask`."""
        begun = time.monotonic()
        # An answer after a restart has the same one, so that Discord takes only one of the two (for a few minutes).
        options["nonce"] = job.job_id
        event: Event | None = None
        try:
            async with self.typing(job.place.channel_id):
                event = end = await self.end_of(job, self.settings.generate_timeout_s)
            self.written()
            await retry(lambda: self.post(job, end, send, **options), unless=self.client.is_closed)
            self._tell(job, time.monotonic() - begun)
        except Exception as error:
            if self.client.is_closed():
                log.info("answer_left_to_the_next_start", error=type(error).__name__)
                return
            if not is_transient(error):
                # The answer must not turn up again after the next restart. (When the bot is being stopped, as by
                # CancelledError, it must: the next run posts it.)
                self.delivered(job.job_id)
                if isinstance(event, Failed):  # errors have other ways to their person
                    raise UserError(event.problem, event.remedy) from error
                raise
            log.warning("answer_put_off", error=type(error).__name__)
            self.deliver_later(job, event)
        if isinstance(event, Failed):
            raise AlreadyReported(event.problem, event.remedy)

    def deliver_later(self, job: Asked, event: Event | None = None) -> None:
        """Post how a job ended (None: not known yet) once Discord and Redis are well, at the latest after a restart."""
        self._in_background(job, functools.partial(self._deliver_late, job, event))

    async def _deliver_late(self, job: Asked, event: Event | None) -> None:
        """Try for `LATE_ANSWER_S`; what is not posted by then, or refused for good, is dropped."""
        place = job.place
        channel = self.client.get_partial_messageable(place.channel_id, guild_id=place.guild_id)
        send = addressed(channel.send, f"<@{place.user_id}>")  # which pings nobody, nor does a reply
        if place.message_id is not None:
            asked = channel.get_partial_message(place.message_id).to_reference(fail_if_not_exists=False)
            send = functools.partial(channel.send, reference=asked)

        async def post() -> None:
            nonlocal event
            # An outage of Redis does not count: only a silent worker takes too long.
            event = event or await self.end_of(job, self.settings.generate_timeout_s)
            # Discord knows a nonce for some minutes only: one whose reply was lost appears twice if Discord is away for
            # longer than that.
            await self.post(job, event, send, nonce=job.job_id)

        try:
            await retry(post, pauses_s=backoff(_RETRY_S, _RETRY_AT_MOST_S, for_s=LATE_ANSWER_S))
        except Exception as error:
            if event is None and not is_transient(error):
                raise
            tell = log.warning if is_transient(error) or isinstance(error, discord.HTTPException) else log.exception
            tell("answer_not_posted", error=type(error).__name__, code=code_of(error))
            self.delivered(job.job_id)
        else:
            self._tell(job, None)

    async def post(self, job: Asked, event: Event, send: Send, **options: Any) -> None:
        try:
            if (presenter := self._presenters.get((type(job), type(event)))) is not None:
                await presenter(send, job, event, **options)
            elif isinstance(event, Failed):
                raise UserError(event.problem, event.remedy)
            else:
                raise UserError(
                    "This has ended in a way that I can't show.",
                    "Run the command again. If it stays so, the bot's operator should look at the worker.",
                )
        except UserError as problem:
            await post_error(send, problem, **options)

    # ------------------------------------------------------------------ jobs of an earlier run

    def _in_background(self, job: Job, work: Callable[[], Awaitable[None]]) -> None:
        if job.job_id in self.in_background or self.stopped:
            return
        self.in_background.add(job.job_id)

        async def deliver() -> None:
            try:
                with job_context(job):
                    await work()
            finally:
                self.in_background.discard(job.job_id)

        self.spawn(deliver()).set_name(f"deliver {job.job_id}")

    async def _show(self, job: TrainJob, card: tuple[int, int] | None) -> None:
        with self.jobs.news_of(job.job_id) as news:
            assert self._keep_card is not None
            await self._keep_card(job, card, news)
        self._tell(job, None)

    def _tell(self, job: Job, seconds: float | None) -> None:
        self.delivered(job.job_id)
        self.client.dispatch("job_delivered", job, seconds)

    def delivered(self, job_id: str) -> None:
        """Note that a job's end was shown. Redis is told in the background, again and again while it is away."""
        log.info("job_delivered", job_id=job_id)
        self._to_note.add(job_id)
        self._any_to_note.set()

    async def note_delivered(self) -> None:
        """Tell Redis what `delivered` noted; what it does not take is kept for later. Raises redis.RedisError."""
        for job_id in list(self._to_note):
            await self.jobs.delivered(job_id)
            self._to_note.discard(job_id)

    async def look(self) -> None:
        """Take up jobs that nobody delivers: at the start all, later those whose delivery failed.

        Later only those that the look before found, too: others are just being entered or ended.
        """
        undelivered = await self.jobs.undelivered()
        for job_id in sorted(undelivered if self._seen is None else undelivered & self._seen):
            await self.take_up(job_id)
        self._seen = undelivered

    async def take_up(self, job_id: str) -> None:
        """Deliver a job of an earlier run, unless this one does already, or only another application could.

        Raises redis.RedisError.
        """
        if self._is_ours(job_id):
            return
        stored = await self.jobs.load(job_id)
        foreign = stored is not None and await self.joined.is_foreign(stored.job.place.guild_id)
        if job_id not in await self.jobs.undelivered() or self._is_ours(job_id):
            return  # it was answered meanwhile by whoever asked
        if stored is None or job_id.startswith(f"{UNASKED}-"):
            self.delivered(job_id)
        elif not isinstance(stored.job, TrainJob) and time.time() - stored.entered_at >= LATE_ANSWER_S:
            log.warning("answer_too_late", job_id=job_id)
            self.delivered(job_id)
        elif foreign:
            return  # its application may be started again
        elif isinstance(stored.job, TrainJob):
            self.follow(stored.job, stored.card)
        else:
            self.deliver_later(stored.job)

    def _is_ours(self, job_id: str) -> bool:
        """Return whether this run delivers or has delivered a job, or somebody is asking for it now."""
        return job_id in self._asking or job_id in self.in_background or job_id in self._to_note
