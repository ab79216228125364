"""Finds what happened to messages while nobody told the bot: it was off, or Discord began a new session with it.

Discord does not say afterwards what was deleted or edited. So the messages whose words are kept are asked for once
more, slowly, a page (100 messages, one request) at a time, and what differs is passed on to the watch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import discord
import structlog
from discord.ext import commands
from redis.exceptions import RedisError

from bot.background import end, is_transient
from bot.channels.reader import PAGE
from bot.channels.store import Line, TranscriptStore
from bot.channels.watch import Watch
from bot.errors import MISSING_ACCESS, MISSING_PERMISSIONS, is_gone
from shared.transcripts import TranscriptInfo

PAUSE_S = 0.5
"""Between two requests; people's commands, and imports, need Discord's limits, too."""
_TRY_AGAIN_S = 10.0

log = structlog.get_logger()


@dataclass(eq=False, repr=False)
class Recheck(commands.Cog):
    client: discord.Client
    store: TranscriptStore
    watch: Watch
    _task: asyncio.Task[None] | None = field(init=False, default=None)
    _away: set[int] = field(init=False, default_factory=set)
    """Servers that Discord does not show, or did not when they were to be looked at."""

    async def cog_unload(self) -> None:
        """The next start looks from the beginning."""
        await end(self._task)

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """A new session: what happened before was not heard. One that is only resumed lost nothing."""
        await self.cog_unload()
        self._task = asyncio.create_task(self._look())

    @commands.Cog.listener()
    async def on_guild_unavailable(self, guild: discord.Guild) -> None:
        self._away.add(guild.id)

    @commands.Cog.listener()
    async def on_guild_available(self, guild: discord.Guild) -> None:
        if guild.id in self._away:
            self._away.discard(guild.id)
            await self.on_ready()

    async def _look(self) -> None:
        """Compare each transcript whose words are kept, however long it takes."""
        done: set[str] = set()
        while True:
            try:
                for info in await self.store.known():
                    if info.transcript_id not in done:
                        await self._compare(info)
                        done.add(info.transcript_id)
                return
            except Exception as error:
                if not is_transient(error) and not isinstance(error, RedisError):
                    log.exception("changes_not_looked_up")
                    return  # until the next session
                log.warning("changes_not_looked_up", error=type(error).__name__)
            await asyncio.sleep(_TRY_AGAIN_S)

    async def _compare(self, info: TranscriptInfo) -> None:
        """Raises discord.HTTPException: Discord is in trouble; redis.RedisError: Redis cannot be reached."""
        deleted = edited = 0
        closed: set[int] = set()
        async for _, page in self.store.pages(info.transcript_id):
            place_id = page[0].thread_id or info.source_id
            if place_id in closed:
                continue
            messages = await self._ask(info, place_id, page)
            if messages is None:
                closed.add(place_id)
                continue
            there = {message.id: message for message in messages}
            # A full answer may end before the page does: of what comes after it nothing is known.
            end_id = messages[-1].id if len(messages) == PAGE else page[-1].message_id
            for line in page:
                message = there.get(line.message_id)
                # Its line may be the right one already, if it was edited since the transcript was begun.
                at = message.edited_at if message is not None else None
                if message is None and line.message_id <= end_id:
                    deleted += 1
                elif at is not None and at.timestamp() > info.created_at:
                    edited += 1
                else:
                    continue
                self.watch.hear(info.guild_id, place_id, line.message_id, message)
            await asyncio.sleep(PAUSE_S)
        if deleted or edited:
            which = {"transcript_id": info.transcript_id, "guild_id": info.guild_id}
            log.info("changes_looked_up", deleted=deleted, edited=edited, **which)

    async def _ask(self, info: TranscriptInfo, place_id: int, page: Sequence[Line]) -> list[discord.Message] | None:
        """The messages from a page's first on; None: the bot cannot read there now, which tells nothing of them.

        Without Read Message History Discord shows no message, instead of refusing.
        """
        guild = self.client.get_guild(info.guild_id)
        if guild is None or guild.unavailable:
            self._away.add(info.guild_id)
            return None
        room = guild.get_channel_or_thread(info.channel_id)
        rights = room.permissions_for(guild.me) if room is not None else discord.Permissions.none()
        if not (rights.view_channel and rights.read_message_history):
            return None
        place = self.client.get_partial_messageable(place_id, guild_id=info.guild_id)
        after = discord.Object(page[0].message_id - 1)
        try:
            return [message async for message in place.history(limit=PAGE, after=after, oldest_first=True)]
        except discord.HTTPException as error:
            if not is_gone(error) and error.code not in (MISSING_ACCESS, MISSING_PERMISSIONS):
                raise
            if is_gone(error) and place_id != info.source_id:
                self.watch.hear_thread(info.guild_id, place_id, info.source_id)
            return None
