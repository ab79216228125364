"""Reads a channel page by page, oldest messages first, and keeps what members said who agreed.

Where the reading is, is kept in one step with each page: after a crash it goes on with the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import discord
import structlog
from pydantic import BaseModel, ConfigDict

from bot.channels.cleaning import clean, is_command
from bot.channels.pseudonyms import Pseudonyms
from bot.channels.store import Line, said_by
from bot.failures import is_gone
from bot.servers.membership import is_member
from shared.jobs import ModelRef, Place, Snowflake, TrainOptions
from shared.transcripts import TranscriptInfo

if TYPE_CHECKING:
    from bot.channels.consent import Consents
    from bot.client import Galvanic

PAGE = 100
"""Messages of one request: Discord's limit."""
_CHARS_AT_ONCE = 4_000
"""Cleaned before others have their turn: 3 to 7 ms of the worst there is."""
_SPEECH = (discord.MessageType.default, discord.MessageType.reply)

log = structlog.get_logger()


class ReadingState(BaseModel):
    """How far a reading is, and what is to come of it; kept in Redis with each page.

    Attributes:
        job_id, place, options, parent, replaces: of the training that follows (`TrainJob`).
        channel_name: of what is read.
        began: seconds since the epoch.
        sources: the channel and its threads, in the order in which they are read; None: not looked up yet.
        at: which of them is being read.
        first, cursor: the first message of it, and the last one that was read; first 0: none was.
        read: messages so far, of anybody.
        reached: id of the newest message so far.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    job_id: str
    place: Place
    options: TrainOptions
    parent: ModelRef | None = None
    replaces: str | None = None
    channel_name: str
    began: float
    sources: tuple[Snowflake, ...] | None = None
    at: int = 0
    first: Snowflake = 0
    cursor: Snowflake = 0
    read: int = 0
    reached: Snowflake = 0

    @property
    def done(self) -> bool:
        """Whether all was read."""
        return self.sources is not None and self.at >= len(self.sources)


class ServerAway(Exception):
    """Discord does not show the server now; an outage of it looks like that."""


class Reader:
    """Reads one channel into a transcript.

    Args:
        bot: the bot.
        info: the transcript.
        kept: how far it is, as it is kept (`ReadingState`, JSON).
        names: pseudonyms that are in it already.
    """

    def __init__(self, bot: Galvanic, info: TranscriptInfo, kept: str, names: dict[int, str]) -> None:
        self._bot = bot
        self._info = info
        self._kept = kept
        self.state = ReadingState.model_validate_json(kept)
        self._names = Pseudonyms(names)
        self._saved = set(names)
        self._present: dict[int, bool] = {}
        self._uncounted = 0  # characters since others last had their turn

    @property
    def left(self) -> list[int]:
        """Members who agreed once, and have left the server: their words were not taken."""
        return [user_id for user_id, there in self._present.items() if not there]

    async def page(self) -> None:
        """Read one more page.

        Raises:
            discord.HTTPException: Discord refuses it, or is in trouble.
            redis.RedisError: Redis cannot be reached.
            ServerAway: the server is not there now. Whichever it was, the same page may be read again.
        """
        if self.state.sources is None:
            sources = await self._sources()
            await self._keep([], self.state.model_copy(update={"sources": sources, "cursor": self._info.after}))
            return
        found = await self._fetch(self.state.sources[self.state.at])
        messages = [message for message in found if message.id <= self._info.until]
        await self._look_for(messages)
        async with self._bot.transcripts.lock(self._info.transcript_id):
            lines = await self._lines(messages)
            await self._keep(lines, self._after(messages, ended=len(messages) < PAGE))

    async def _keep(self, lines: list[Line], state: ReadingState) -> None:
        """Keep a page, and how far the reading is with it, unless somebody else went on with it meanwhile."""
        kept = state.model_dump_json()
        names = {who: name for who, name in self._names.as_dict().items() if who not in self._saved}
        self._saved |= await self._bot.transcripts.append(
            self._info.transcript_id, lines, kept, names, after=self._kept, consents=self._bot.consents
        )
        self._kept, self.state = kept, state

    async def _fetch(self, source_id: int) -> list[discord.Message]:
        """The next messages of the channel or of one of its threads; of a thread that was deleted meanwhile none."""
        source = self._bot.get_partial_messageable(source_id, guild_id=self._info.guild_id)
        after = discord.Object(self.state.cursor)
        try:
            return [message async for message in source.history(limit=PAGE, after=after, oldest_first=True)]
        except discord.NotFound as error:
            if source_id == self._info.source_id or not is_gone(error):
                raise
            log.info("thread_is_gone", thread_id=source_id)
            return []

    def _after(self, messages: Sequence[discord.Message], *, ended: bool) -> ReadingState:
        newest = messages[-1].id if messages else self.state.cursor
        return self.state.model_copy(
            update={
                "read": self.state.read + len(messages),
                "reached": max(self.state.reached, newest if messages else 0),
                "at": self.state.at + ended,
                "first": 0 if ended or not messages else self.state.first or messages[0].id,
                "cursor": self._info.after if ended else newest,
            }
        )

    async def _sources(self) -> tuple[int, ...]:
        """The channel and the public threads of it, the oldest first; of a thread only itself.

        A private thread is read by fewer people than the channel, so it is never part of it.
        """
        channel = await self._bot.fetch_channel(self._info.source_id)
        if isinstance(channel, discord.Thread):
            return (channel.id,)
        if not isinstance(channel, discord.TextChannel | discord.ForumChannel):
            return ()
        known = self._bot.get_channel(channel.id)
        active = known.threads if isinstance(known, discord.TextChannel | discord.ForumChannel) else []
        threads = {thread.id for thread in active if not thread.is_private()}
        threads |= {thread.id async for thread in channel.archived_threads(limit=None)}
        own = (channel.id,) if isinstance(channel, discord.TextChannel) else ()
        return (*own, *sorted(threads))

    async def _look_for(self, messages: Sequence[discord.Message]) -> None:
        """Ask Discord once about each author who agreed whether they are still in the server."""
        consents = await self._consents(messages)
        for message in messages:
            author = message.author
            if author.id not in self._present and not author.bot and consents.includes(author.id, message.id):
                self._present[author.id] = await self._is_member(author.id)

    async def _is_member(self, user_id: int) -> bool:
        guild = self._bot.get_guild(self._info.guild_id)
        if guild is None:
            raise ServerAway
        return await is_member(guild, user_id)

    async def _lines(self, messages: Sequence[discord.Message]) -> list[Line]:
        """What is to be kept of a page; whose consent has ended by then is left out when it is added."""
        prefixes = await prefixes_of(self._bot, self._info.guild_id)
        consents = await self._consents(messages)
        said = [
            message
            for message in messages
            if consents.includes(message.author.id, message.id)
            and self._present.get(message.author.id, False)
            and is_speech(message, prefixes)
        ]
        source_id = self.state.sources[self.state.at] if self.state.sources is not None else self._info.source_id
        thread_id = source_id if source_id != self._info.source_id else 0
        lines = []
        for message in said:
            text = await self._cleaned(message.content)
            if text and self._info.speakers:
                text = said_by(self._names.of(message.author.id), text)
            if text:
                lines.append(Line(message.id, message.author.id, text, thread_id))
        return lines

    async def _consents(self, messages: Sequence[discord.Message]) -> Consents:
        return await self._bot.consents.of(self._info.guild_id, {message.author.id for message in messages})

    async def _cleaned(self, content: str) -> str:
        """One message's line. A message that was built to take long must not hold up the rest of the bot."""
        self._uncounted += len(content)
        if self._uncounted > _CHARS_AT_ONCE:
            self._uncounted = 0
            await asyncio.sleep(0)
        return clean([content])[0]


async def prefixes_of(bot: Galvanic, guild_id: int) -> list[str]:
    """What a command to this bot begins with in a server, in a message's raw content."""
    own = [f"<@{bot.user.id}>"] if bot.user is not None else []
    return [await bot.guild_settings.prefix(guild_id), *own]


def is_speech(message: discord.Message, prefixes: Sequence[str]) -> bool:
    """Whether a person says something: not a bot, a webhook, Discord itself, or a command to a bot."""
    return (
        not message.author.bot
        and message.webhook_id is None
        and message.type in _SPEECH
        and bool(message.content)
        and not is_command(message.content, prefixes)
    )
