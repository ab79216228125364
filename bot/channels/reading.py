"""Readings of channels: the first state of a training on one.

The training's record says that its channel is yet to be read. If that ends (a person cancels the training, the channel
may no longer be read), the reading ends at its next page, and its pages are dropped. Each page is kept together with
how far the reading is. At the end, one transaction gives the training its text and writes the reading note.
"""

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass, field

import discord
import structlog
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError
from structlog.contextvars import bound_contextvars

from bot.background import REDIS_DOWN, BackgroundService, is_transient, run_forever
from bot.channels import embeds
from bot.channels.consent import ConsentStore
from bot.channels.pages import PagesMoved, PageStore, ReadText, agreed_lines, read_text, with_text
from bot.channels.reader import Reader
from bot.channels.sources import ServerAway, Sources
from bot.channels.withdrawals import Withdrawals
from bot.core import Core
from bot.errors import explain, is_gone
from bot.models.readings import ReadingNote, ReadingNotes
from bot.servers.access import member_in
from galvanic.errors import UserError
from galvanic.units import count
from shared import lifecycle
from shared.corpora.corpus import LEAST_CHARS, pack
from shared.events import Failed
from shared.jobs import ChannelReading, TrainJob

RETRY_S = 5.0  # the pause while Discord or Redis is in trouble
LOOK_AGAIN_S = 60.0  # seconds between two looks for readings that nobody goes on with

log = structlog.get_logger()


