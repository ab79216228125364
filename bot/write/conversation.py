"""Conversations that a chat answer continues: the bot's words and those spoken to it, up a chain of replies or in a
thread. All of it is on Discord, so it is the same after a restart."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import discord
import structlog

from bot.background import unless_refused
from bot.core import Core
from bot.models.registry import Registry
from bot.options.decoding import is_said, is_written, job_shown_in, message_text, replied_to, to_bot
from bot.servers.access import Actor
from bot.write.changes import full_text
from bot.write.generate import Generating
from galvanic.errors import UserError
from galvanic.read.chat import line_by
from galvanic.read.cleaning import clean
from shared.blocklist import MASK
from shared.events import Generated
from shared.jobs import MOST_CANDIDATES, GenerateJob, Piece, authors_of
from shared.models import ModelRecord

CHAT_LENGTH = 200  # most characters of an answer in a chat, of a persona's, and of what is said unasked
MOST_TURNS = 6  # before the words that are answered
MOST_CHARS = 400
"""Most characters of the seed. What lies more than 300 characters back changed no loss by 0.001 nats (decision 119)."""
_MOST_FETCHED = 3  # messages, one request each; each comes with the one that it replies to
_LOOKED_THROUGH = 30  # messages of a thread, in one request
ME, STRANGER = "Echo", "Guest"  # names of no member: they are none of `galvanic.read.pseudonyms.NAMES`

log = structlog.get_logger()


class Turn(NamedTuple):
    """Words said by the bot (`speaker` None) or to it. `author`: whose words they are; None: the bot's."""

    speaker: int | None
    text: str
    author: int | None


@dataclass(frozen=True)
class Conversation:
    """Collects the turns that an answer continues, and makes the job that writes it."""

    core: Core
    registry: Registry
    generating: Generating

    async def job(self, actor: Actor, model: ModelRecord, turns: Sequence[Turn], letter: str = "c") -> GenerateJob:
        """Return the job in which `model` continues `turns`; without any, it begins a line of its own."""
        names = await self._names(turns, model)
        lines = [(turn.author, _line(turn, names)) for turn in turns]
        kept: list[tuple[int | None, str]] = []
        for author, line in reversed(lines):
            if kept and (not line or len(line) > MOST_CHARS - sum(len(kept_line) for _, kept_line in kept)):
                break
            kept.insert(0, (author, line))
        if names is not None:
            kept.append((None, line_by(ME, "")))
        pieces = tuple(Piece(chars=len(line), author_id=author) for author, line in kept)
        return await self.generating.job(
            actor,
            [model],
            "".join(line for _, line in kept),
            letter=letter,
            length=min(CHAT_LENGTH, self.core.settings.generate_max_length),
            stop="sentence",
            shown=0,
            author_id=turns[-1].author if turns else None,
            pieces=pieces if len({author for author, _ in kept}) > 1 else (),
            one_line=names is not None,
            # Of the recipe `classic` each would take a thousand times as long.
            candidates=1 if model.recipe == "classic" or not turns else MOST_CANDIDATES,
        )

    async def turns(self, actor: Actor, message: discord.Message, words: str) -> list[Turn]:
        """Return the turns that an answer to `words`, which `message` has, continues, the oldest first."""
        turns = [Turn(actor.user.id, words, actor.user.id)]
        # There is always something to answer: the words themselves.
        with unless_refused(log.info, "conversation_not_read", channel_id=actor.place.channel_id):
            async for turn in self._earlier(actor, message):
                turns.insert(0, turn)
                if len(turns) > MOST_TURNS:
                    break
        return turns

    async def _earlier(self, actor: Actor, message: discord.Message) -> AsyncIterator[Turn]:
        """Yield what a message replies to, and that, and so on, then the words in a thread before these.

        Ends at a message that is deleted, or was neither said by the bot nor to it.
        """
        fetched = 0
        while (reference := message.reference) is not None:
            fetched += not isinstance(reference.resolved, discord.Message)
            gone = isinstance(reference.resolved, discord.DeletedReferencedMessage)
            if gone or reference.channel_id != message.channel.id or fetched > _MOST_FETCHED:
                return
            above = await replied_to(message)
            if above is None:
                return
            if is_written(above, self._me):
                if (turn := await self._written(actor, above)) is not None:
                    yield turn  # it has the words that it was made of
                return
            persona = above.webhook_id is not None and await self.core.jobs.shown_in(above.id) is not None
            own = Turn(None, message_text(above), None) if persona else None
            if (turn := own or self._spoken(above, answered=is_said(message, self._me))) is None:
                return
            yield turn
            message = above
        if isinstance(message.channel, discord.Thread):
            async for earlier in message.channel.history(limit=_LOOKED_THROUGH, before=message):
                if (turn := self._spoken(earlier)) is not None:
                    yield turn

    @property
    def _me(self) -> int:
        me = self.core.bot.user
        return me.id if me is not None else 0

    def _spoken(self, message: discord.Message, *, answered: bool = False) -> Turn | None:
        """Return a message as a turn; None: not the bot's nor to it. `answered`: by the bot; a mention was enough."""
        if is_said(message, self._me):
            return Turn(None, message_text(message).replace(MASK, ""), None)
        author = message.author
        if author.bot or message.webhook_id is not None:
            return None
        words = to_bot(message, self._me)
        if words is None and answered and any(user.id == self._me for user in message.mentions):
            words = message.content.strip()
        return Turn(author.id, words, author.id) if words else None

    async def _written(self, actor: Actor, message: discord.Message) -> Turn | None:
        """Return a text that somebody asked for, as all of theirs: with their words. None: it was forgotten."""
        try:
            job, answer = await self.generating.answered(actor, job_shown_in(message, "continue") or "")
        except UserError:
            return None
        if not isinstance(job, GenerateJob) or not isinstance(answer, Generated) or len(authors_of(job)) > 1:
            return None
        text = full_text(job, answer).replace(MASK, "")[-MOST_CHARS // 2 :]
        return Turn(None, text, None if job.from_line or job.from_corpus else next(iter(authors_of(job))))

    # ------------------------------------------------------------------ names of speakers

    async def _names(self, turns: Sequence[Turn], model: ModelRecord) -> dict[int | None, str] | None:
        """Return the name of each speaker in the lines that a model learned; None: these have no names."""
        note = await self.registry.notes.own(model)
        if note is None or not note.speakers:
            return None
        names: dict[int | None, str] = {None: ME}
        for number, user_id in enumerate(sorted({turn.speaker for turn in turns if turn.speaker is not None}), 1):
            names[user_id] = STRANGER if number == 1 else f"{STRANGER} {number}"
        return names


def _line(turn: Turn, names: dict[int | None, str] | None) -> str:
    """Return a turn as a line: with its speaker's name and cleaned, or (no names) as it was said."""
    if names is None:
        return f"{turn.text.strip()[-MOST_CHARS:]}\n"
    one_line = " ".join(turn.text.split())
    return f"{line_by(names[turn.speaker], (clean(turn.text) or one_line)[-MOST_CHARS:])}\n"
