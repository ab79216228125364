"""Reads a channel page by page, the oldest messages first, and keeps the lines of members who agree.

How far the reading is, is kept in one step with each page: after a crash it goes on with the next one.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import discord
import structlog

from bot.channels.consent import ConsentStore
from bot.channels.pages import PageStore, ReadingState
from bot.channels.sources import Room
from bot.core import Core
from bot.errors import is_gone
from bot.options.decoding import mentions_of_bot
from galvanic.read.cleaning import clean, is_command
from shared.corpora.corpus import size_limit
from shared.corpora.lines import Line
from shared.jobs import ChannelReading

PAGE = 100  # messages of one request: Discord's limit
_LONG = 400  # a message of more characters is long; the worst 4,000 take 3 to 7 ms to clean

log = structlog.get_logger()


@dataclass(eq=False, repr=False)
class Reader:
    """Reads one channel into pages."""

    core: Core
    pages: PageStore
    consents: ConsentStore
    guild_id: int
    reading: ChannelReading
    state: ReadingState

    async def page(self) -> None:
        """Read one more page; after an error the same page may be read again.

        Raises discord.HTTPException: Discord refuses it, or is in trouble; redis.RedisError: Redis cannot be reached;
        PagesMoved: the pages are not as they were.
        """
        before, lines = self.state, list[Line]()
        if before.sources is None:
            state = before.model_copy(update={"sources": await self._sources(), "cursor": self.reading.after})
        else:
            messages = await self._fetch(before.sources[before.at])
            messages = [message for message in messages if message.id <= self.reading.until]
            lines = await self._lines(messages)
            ended = len(messages) < PAGE
            progress = {
                "read": before.read + len(messages),
                "at": before.at + ended,
                "first": 0 if ended else before.first or messages[0].id,
                "cursor": self.reading.after if ended else messages[-1].id,
            }
            state = before.model_copy(update=progress)
        most_bytes = size_limit(self.core.settings)
        reading_id = self.reading.reading_id
        self.state = await self.pages.append(self.guild_id, reading_id, before, state, lines, most_bytes)

    async def _fetch(self, source_id: int) -> list[discord.Message]:
        """Return the next messages of the channel or a thread; none of a thread that was deleted meanwhile."""
        place = self.core.bot.get_partial_messageable(source_id, guild_id=self.guild_id)
        try:
            messages = place.history(limit=PAGE, after=discord.Object(self.state.cursor), oldest_first=True)
            return [message async for message in messages]
        except discord.NotFound as error:
            if source_id == self.reading.source_id or not is_gone(error):
                raise
            log.info("thread_is_gone", thread_id=source_id)
            return []

    async def _sources(self) -> tuple[int, ...]:
        """Return the public threads (private ones have fewer readers), oldest first, and the channel; or one thread.

        Of a text that gets too long, the pages that were read first go: the channel's newest words are read last.
        """
        channel = await self.core.bot.fetch_channel(self.reading.source_id)
        if isinstance(channel, discord.Thread):
            return (channel.id,)
        if not isinstance(channel, Room):
            return ()
        threads = {thread.id for thread in channel.threads if not thread.is_private()}
        threads |= {thread.id async for thread in channel.archived_threads(limit=None)}
        own = (channel.id,) if isinstance(channel, discord.TextChannel) else ()
        return (*sorted(threads), *own)

    async def _lines(self, messages: Sequence[discord.Message]) -> list[Line]:
        """Return a page's lines to keep. Consent is checked again when they become the text."""
        prefixes = await prefixes_of(self.core, self.guild_id)
        consents = await self.consents.of(self.guild_id, {message.author.id for message in messages})
        lines = []
        for number, message in enumerate(messages):
            if number % 10 == 0 or len(message.content) > _LONG:
                await asyncio.sleep(0)  # messages built to take long must not hold up the bot
            author_id = message.author.id
            if (
                self.reading.author_id in (0, author_id)
                and consents.includes(author_id, message.id)
                and is_speech(message, prefixes)
                and (text := clean(message.content))
            ):
                lines.append(Line(message.id, author_id, text))
        return lines


async def prefixes_of(core: Core, guild_id: int) -> list[str]:
    """Return the prefixes of commands to this bot in a server, as they are in a message's raw content."""
    assert core.bot.user is not None
    return [await core.servers.prefix(guild_id), *mentions_of_bot(core.bot.get_guild(guild_id), core.bot.user.id)]


def is_speech(message: discord.Message, prefixes: Sequence[str]) -> bool:
    """Return whether a person says something: not a bot, a webhook, Discord itself, or a command to a bot."""
    return (
        not message.author.bot
        and message.webhook_id is None
        and message.type in (discord.MessageType.default, discord.MessageType.reply)
        and bool(message.content)
        and not is_command(message.content, prefixes)
    )
