"""Imports of channels as texts: begun by a person or for a stale model, resumed after a crash, cancelled.

An import ends by submitting the training that learns from it. If that cannot be, its words are dropped; the same step
stores why, until the card shows it.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, cast

import discord
import redis.asyncio
import structlog
from pydantic import BaseModel, ConfigDict, ValidationError
from redis.exceptions import RedisError

from bot.background import DISCORD_ERRORS, REDIS_DOWN, Tasks, backoff, is_transient, reply, retry, run_forever
from bot.channels import embeds
from bot.channels.consent import ConsentStore
from bot.channels.reader import ImportState, Reader
from bot.channels.sources import ServerAway, Source, Sources, room_of
from bot.channels.store import Transcript, TranscriptStore
from bot.channels.withdrawals import Withdrawals
from bot.errors import MISSING_ACCESS, MISSING_PERMISSIONS, is_gone
from bot.jobs import client as jobs
from bot.jobs.card_message import CardMessage
from bot.jobs.client import TRAINING, JobClient
from bot.jobs.delivery import Delivery
from bot.jobs.snapshot import Snapshots
from bot.servers import access
from bot.servers.actor import Actor
from bot.servers.settings import GuildSettingsStore
from bot.types import Send
from shared import keys
from shared.corpora import unpacked_limit
from shared.corpora.corpus import slugify
from shared.errors import UserError
from shared.jobs import CorpusInfo, Place, TrainJob, TrainOptions
from shared.logging import job_context
from shared.models import ModelRecord
from shared.settings import Settings
from shared.transcripts import TranscriptInfo
from shared.units import count

RETRY_S = (2.0, 60.0)
"""The first and the longest pause while Discord or Redis is in trouble."""
LOOK_AGAIN_S = 60.0
"""Between two looks for imports that nobody goes on with."""
_CARD_S = 3.0
_PUT_WITHIN_S = 30.0
"""A card that Discord has not answered by then is put again; aiohttp would wait for five minutes."""
_NO_LIMIT = 1_000_000
_LICENCES = {
    "opt-in": "Messages of this server's members, used with their consent.",
    "opt-out": "Messages of this server's members who have not objected.",
}

log = structlog.get_logger()


@dataclass(frozen=True)
class ImportPlan:
    """What is to be read, and learned from it.

    `speakers`: begin each line with its speaker's pseudonym. `parent` None: start from nothing. `after`: read only
    messages with a higher id. `replaces`: id of the stale model whose place the new one takes.
    """

    source: Source
    options: TrainOptions
    speakers: bool = False
    parent: ModelRecord | None = None
    after: int = 0
    replaces: str | None = None


class Ending(BaseModel):
    """How an import ended, with no member's words. `card`: channel and message id; `embed`: of `Embed.to_dict`."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    place: Place
    card: tuple[int, int] | None
    embed: dict[str, Any]


