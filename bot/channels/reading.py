"""One reading, from its first page to the training that learns it."""

from __future__ import annotations

import asyncio
import functools
import time
from typing import TYPE_CHECKING

import discord
import structlog
from redis.exceptions import RedisError

from bot import cards
from bot.channels import import_embeds, sources
from bot.channels.endings import Ending, tell
from bot.channels.import_buttons import reading_buttons
from bot.channels.reader import Reader, ReadingState, ServerAway
from bot.channels.reading_card import card_nonce, facts_of
from bot.channels.store import Transcript
from bot.failures import AWAY, MISSING_ACCESS, MISSING_PERMISSIONS, TRANSIENT, is_gone, passing
from bot.jobs.card_message import CardMessage
from shared.corpora import unpacked_limit
from shared.corpora.corpus import slugify
from shared.errors import UserError
from shared.jobs import CorpusInfo, TrainJob
from shared.logging import job_context
from shared.models import ModelRecord

if TYPE_CHECKING:
    from bot.client import Galvanic

_LICENCES = {
    "opt-in": "Messages of this server's members, used with their consent.",
    "opt-out": "Messages of this server's members who have not objected.",
}
RETRY_S = (2.0, 5.0, 15.0, 60.0)
"""Between tries while Discord or Redis are in trouble; the last one from then on."""
_CARD_S = 3.0
_NO_LIMIT = 1_000_000

log = structlog.get_logger()


def state_of(transcript: Transcript) -> ReadingState:
    """How far the reading of a transcript is that is being read."""
    assert transcript.reading is not None
    return ReadingState.model_validate_json(transcript.reading)