@dataclass(eq=False, repr=False, kw_only=True)
class ChannelReadings(BackgroundService):
    """All readings of this bot: one at a time in each server, while the others wait."""

    core: Core
    consents: ConsentStore
    sources: Sources
    pages: PageStore
    notes: ReadingNotes
    withdrawals: Withdrawals
    _turns: defaultdict[int, asyncio.Lock] = field(init=False, default_factory=lambda: defaultdict(asyncio.Lock))
    """Each is held while a channel of its server is read."""
    _running: dict[str, str] = field(init=False, default_factory=dict)
    """Readings that go on now, by job: why one does not at the moment, or nothing."""
    _wakeup: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    def start(self) -> None:
        """Begin readings as they are asked for, and go on with those of an earlier run."""
        self.spawn(run_forever("readings", self._look, every_s=LOOK_AGAIN_S, wakeup=self._wakeup))

    def look_soon(self) -> None:
        """Begin a reading that was just asked for, in its turn."""
        self._wakeup.set()

    async def card(self, job: TrainJob) -> discord.Embed | None:
        """Return how far the reading for a training is; None: it has its text."""
        if not job.is_unread or job.reading is None:
            return None
        state = await self.pages.state(job.reading.reading_id)
        return embeds.reading(job, job.reading, state, self._running.get(job.job_id, ""))

    # ------------------------------------------------------------------ the tasks of readings

    async def _look(self) -> None:
        """Go on with readings that no task works on, except those of another application's servers."""
        for job in await self.core.snapshots.trainings():
            foreign = job.is_unread and await self.core.joined.is_foreign(job.place.guild_id)
            if job.is_unread and not foreign and job.job_id not in self._running:
                self._begin(job)

    def _begin(self, job: TrainJob) -> None:
        self._running[job.job_id] = ""
        self.spawn(self._run(job.job_id)).add_done_callback(lambda _: self._running.pop(job.job_id))

    async def _run(self, job_id: str) -> None:
        """Read to the end, however long Discord or Redis is away, or have the training fail."""
        problem: UserError | None = None
        present = set[int]()
        with bound_contextvars(job_id=job_id):
            while True:
                try:
                    if problem is not None:
                        return await self._fail(job_id, problem)
                    return await self._read(job_id, present)
                except Exception as error:
                    passes = is_transient(error) or isinstance(error, ServerAway | PagesMoved | RedisError)
                    if problem is None and not passes:
                        gone = UserError("The channel is gone.", "Name another one.")
                        problem = gone if is_gone(error) else explain(error, "reading", self.core.settings)
                        continue
                    # Redis may also refuse to write for a while: it has no room, or was only just made a primary.
                    log.warning("reading_interrupted", error=type(error).__name__)
                    if not isinstance(error, (RedisError, PagesMoved, *REDIS_DOWN)):
                        self._running[job_id] = "⚠️ Discord is having trouble; I go on as soon as it is over."
                await asyncio.sleep(RETRY_S)

    async def _read(self, job_id: str, present: set[int]) -> None:
        """Read all that is left, when it is this reading's turn, and give the training its text.

        `present`: authors who were found in the server in an earlier try.

        Raises UserError: it may no longer be read, or there is too little; Exception: the trouble that interrupted it.
        """
        job = await self.core.jobs.unread(job_id)
        if job is None or job.reading is None:
            return
        reading, guild_id = job.reading, job.place.guild_id
        state = await self.pages.state(reading.reading_id)
        reader = Reader(self.core, self.pages, self.consents, guild_id, reading, state)
        if not reading.source_id and not state.is_export:
            raise UserError("The file has expired.", "Attach it again.")
        if not reader.state.done:
            turn = self._turns[guild_id]
            if turn.locked():
                self._running[job_id] = "⏳ I'm doing another reading first."
            async with turn:
                while (job := await self.core.jobs.unread(job_id)) is not None and not reader.state.done:
                    await self.sources.require_still(reading.channel_id, job.place)
                    await reader.page()
                    self._running[job_id] = ""
                    await asyncio.sleep(0)  # calls that answer at once give the event loop no turn
        if job is not None:
            await self._withdraw_leavers(job, reading, present)
        if job is None or not await self._hand_over(job, reading, left_out=reader.state.left_out > 0):  # cancelled
            await self.notes.forget(reading.reading_id)

    async def _withdraw_leavers(self, job: TrainJob, reading: ChannelReading, present: set[int]) -> None:
        """Withdraw authors of what is to be learned who have left the server, unless the training is cancelled.

        `present`: those who are known to be there, and who are not asked about again.
        Raises discord.HTTPException: Discord is in trouble; ServerAway: it does not show the server now.
        """
        guild_id = job.place.guild_id
        pages = await self.pages.pages(reading.reading_id)
        consents = await self.consents.of(guild_id) if reading.channel_id else None
        authors = {line.author_id for line in await asyncio.to_thread(agreed_lines, pages, consents)}
        for author_id in authors - present:
            if await self.core.jobs.unread(job.job_id) is None:
                return
            if (guild := self.core.bot.get_guild(guild_id)) is None:
                raise ServerAway
            if await member_in(guild, discord.Object(author_id)) is None:
                await self.withdrawals.withdraw(guild_id, author_id, why="left")
            else:
                present.add(author_id)
            self._running[job.job_id] = ""

    async def _hand_over(self, job: TrainJob, reading: ChannelReading, *, left_out: bool) -> bool:
        """Give a training its text and write the reading note, in one step; False: the training was cancelled.

        The step fails, and is done again, if a member of the server answers meanwhile. Raises UserError: too little is
        left, or it may no longer be read.
        """

        async def prepare(pipe: Pipeline) -> lifecycle.Script:
            if reading.channel_id:
                await self.sources.require_still(reading.channel_id, job.place)
            pages = await self.pages.pages(reading.reading_id, pipe)
            consents = await self.consents.of(job.place.guild_id, None, pipe)
            asked = consents if reading.channel_id else None
            if asked is None and consents.withdrawn([reading.author_id], reading.until):
                pages = []
            text = await asyncio.to_thread(read_text, pages, asked, speakers=reading.speakers)
            if len(text.text) < LEAST_CHARS:
                raise await self._too_short(job, reading, text)
            packed = await asyncio.to_thread(pack, text.text)
            note = ReadingNote(**dict(reading), guild_id=job.place.guild_id, read_at=time.time())
            title = job.corpus.title + (" (its newest part)" if left_out else "")
            pipe.multi()
            self.notes.write(pipe, note, text.members)
            self.pages.drop(reading.reading_id, pipe)
            return lifecycle.text_read(with_text(job, text.text, title=title), packed, text.authors)

        if not await self.core.jobs.text_read(job, prepare):
            return False
        log.info("reading_done", left_out=left_out)
        return True

    async def _too_short(self, job: TrainJob, reading: ChannelReading, text: ReadText) -> UserError:
        """Say how much text there is. More members' consent helps if anybody's messages of all time were read."""
        mode = self.core.settings.channel_training
        prefix = await self.core.servers.prefix(job.place.guild_id)
        if reading.after or reading.author_id or mode == "opt-out":
            remedy = "Try again when more has been said."
        else:
            remedy = f"Members agree with `{prefix}optin`, which first tells them what it means."
        which = "who agreed" if mode == "opt-in" else "who didn't say no"
        writers = "that member" if reading.author_id else f"{count(len(text.members), 'member')} {which}"
        since = (
            f" since {discord.utils.format_dt(discord.utils.snowflake_time(reading.after))}" if reading.after else ""
        )
        return UserError(
            f"I found {count(len(text.text), 'character')}{since} by {writers}; at least {LEAST_CHARS:,} are needed.",
            remedy,
        )

    async def _fail(self, job_id: str, problem: UserError) -> None:
        """End a training whose channel could not be read. Nothing of the reading is kept."""
        if (job := await self.core.jobs.unread(job_id)) is not None:
            remedy = f"{problem.remedy}\nNothing of it was kept.".strip()
            await self.core.jobs.give_up(job, Failed(problem=problem.problem, remedy=remedy), "failed")
            if job.reading is not None:
                await self.notes.forget(job.reading.reading_id)
        log.info("reading_failed")