@dataclass(eq=False, repr=False)
class Importer:
    """All imports of this bot: one at a time in each server.

    `admitted`: around what begins a training, checks who may, quotas and cooldown; raises UserError.
    """

    client: discord.Client
    settings: Settings
    servers: GuildSettingsStore
    connection: redis.asyncio.Redis
    store: TranscriptStore
    consents: ConsentStore
    sources: Sources
    withdrawals: Withdrawals
    queue: JobClient
    outlook: Snapshots
    delivery: Delivery
    admitted: Callable[[Actor], AbstractAsyncContextManager[None]]
    _tasks: Tasks = field(init=False, default_factory=Tasks)
    _running: dict[str, asyncio.Task[None]] = field(init=False, default_factory=dict)
    _cancelled: set[str] = field(init=False, default_factory=set)
    _requests: set[str] = field(init=False, default_factory=set)
    _entered: set[str] = field(init=False, default_factory=set)
    _seen: set[str] | None = field(init=False, default=None)
    _entering: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    def start(self) -> None:
        """Resume the imports of an earlier run."""
        self._tasks.spawn(run_forever("imports", self._look, every_s=LOOK_AGAIN_S))

    async def stop(self) -> None:
        """The next start goes on from the last page of each import."""
        await self._tasks.end()

    # ------------------------------------------------------------------ beginning

    async def begin(
        self, who: Actor, prepare: Callable[[], Awaitable[ImportPlan]], send: Send, *, by_message: bool = False
    ) -> None:
        """Check who may, post the card, and read on in the background; the training follows by itself.

        `prepare` finds what is to be read, and is called once all else is well. `by_message`: `send` takes a nonce, by
        which Discord posts a card once.

        Raises UserError: they may not, not here or not yet, `prepare` refuses, or another channel is being read;
        redis.RedisError: Redis cannot be reached; discord.HTTPException: Discord refuses the card. Nothing was begun
        then.
        """
        job_id = f"{TRAINING}{who.request_id}"
        if job_id in self._requests or await self.queue.load(job_id) is not None:
            return  # Discord delivered this request before
        self._requests.add(job_id)
        try:
            async with self.admitted(who):
                transcript = await self._create(job_id, who.place, await prepare())
                if by_message:
                    send = functools.partial(send, nonce=_nonce(job_id))
                try:
                    embed = await self._card(transcript)
                    message = await send(embed=embed, view=embeds.import_buttons(job_id))
                except BaseException:
                    await self._abandon(transcript.transcript_id)
                    raise
                try:
                    await self.store.save_card(transcript.transcript_id, (message.channel.id, message.id))
                except RedisError as error:  # the import, which has begun, posts another one
                    log.warning("redis_unreachable", error=type(error).__name__)
                self._take_up(transcript.transcript_id)
        except BaseException:
            self._requests.discard(job_id)
            raise

    async def _abandon(self, transcript_id: str) -> None:
        """Keep nothing of an import that was not to begin: left over, it would keep others from beginning."""
        try:
            await self.store.forget(transcript_id)
        except RedisError as error:
            log.warning("redis_unreachable", error=type(error).__name__)
            self._cancelled.add(transcript_id)  # which is carried out as soon as Redis is there
            self._take_up(transcript_id)

    async def begin_again(self, model: ModelRecord, plan: ImportPlan) -> None:
        """Read a channel for a model that is to be made again; its card is posted where the model belongs.

        Raises UserError: another channel is being read in this server; redis.RedisError: Redis cannot be reached.
        """
        where = self.client.get_channel(model.channel_id)
        place = Place(guild_id=model.guild_id, channel_id=model.channel_id, user_id=model.owner_id)
        if isinstance(where, discord.Thread):
            place = access.place_of(model.guild_id, where, model.owner_id)
        job_id = f"{TRAINING}{_newest_id()}"
        self._take_up((await self._create(job_id, place, plan)).transcript_id)

    async def _create(self, job_id: str, place: Place, plan: ImportPlan) -> Transcript:
        """Raises UserError: the server has an import already, be it asked for at the same moment."""
        async with self._entering:
            for other in await self.of_guild(place.guild_id):
                raise UserError(
                    f"I'm already reading <#{other.info.source_id}>; one channel at a time in a server.",
                    "Try again when that is done; its card shows how far it is.",
                )
            state = ImportState(
                job_id=job_id,
                place=place,
                options=plan.options,
                parent=plan.parent.ref if plan.parent is not None else None,
                parent_transcripts=plan.parent.transcripts if plan.parent is not None else None,
                replaces=plan.replaces,
                channel_name=plan.source.name,
                began=time.time(),
            )
            info = TranscriptInfo(
                guild_id=place.guild_id,
                channel_id=room_of(plan.source).id,
                source_id=plan.source.id,
                asked_by=place.user_id,
                after=plan.after,
                until=_newest_id(),
                speakers=plan.speakers,
            )
            await self.store.create(info, state.model_dump_json())
            self._entered.add(info.transcript_id)
            log.info("import_begun", job_id=job_id, guild_id=place.guild_id, channel_id=info.source_id)
            transcript = await self.store.load(info.transcript_id)
            assert transcript is not None
            return transcript

    # ------------------------------------------------------------------ looking, and cancelling

    async def of_guild(self, guild_id: int) -> list[Transcript]:
        """What is being read in a server."""
        return [one for one in await self.store.all(guild_id) if one.reading is not None]

    async def by_job(self, guild_id: int) -> dict[str, Place]:
        """What is being read in a server: the id of the training to follow, and where it was asked for."""
        states = map(ImportState.of, await self.of_guild(guild_id))
        return {state.job_id: state.place for state in states}

    async def cancel(self, job_id: str, guild_id: int | None, user: discord.User | discord.Member) -> str | None:
        """End an import on behalf of a person, and keep nothing of it.

        What to tell them; None: it is over, or not of this server. Raises UserError: it is somebody else's.
        """
        for transcript in await self.of_guild(guild_id or 0):
            state = ImportState.of(transcript)
            if state.job_id == job_id:
                break
        else:
            return None
        if state.place.user_id != user.id and not access.moderates(user, state.place):
            raise UserError("This reading isn't yours.", "Only its owner and members with Manage Messages can end it.")
        if not await self.store.cancel(transcript.transcript_id):  # before it is acknowledged: the bot may die now
            return None
        self._cancelled.add(transcript.transcript_id)
        return "I cancel it: its card shows when that is done."

    # ------------------------------------------------------------------ working

    async def _look(self) -> None:
        """Take up imports that no task works on.

        The first look takes all. Later ones find what a bot that led before this one still began: they take only what
        was there at the look before, too, and none of this run, as an import that is just beginning may not have its
        card yet.
        """
        reading = {one.transcript_id for one in await self.store.all() if one.reading is not None}
        untold = cast(list[bytes], await reply(self.connection.hkeys(keys.READINGS_ENDED)))
        found = (reading - self._entered) | {transcript_id.decode() for transcript_id in untold}
        for transcript_id in sorted(found if self._seen is None else found & self._seen):
            self._take_up(transcript_id)
        self._seen = found

    def _take_up(self, transcript_id: str) -> None:
        if transcript_id not in self._running and not self._tasks.ended:
            task = self._running[transcript_id] = self._tasks.spawn(self._import(transcript_id))
            task.add_done_callback(lambda _: self._running.pop(transcript_id, None))

    async def _import(self, transcript_id: str) -> None:
        await self._read_to_the_end(transcript_id)
        self._cancelled.discard(transcript_id)
        await self._tell(transcript_id)

    async def _read_to_the_end(self, transcript_id: str) -> None:
        pauses, before = backoff(*RETRY_S), -1
        card: CardMessage | None = None
        problem: UserError | None = None
        load = functools.partial(self.store.load, transcript_id)
        while (transcript := await _patiently(load)) is not None and transcript.reading is not None:
            state = ImportState.of(transcript)
            if state.read > before:
                pauses, before = backoff(*RETRY_S), state.read
            if transcript.cancelled:
                self._cancelled.add(transcript_id)
            card = card or self._message(state.job_id, state.place, transcript.card)
            with job_context(state.job_id, guild_id=transcript.info.guild_id, channel_id=transcript.info.source_id):
                try:
                    if problem is None and transcript_id not in self._cancelled:
                        await self._read(transcript, card)
                    else:
                        await self._end(transcript, card, problem)
                    return
                except Exception as error:
                    if problem is None and not is_transient(error) and not isinstance(error, ServerAway | RedisError):
                        problem = _explained(error)
                        continue
                    # Redis may also refuse to write for a while: it has no room, or was only just made a primary.
                    log.warning("import_interrupted", error=type(error).__name__)
                    if not isinstance(error, (RedisError, *REDIS_DOWN)):
                        said = "Discord is having trouble; I go on as soon as it is over."
                        await self._show(transcript_id, card, said)
            await asyncio.sleep(next(pauses))

    async def _read(self, transcript: Transcript, card: CardMessage) -> None:
        """Read all that is left, and submit the training.

        Raises UserError: it may no longer be read, or there is too little; Exception: the trouble that interrupted it.
        """
        info, transcript_id = transcript.info, transcript.transcript_id
        names = await self.store.names(transcript_id)
        reader = Reader(self.client, self.store, self.consents, self.servers, transcript, names)
        shown = time.monotonic() if card.where is not None else float("-inf")
        while not reader.state.done and transcript_id not in self._cancelled:
            await self.sources.require_still(info, reader.state.place)
            await reader.page()
            if time.monotonic() - shown >= max(_CARD_S, self.settings.card_interval_s):
                await self._shorten(transcript_id)
                await self._show(transcript_id, card)
                shown = time.monotonic()
            await asyncio.sleep(0)  # calls that answer at once give the event loop no turn
        if reader.left:
            await self.withdrawals.withdraw(info.guild_id, reader.left, why="left")
        await self._hand_over(transcript, reader.state, card)

    async def _hand_over(self, transcript: Transcript, state: ImportState, card: CardMessage) -> None:
        """Submit the training that learns from what was read."""
        info, transcript_id = transcript.info, transcript.transcript_id
        members = await self.store.members(transcript_id)
        refused = (await self.consents.of(info.guild_id, members.keys())).refused(members)
        await self.store.note_withdrawn(transcript_id, refused)
        await self.store.purge(transcript_id)
        await self._shorten(transcript_id)
        await self.sources.require_still(info, state.place)
        if transcript_id in self._cancelled:
            await self._end(transcript, card, None)
            return
        current = await self.store.load(transcript_id)
        assert current is not None
        if current.chars < self.settings.corpus_min_chars:
            raise await self._too_short(current)
        job = self._job(current, state)
        with self.delivery.reserved(job.job_id):
            await self.queue.submit_train(job, None, card.where, (_NO_LIMIT, _NO_LIMIT), key=transcript_id)
            if await self.store.complete(transcript_id):
                await self.queue.cancel(job.job_id)
            self.delivery.follow(job, card.where)
        # A message may have gone after the purge, and before nobody read the transcript any more.
        self.withdrawals.chores.add(self.withdrawals.tidy, transcript_id)
        figures = {"lines": current.lines, "chars": current.chars, "left_out": current.left_out}
        log.info("import_done", messages=state.read, **figures)
        await self._drop_older(current)

    async def _shorten(self, transcript_id: str) -> None:
        """Leave out the oldest part of what is longer than a worker accepts, before it fills Redis."""
        async with self.store.lock(transcript_id):
            await self.store.drop_oldest(transcript_id, unpacked_limit(self.settings))

    def _job(self, transcript: Transcript, state: ImportState) -> TrainJob:
        since = " (newer messages)" if transcript.info.after else ""
        newest = " (its newest part)" if transcript.left_out else ""
        return TrainJob(
            job_id=state.job_id,
            place=state.place,
            corpus=CorpusInfo(
                name=slugify(state.channel_name) or "channel",
                title=f"#{state.channel_name[:60]}{since}{newest}",
                source="channel",
                chars=transcript.chars,
                sha256="",
                licence=_LICENCES.get(self.settings.channel_training, ""),
                hard_wrapped=False,
                transcript=transcript.info.ref(transcript.revision.now),
            ),
            options=state.options,
            parent=state.parent,
            parent_transcripts=state.parent_transcripts,
            replaces=state.replaces,
        )

    async def _too_short(self, transcript: Transcript) -> UserError:
        info = transcript.info
        people = len(await self.store.members(info.transcript_id))
        prefix = await self.servers.prefix(info.guild_id)
        since = " since the last time" if info.after else ""
        remedy = f"Members agree with `{prefix}optin`; `{prefix}privacy` tells them what that means."
        return UserError(
            f"I found {count(transcript.chars, 'character')}{since} by {count(people, 'member')} who agreed; "
            f"at least {self.settings.corpus_min_chars:,} are needed.",
            "Try again when more was said." if info.after else remedy,
        )

    async def _drop_older(self, transcript: Transcript) -> None:
        """Drop the words of earlier imports of the same messages that no training needs any more."""
        info = transcript.info
        needed = (await self.outlook.look(now=True)).transcripts
        for other in await self.store.all(info.guild_id):
            same = other.info.source_id == info.source_id and other.info.after >= info.after
            if same and other.reading is None and other.info.until < info.until and other.transcript_id not in needed:
                await self.store.drop_text(other.transcript_id)

    # ------------------------------------------------------------------ ending

    async def _end(self, transcript: Transcript, card: CardMessage, problem: UserError | None) -> None:
        """Keep nothing but why, which `_tell` shows. `problem` None: somebody cancelled it."""
        state = ImportState.of(transcript)
        if problem is None and await self._cancel_training(state.job_id, card.where):
            await self.store.forget(transcript.transcript_id)
            return
        embed = embeds.import_ended(state, problem)
        ending = Ending(job_id=state.job_id, place=state.place, card=card.where, embed=embed.to_dict())
        await self.store.forget(transcript.transcript_id, ending.model_dump_json())
        log.info("import_ended", transcript_id=transcript.transcript_id, cancelled=problem is None)

    async def _cancel_training(self, job_id: str, card: tuple[int, int] | None) -> bool:
        """Cancel the training instead, if it was entered although its reply was lost; it has the card then."""
        stored = await self.queue.load(job_id)
        if stored is None or not isinstance(stored.job, TrainJob):
            return False
        await self.queue.cancel(job_id)
        self.delivery.follow(stored.job, card)
        return True

    async def _tell(self, transcript_id: str) -> None:
        """Show how an import ended, however long Discord or Redis is away; nothing if that is not to be told.

        The ending is dropped only afterwards: after a crash in between the card is edited once more, to the same.
        """
        data = await _patiently(lambda: reply(self.connection.hget(keys.READINGS_ENDED, transcript_id)))
        if data is None:
            return
        try:
            ending = Ending.model_validate_json(data)
        except ValidationError as error:  # of another version, which may come back
            log.error("ending_not_understood", transcript_id=transcript_id, fields=error.error_count())
            return
        place = ending.place
        card, embed = self._message(ending.job_id, place, ending.card), discord.Embed.from_dict(ending.embed)

        async def put() -> None:
            async with asyncio.timeout(_PUT_WITHIN_S):
                await card.put(embed, [], None)

        with job_context(ending.job_id, guild_id=place.guild_id, channel_id=place.channel_id):
            try:
                await _patiently(put)
            except DISCORD_ERRORS as error:  # not transient: those are tried again
                log.warning("import_not_shown", error=type(error).__name__)
        await _patiently(lambda: reply(self.connection.hdel(keys.READINGS_ENDED, transcript_id)))

    # ------------------------------------------------------------------ card

    def _message(self, job_id: str, place: Place, where: tuple[int, int] | None) -> CardMessage:
        return CardMessage(self.client, self.settings, place, where, functools.partial(_nonce, job_id))

    async def _card(self, transcript: Transcript, problem: str = "") -> discord.Embed:
        people = len(await self.store.members(transcript.transcript_id))
        return embeds.importing(transcript, ImportState.of(transcript), people, problem)

    async def _show(self, transcript_id: str, card: CardMessage, problem: str = "") -> None:
        """Show how far it is, and keep where a new card is. No trouble with either stops the reading."""
        before = card.where
        try:
            current = await self.store.load(transcript_id)
            if current is None or current.reading is None:
                return
            buttons = embeds.import_buttons(ImportState.of(current).job_id)
            await card.put(await self._card(current, problem), [], buttons)
            if card.where is not None and card.where != before:
                await self.store.save_card(transcript_id, card.where)
        except RedisError as error:
            log.warning("redis_unreachable", error=type(error).__name__)
        except DISCORD_ERRORS as error:
            log.warning("import_not_shown", error=type(error).__name__)


async def _patiently(call: Callable[[], Awaitable[Any]]) -> Any:
    return await retry(call, "import_waits", pauses_s=backoff(*RETRY_S))


def _nonce(job_id: str, before: int = 0) -> str:
    """As `bot.jobs.client.card_nonce`, of the import's card, which the training's follows."""
    return jobs.card_nonce(f"r{job_id}", before)


def _newest_id() -> int:
    """The highest id that Discord can have given by now."""
    return discord.utils.time_snowflake(discord.utils.utcnow(), high=True)


def _explained(error: Exception) -> UserError:
    match error:
        case UserError():
            return error
        case discord.HTTPException() if error.code in (MISSING_ACCESS, MISSING_PERMISSIONS):
            return UserError(
                "Discord doesn't let me read it.", "A server admin can give me Read Message History in the channel."
            )
        case discord.NotFound() if is_gone(error):
            return UserError("The channel is gone.", "Name another one.")
        case _:
            log.error("import_failed", exc_info=error)
            return UserError(
                "Something went wrong on my side.",
                "It was logged; try again, and tell the bot's operator if it keeps happening.",
            )