class Reading:
    """One reading.

    Args:
        bot: the bot.
        transcript_id: what is being read.
        cancelled: transcripts whose reading somebody cancelled in this run of the bot.
    """

    def __init__(self, bot: Galvanic, transcript_id: str, cancelled: set[str]) -> None:
        self._bot = bot
        self._store = bot.transcripts
        self._transcript_id = transcript_id
        self._cancelled = cancelled

    async def run(self) -> None:
        """Read to the end, whatever trouble there is on the way, and tell of the end."""
        await self._run()
        self._cancelled.discard(self._transcript_id)
        await tell(self._bot, self._transcript_id)

    async def _run(self) -> None:
        tries, before = 0, -1
        message: CardMessage | None = None
        problem: UserError | None = None
        while (transcript := await self._load()) is not None:
            state = state_of(transcript)
            tries = 0 if state.read > before else tries + 1
            before = state.read
            if transcript.cancelled:
                self._cancelled.add(transcript.transcript_id)
            if message is None:
                nonce = functools.partial(card_nonce, state.job_id)
                message = CardMessage(self._bot, self._bot.settings, state.place, transcript.card, nonce)
            info = transcript.info
            with job_context(state.job_id, guild_id=info.guild_id, channel_id=info.source_id):
                try:
                    if problem is None and transcript.transcript_id not in self._cancelled:
                        await self._read(transcript, message)
                    else:
                        await self._end(transcript, message, problem)
                    return
                except Exception as error:
                    if problem is None and not passing(error) and not isinstance(error, (ServerAway, RedisError)):
                        problem = _explained(error)
                        continue
                    # Redis may also refuse to write for a while: it has no room, or was only just made a primary.
                    log.warning("reading_interrupted", error=type(error).__name__, tries=tries)
                    if not isinstance(error, (RedisError, *AWAY)):
                        said = "Discord is having trouble; I go on as soon as it is over."
                        await self._show(transcript, message, said)
            await asyncio.sleep(RETRY_S[min(tries, len(RETRY_S) - 1)])

    async def _load(self) -> Transcript | None:
        """What is being read, however long Redis is away; None when that is over."""
        while True:
            try:
                transcript = await self._store.load(self._transcript_id)
            except RedisError as error:
                log.warning("redis_unreachable", transcript_id=self._transcript_id, error=type(error).__name__)
                await asyncio.sleep(RETRY_S[1])
            else:
                return transcript if transcript is not None and transcript.reading is not None else None

    async def _read(self, transcript: Transcript, message: CardMessage) -> None:
        """Read all that is left, and have it learned.

        Raises:
            UserError: it may no longer be read, or there is too little.
            Exception: the trouble that interrupted it.
        """
        info = transcript.info
        assert transcript.reading is not None
        reader = Reader(self._bot, info, transcript.reading, await self._store.names(info.transcript_id))
        shown = time.monotonic() if message.where is not None else float("-inf")
        while not reader.state.done and info.transcript_id not in self._cancelled:
            await self._require_allowed(transcript)
            await reader.page()
            if time.monotonic() - shown >= max(_CARD_S, self._bot.settings.card_interval_s):
                await self._shorten()
                await self._show(transcript, message)
                shown = time.monotonic()
            await asyncio.sleep(0)  # whatever answers at once must not keep others from their turn
        if reader.left:
            await self._bot.withdrawals.withdraw(info.guild_id, reader.left, why="left")
        await self._hand_over(transcript, reader.state, message)

    async def _require_allowed(self, transcript: Transcript) -> None:
        """Refuse to go on where that was forbidden since, or not everybody at the card could read it any more.

        Raises:
            UserError: says so.
        """
        info, place = transcript.info, state_of(transcript).place
        room = self._bot.get_channel(info.channel_id)
        guild = self._bot.get_guild(info.guild_id)
        if guild is None or guild.unavailable:  # after a start, nothing is known of its channels then
            raise ServerAway
        if not isinstance(room, discord.TextChannel | discord.ForumChannel):
            raise UserError("The channel is gone.", "Name another one.")
        await sources.require_allowed(self._bot, room)
        here = guild.get_channel_or_thread(place.channel_id) or guild.get_channel(place.parent_channel_id or 0)
        if here is None or not self._bot.audience.reads(guild, here, room):
            raise UserError(
                "This channel is read by people who can't read that one any more.",
                "Give the command where only its readers are.",
            )

    async def _hand_over(self, transcript: Transcript, state: ReadingState, message: CardMessage) -> None:
        """Have what was read learned."""
        info = transcript.info
        members = await self._store.members(info.transcript_id)
        refused = (await self._bot.consents.of(info.guild_id, members.keys())).refused(members)
        await self._store.note_withdrawn(info.transcript_id, refused)
        await self._store.purge(info.transcript_id)
        await self._shorten()
        await self._require_allowed(transcript)
        if info.transcript_id in self._cancelled:
            await self._end(transcript, message, None)
            return
        current = await self._store.load(info.transcript_id)
        assert current is not None
        parent = await self._bot.registry.record(state.parent.model_id) if state.parent is not None else None
        job = self._job(current, state, parent)
        if current.chars < self._bot.settings.corpus_min_chars:
            raise await self._too_short(current)
        queue, delivery = self._bot.queue, self._bot.delivery
        with delivery.reserved(job.job_id):
            card = message.where
            await queue.submit_train(job, None, card, (_NO_LIMIT, _NO_LIMIT), entry=info.transcript_id)
            if await self._store.complete(info.transcript_id):
                await queue.cancel(job.job_id)
            delivery.follow(job, card)
        log.info(
            "reading_done", messages=state.read, lines=current.lines, chars=current.chars, left_out=current.left_out
        )
        await self._drop_older(current)

    async def _shorten(self) -> None:
        """Leave out the oldest part of what is longer than a worker accepts, before it fills Redis."""
        async with self._store.lock(self._transcript_id):
            await self._store.drop_oldest(self._transcript_id, unpacked_limit(self._bot.settings))

    def _job(self, transcript: Transcript, state: ReadingState, parent: ModelRecord | None) -> TrainJob:
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
                licence=_LICENCES.get(self._bot.settings.channel_training, ""),
                hard_wrapped=False,
                transcript=transcript.info.ref(transcript.revision.now),
            ),
            options=state.options,
            parent=state.parent,
            parent_transcripts=parent.transcripts if parent is not None else None,
            replaces=state.replaces,
        )

    async def _too_short(self, transcript: Transcript) -> UserError:
        info, least = transcript.info, self._bot.settings.corpus_min_chars
        people = len(await self._store.members(info.transcript_id))
        prefix = await self._bot.guild_settings.prefix(info.guild_id)
        since = " since the last time" if info.after else ""
        return UserError(
            f"I found {cards.count(transcript.chars, 'character')}{since} by {cards.count(people, 'member')} who "
            "agreed; "
            f"at least {least:,} are needed.",
            f"Members agree with `{prefix}optin`; `{prefix}privacy` tells them what that means."
            if not info.after
            else "Try again when more was said.",
        )

    async def _drop_older(self, transcript: Transcript) -> None:
        """Drop the words of earlier readings of the same messages that no training needs any more."""
        info = transcript.info
        outlook = await self._bot.outlook.look(now=True)
        needed = {one.job.corpus.transcript.transcript_id for one in outlook.standings if one.job.corpus.transcript}
        for other in await self._store.all(info.guild_id):
            same = other.info.source_id == info.source_id and other.info.after >= info.after
            if same and other.reading is None and other.info.until < info.until and other.transcript_id not in needed:
                await self._store.drop_text(other.transcript_id)

    async def _end(self, transcript: Transcript, message: CardMessage, problem: UserError | None) -> None:
        """Keep nothing but why, which is told then. `problem` None: somebody cancelled it."""
        facts, state = await facts_of(self._bot, transcript), state_of(transcript)
        if problem is None and await self._cancel_training(state.job_id, message.where):
            await self._store.forget(transcript.transcript_id)
            return
        embed = (
            import_embeds.reading_failed(facts, problem)
            if problem is not None
            else import_embeds.reading_cancelled(facts)
        )
        ending = Ending(job_id=state.job_id, place=state.place, card=message.where, embed=embed.to_dict())
        await self._store.forget(transcript.transcript_id, ending.model_dump_json())
        log.info("reading_ended", transcript_id=transcript.transcript_id, cancelled=problem is None)

    async def _cancel_training(self, job_id: str, card: tuple[int, int] | None) -> bool:
        """Cancel the training instead, if it was entered although its reply was lost; the card is that of it then."""
        stored = await self._bot.queue.load(job_id)
        if stored is None or not isinstance(stored.job, TrainJob):
            return False
        await self._bot.queue.cancel(job_id)
        self._bot.delivery.follow(stored.job, card)
        return True

    async def _show(self, transcript: Transcript, message: CardMessage, problem: str = "") -> None:
        """Show how far it is, and keep where the card is should it be a fresh one."""
        before = message.where
        try:
            current = await self._store.load(transcript.transcript_id)
            if current is None or current.reading is None:
                return
            embed = import_embeds.reading(await facts_of(self._bot, current), problem)
            await self._put(message, embed, reading_buttons(transcript.transcript_id))
            if message.where is not None and message.where != before:
                await self._store.save_card(transcript.transcript_id, message.where)
        except RedisError as error:  # the next time
            log.warning("redis_unreachable", error=type(error).__name__)

    async def _put(self, message: CardMessage, embed: discord.Embed, view: discord.ui.View) -> None:
        """Show a card; that Discord does not take it is no reason to stop reading."""
        try:
            await message.put(embed, [], view)
        except (discord.HTTPException, *TRANSIENT) as error:
            log.warning("reading_not_shown", error=type(error).__name__)


def _explained(error: Exception) -> UserError:
    """What to tell people about a reading that cannot go on."""
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
            log.error("reading_failed", exc_info=error)
            return UserError(
                "Something went wrong on my side.",
                "It was logged; try again, and tell the bot's operator if it keeps happening.",
            )
