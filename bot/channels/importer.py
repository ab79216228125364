"""Imports of channels: the first state of a training on one. Its text is read into a transcript, page by page.

The training's record says that it is still importing; whatever ends that (a person cancels it, it may no longer be
read) ends the import at its next page, and what was read is dropped. Each page is kept with how far it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import discord
import structlog
from redis.exceptions import RedisError
from structlog.contextvars import bound_contextvars

from bot.background import REDIS_DOWN, Service, is_transient, reserve, run_forever
from bot.channels import embeds
from bot.channels.reader import Reader
from bot.channels.sources import ServerAway, Source, Sources, room_of
from bot.channels.store import ImportState, Transcript
from bot.channels.withdrawals import OfWords, Withdrawals
from bot.errors import explain, is_gone
from bot.jobs.client import JobClient
from bot.jobs.snapshot import Snapshots
from galvanic.errors import UserError
from galvanic.options import CorpusInfo, TrainOptions
from galvanic.reading import slugify
from galvanic.units import count
from shared.corpora import LEAST_CHARS, unpacked_limit
from shared.events import Failed
from shared.jobs import Place, TrainJob
from shared.models import ModelRecord
from shared.settings import Settings
from shared.transcripts import TranscriptInfo

RETRY_S = 5.0
"""The pause while Discord or Redis is in trouble."""
LOOK_AGAIN_S = 60.0
"""Between two looks for imports that nobody goes on with."""
_LICENCES = {
    "opt-in": "Messages of this server's members, used with their consent.",
    "opt-out": "Messages of this server's members who have not objected.",
}

log = structlog.get_logger()


@dataclass(frozen=True)
class ImportPlan:
    """What is to be read, and learned from it.

    `speakers`: begin each line with its speaker's pseudonym. `parent` None: start from nothing. `after`: read only
    messages with a higher id. `author_id`: read only this member's; 0: anybody's. `replaces`: id of the model whose
    place the new one takes.
    """

    source: Source
    options: TrainOptions
    speakers: bool = False
    parent: ModelRecord | None = None
    after: int = 0
    author_id: int = 0
    replaces: str | None = None


@dataclass(eq=False, repr=False)
class Importer(OfWords, Service):
    """All imports of this bot: one at a time in each server."""

    settings: Settings
    sources: Sources
    withdrawals: Withdrawals
    jobs: JobClient
    snapshots: Snapshots
    _entering: set[str] = field(init=False, default_factory=set)
    _running: dict[str, str] = field(init=False, default_factory=dict)
    """Imports that go on now, by their training: why one does not at the moment, or nothing."""
    _creating: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)
    _wakeup: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    def start(self) -> None:
        """Begin imports as they are asked for, and go on with those of an earlier run."""
        self.spawn(run_forever("imports", self._look, every_s=LOOK_AGAIN_S, wakeup=self._wakeup))

    @contextmanager
    def entering(self, job_id: str) -> Iterator[bool]:
        """While a training is entered whose transcript `create` begins; after that, its import begins.

        Gives False if that is done already: Discord delivered the request twice.
        """
        try:
            with reserve(self._entering, job_id) as ours:
                yield ours
        finally:
            self._wakeup.set()  # what was not entered is dropped

    async def create(self, job_id: str, place: Place, plan: ImportPlan) -> CorpusInfo:
        """Begin a transcript for a training, within `entering`; what is known of its text so far.

        Raises UserError: the server has an import already, be it asked for at the same moment.
        """
        info = TranscriptInfo(
            guild_id=place.guild_id,
            channel_id=room_of(plan.source).id,
            source_id=plan.source.id,
            after=plan.after,
            until=discord.utils.time_snowflake(discord.utils.utcnow(), high=True),
            speakers=plan.speakers,
            author_id=plan.author_id,
        )
        async with self._creating:
            for other in await self.store.all(place.guild_id):
                if other.reading is not None:
                    raise UserError(
                        f"I'm already reading <#{other.info.source_id}>; one channel at a time in a server.",
                        "Try again when that is done; its card shows its progress.",
                    )
            await self.store.create(info, ImportState(job_id=job_id))
        whose = "one member's messages in " if plan.author_id else ""
        return CorpusInfo(
            name="like-me" if whose else slugify(plan.source.name) or "channel",
            title=f"{whose}#{plan.source.name[:60]}{' (newer messages)' if plan.after and not plan.replaces else ''}",
            source="channel",
            chars=0,
            sha256="",
            licence=_LICENCES.get(self.settings.channel_training, ""),
            hard_wrapped=False,
            transcript=info.ref(0),
        )

    async def card(self, job: TrainJob) -> discord.Embed | None:
        """How far the import for a training is; None: it has its text."""
        ref = job.corpus.transcript
        transcript = await self.store.load(ref.transcript_id) if job.imports and ref is not None else None
        if transcript is None or transcript.reading is None:
            return None
        people, mode = len(await self.store.members(transcript.transcript_id)), self.settings.channel_training
        return embeds.importing(job, transcript, transcript.reading, people, mode, self._running.get(job.job_id, ""))

    # ------------------------------------------------------------------ working

    async def _look(self) -> None:
        """Go on with imports that no task works on, and drop transcripts of trainings that were never entered."""
        found = {one.reading.job_id: one.transcript_id for one in await self.store.all() if one.reading is not None}
        for one in (await self.snapshots.look(now=True)).trainings:
            if one.job.imports and one.job.corpus.transcript is not None:
                found[one.job.job_id] = one.job.corpus.transcript.transcript_id
        for job_id, transcript_id in found.items():
            if job_id not in self._entering and job_id not in self._running:
                self._begin(job_id, transcript_id)

    def _begin(self, job_id: str, transcript_id: str) -> None:
        self._running[job_id] = ""
        self.spawn(self._import(job_id, transcript_id)).add_done_callback(lambda _: self._running.pop(job_id))

    async def _import(self, job_id: str, transcript_id: str) -> None:
        """Read to the end, however long Discord or Redis is away, or have the training fail."""
        problem: UserError | None = None
        with bound_contextvars(job_id=job_id):
            while True:
                try:
                    if problem is not None:
                        return await self._fail(job_id, transcript_id, problem)
                    return await self._read(job_id, transcript_id)
                except Exception as error:
                    if problem is None and not is_transient(error) and not isinstance(error, ServerAway | RedisError):
                        gone = UserError("The channel is gone.", "Name another one.")
                        problem = gone if is_gone(error) else explain(error, "import", self.settings)
                        continue
                    # Redis may also refuse to write for a while: it has no room, or was only just made a primary.
                    log.warning("import_interrupted", error=type(error).__name__)
                    if not isinstance(error, (RedisError, *REDIS_DOWN)):
                        self._running[job_id] = "Discord is having trouble; I go on as soon as it is over."
                await asyncio.sleep(RETRY_S)

    async def _read(self, job_id: str, transcript_id: str) -> None:
        """Read all that is left, and let the training wait for its turn.

        Raises UserError: it may no longer be read, or there is too little; Exception: the trouble that interrupted it.
        """
        job, transcript = await self.jobs.importing(job_id), await self.store.load(transcript_id)
        if transcript is not None and transcript.reading is not None:
            services = (self.client, self.store, self.consents, self.servers)
            names = await self.store.names(transcript_id)
            reader = Reader(*services, transcript.info, transcript.reading, names)
            while job is not None and not reader.state.done:
                await self.sources.require_still(transcript.info, job.place)
                await reader.page()
                # The oldest part of what is longer than a worker accepts goes before it fills Redis.
                await self.store.drop_oldest(transcript_id, unpacked_limit(self.settings))
                self._running[job_id] = ""
                await asyncio.sleep(0)  # calls that answer at once give the event loop no turn
                job = await self.jobs.importing(job_id)
            if job is None:  # cancelled, or never entered
                await self.store.forget(transcript_id)
                return
            if reader.left:
                await self.withdrawals.withdraw(transcript.info.guild_id, reader.left, why="left")
            await self._complete(job, transcript.info)
        if job is not None:
            await self._hand_over(job, transcript_id)

    async def _complete(self, job: TrainJob, info: TranscriptInfo) -> None:
        """Leave only what may be learned. Raises UserError: that is too little, or may no longer be read."""
        await self.withdrawals.purge(info, of_messages=True)
        await self.sources.require_still(info, job.place)
        current = await self.store.load(info.transcript_id)
        chars = current.chars if current is not None else 0
        if chars < LEAST_CHARS:
            people, mode = len(await self.store.members(info.transcript_id)), self.settings.channel_training
            prefix = await self.servers.prefix(info.guild_id)
            since = f" since {discord.utils.format_dt(discord.utils.snowflake_time(info.after))}" if info.after else ""
            remedy = f"Members agree with `{prefix}optin`; `{prefix}privacy` tells them what that means."
            if info.after or info.author_id or mode == "opt-out":
                remedy = "Try again when more was said."
            writers = "that member" if info.author_id else embeds.speakers(people, mode)
            raise UserError(
                f"I found {count(chars, 'character')}{since} by {writers}; at least {LEAST_CHARS:,} are needed.",
                remedy,
            )
        await self.store.complete(info.transcript_id)

    async def _hand_over(self, job: TrainJob, transcript_id: str) -> None:
        current = await self.store.load(transcript_id)
        if current is None:
            raise UserError("My memory (Redis) has lost what I read.", "Run the command again.")
        found = {
            "title": job.corpus.title + (" (its newest part)" if current.left_out else ""),
            "chars": current.chars,
            "transcript": current.info.ref(current.revision),
        }
        if not await self.jobs.text_read(job.model_copy(update={"corpus": job.corpus.model_copy(update=found)})):
            await self.store.forget(transcript_id)
            return
        log.info("import_done", lines=current.lines, chars=current.chars, left_out=current.left_out)
        # A message may have gone after the purge, and before it was complete.
        self.chores.add(self.withdrawals.tidy, transcript_id)
        await self._drop_older(current, all_of_it=job.replaces is not None)

    async def _drop_older(self, transcript: Transcript, *, all_of_it: bool) -> None:
        """Drop the words of earlier imports of the same messages that no training needs any more.

        `all_of_it`: also of messages that are too old for this one.
        """
        info = transcript.info
        needed = (await self.snapshots.look(now=True)).transcripts
        for other in await self.store.all(info.guild_id):
            same = (other.info.source_id, other.info.author_id) == (info.source_id, info.author_id)
            same = same and (all_of_it or other.info.after >= info.after)
            if same and other.reading is None and other.info.until < info.until and other.transcript_id not in needed:
                await self.store.drop_text(other.transcript_id)

    async def _fail(self, job_id: str, transcript_id: str, problem: UserError) -> None:
        """Keep nothing of it but why."""
        await self.store.forget(transcript_id)
        job = await self.jobs.importing(job_id)
        remedy = f"{problem.remedy}\nNothing of it was kept.".strip()
        if job is not None:
            await self.jobs.give_up(job, Failed(problem=problem.problem, remedy=remedy), "failed")
        log.info("import_failed", transcript_id=transcript_id)
