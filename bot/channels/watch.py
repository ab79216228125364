"""What happens on Discord to messages that transcripts hold: deleted and edited ones, threads and channels that go.

Events are only kept in memory when they come. One task notes them in Redis at once (while that is away they wait), and
takes the words out a little later, many in one pass.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import discord
import structlog
from discord.ext import commands
from redis.exceptions import RedisError

from bot.background import Tasks, retry, run_forever
from bot.channels.cleaning import clean
from bot.channels.consent import ConsentStore
from bot.channels.reader import is_speech, prefixes_of
from bot.channels.store import TranscriptStore
from bot.servers.access import was_deleted
from bot.servers.settings import GuildSettingsStore
from shared.transcripts import TranscriptInfo

GATHER_S = 5.0
"""Between an event and the pass over the transcript: people delete and edit several messages in a row."""
_TRY_AGAIN_S = 2.0

log = structlog.get_logger()


@dataclass(eq=False, repr=False)
class Watch(commands.Cog):
    """`stale`: called when models may have become stale."""

    client: discord.Client
    servers: GuildSettingsStore
    consents: ConsentStore
    store: TranscriptStore
    stale: Callable[[], None]
    _changed: defaultdict[tuple[int, int], dict[int, discord.Message | None]] = field(
        init=False, default_factory=lambda: defaultdict(dict)
    )
    """By server and channel: messages as they are now; None: deleted."""
    _threads: dict[int, tuple[int, int]] = field(init=False, default_factory=dict)
    """Deleted threads, each with its server and its channel."""
    _channels: dict[int, int] = field(init=False, default_factory=dict)
    """Deleted channels, each with its server."""
    _noted: dict[str, int] = field(init=False, default_factory=dict)
    """Transcripts of which something is to be taken out, each with its server."""
    _lost: dict[str, TranscriptInfo] = field(init=False, default_factory=dict)
    """Transcripts of deleted threads."""
    _forbidden: set[int] = field(init=False, default_factory=set)
    """Servers where an admin took back that a channel may be learned from."""
    _wakeup: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _due: float | None = field(init=False, default=None)
    """When what was noted is to be taken out, by the event loop's clock."""
    _tasks: Tasks = field(init=False, default_factory=Tasks)
    _began: bool = field(init=False, default=False)

    async def cog_unload(self) -> None:
        """What is not noted yet is lost with the process."""
        await self._tasks.end()

    # ------------------------------------------------------------------ what happens

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """Also makes up for what was deleted or forbidden while the bot was off, or had lost its connection."""
        if not self._began:
            self._began = True
            self._tasks.spawn(run_forever("watch", self._step, every_s=None, wakeup=self._wakeup, retry_s=_TRY_AGAIN_S))
        await self.look_for_lost_channels(self.client.guilds)

    @commands.Cog.listener()
    async def on_guild_available(self, guild: discord.Guild) -> None:
        """Those before `on_ready` are looked at then."""
        if self._began:
            await self.look_for_lost_channels([guild])

    @commands.Cog.listener()
    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        self.hear(payload.guild_id, payload.channel_id, payload.message_id, None)

    @commands.Cog.listener()
    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        for message_id in payload.message_ids:
            self.hear(payload.guild_id, payload.channel_id, message_id, None)

    @commands.Cog.listener()
    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        """Also comes when only a preview or a pin changed: the line stays the same then."""
        if not payload.message.author.bot and "content" in payload.data:
            self.hear(payload.guild_id, payload.channel_id, payload.message_id, payload.message)

    @commands.Cog.listener()
    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        self.hear_thread(payload.guild_id, payload.thread_id, payload.parent_id)

    @commands.Cog.listener()
    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        """It is not allowed any more either."""
        self._channels[channel.id] = channel.guild.id
        self._wakeup.set()

    def forbid(self, guild_id: int) -> None:
        """An admin took back that a channel may be learned from."""
        self._forbidden.add(guild_id)
        self._wakeup.set()

    def hear(self, guild_id: int | None, channel_id: int, message_id: int, message: discord.Message | None) -> None:
        """A message was deleted (None), or may have been edited."""
        if guild_id is not None and self.store.may_hold(guild_id, message_id):
            self._changed[guild_id, channel_id][message_id] = message
            self._wakeup.set()

    def hear_thread(self, guild_id: int, thread_id: int, parent_id: int) -> None:
        self._threads[thread_id] = (guild_id, parent_id)
        self._wakeup.set()

    async def look_for_lost_channels(self, guilds: Sequence[discord.Guild]) -> None:
        """Find what was deleted or forbidden unheard. Only what Discord says is gone counts as gone."""

        async def look() -> None:
            for guild in [guild for guild in guilds if not guild.unavailable]:
                await self._look_for_lost_channels(guild)

        await retry(look, "channels_not_looked_up", pauses_s=itertools.repeat(_TRY_AGAIN_S))
        self._wakeup.set()

    async def _look_for_lost_channels(self, guild: discord.Guild) -> None:
        self._forbidden.add(guild.id)
        allowed = {channel_id: channel_id for channel_id in await self.consents.allowed(guild.id)}
        known = {info.source_id: info.channel_id for info in await self._of(guild.id)}
        for channel_id, room_id in (known | allowed).items():
            if guild.get_channel_or_thread(channel_id) is None and await was_deleted(self.client, channel_id):
                if channel_id == room_id:
                    self._channels[channel_id] = guild.id
                else:
                    self._threads[channel_id] = (guild.id, room_id)

    # ------------------------------------------------------------------ what is done

    async def _step(self) -> float | None:
        """Note what was heard at once, take words out `GATHER_S` after the first note; seconds until then, if any."""
        now = asyncio.get_running_loop().time()
        await self._note()
        if self._due is not None and now >= self._due:
            await self._take_out()
            self._due = None
        if self._due is None and (self._noted or self._lost or self._forbidden):
            self._due = now + GATHER_S
        return None if self._due is None else self._due - now

    async def _note(self) -> None:
        """Nothing is forgotten here before it is noted in Redis."""
        while self._channels:
            channel_id, guild_id = next(iter(self._channels.items()))
            if channel_id in await self.consents.allowed(guild_id):
                assert self.client.user is not None
                await self.consents.disallow(guild_id, channel_id, self.client.user.id)
            self._forbidden.add(guild_id)
            del self._channels[channel_id]
        while self._changed:
            (guild_id, channel_id), messages = next(iter(self._changed.items()))
            seen = dict(messages)
            infos = [info for info in await self._of(guild_id) if self._is_part(guild_id, channel_id, info)]
            if infos:
                changes = await self._lines(guild_id, seen)
                for info in infos:
                    await self._note_gone(info, {one: text for one, text in changes.items() if info.may_hold(one)})
            for message_id, message in seen.items():
                if messages.get(message_id, message) is message:  # nothing happened to it meanwhile
                    messages.pop(message_id, None)
            if not messages:
                del self._changed[guild_id, channel_id]
        while self._threads:
            thread_id, (guild_id, parent_id) = next(iter(self._threads.items()))
            for info in await self._of(guild_id):
                if info.source_id == parent_id:
                    await self._note_gone(info, {}, thread_id)
                elif info.source_id == thread_id:
                    self._lost[info.transcript_id] = info
            del self._threads[thread_id]

    async def _note_gone(self, info: TranscriptInfo, changes: dict[int, str], *threads: int) -> None:
        if changes or threads:
            await self.store.note_gone(info.transcript_id, changes, threads)
            self._noted[info.transcript_id] = info.guild_id

    async def _lines(self, guild_id: int, messages: dict[int, discord.Message | None]) -> dict[int, str]:
        """Messages as they are now; empty: deleted, no speech any more, or of members who have not agreed."""
        prefixes = await prefixes_of(self.servers, self.client, guild_id)
        consents = await self.consents.of(guild_id)
        lines = {}
        for message_id, message in messages.items():
            lines[message_id] = ""
            if (
                message is not None
                and consents.includes(message.author.id, message_id)
                and is_speech(message, prefixes)
            ):
                lines[message_id] = clean([message.content])[0]
            await asyncio.sleep(0)  # one that was built to take long must not hold up the rest of the bot
        return lines

    def _is_part(self, guild_id: int, channel_id: int, info: TranscriptInfo) -> bool:
        """Whether a transcript may have messages of a channel or thread.

        An archived thread is unknown, and may be any channel's: that costs a pass over what has none of it.
        """
        if info.source_id == channel_id:
            return True
        guild = self.client.get_guild(guild_id)
        place = guild.get_channel_or_thread(channel_id) if guild is not None else None
        if isinstance(place, discord.Thread):
            return place.parent_id == info.source_id
        return place is None and info.source_id == info.channel_id

    async def _take_out(self) -> None:
        """A transcript that is being read does it itself at its end, unless that is past."""
        for transcript_id, guild_id in list(self._noted.items()):
            try:
                if not await self._is_read(transcript_id):
                    await self._take_out_of(transcript_id, guild_id)
            except RedisError:
                raise
            except Exception:  # it stays noted in Redis, where `Withdrawals.resume` finds it; the others must not wait
                log.exception("words_not_taken_out", transcript_id=transcript_id, guild_id=guild_id)
                self._noted.pop(transcript_id, None)
        for info in list(self._lost.values()):
            if await self._drop(info):
                del self._lost[info.transcript_id]
        for guild_id in list(self._forbidden):
            allowed = await self.consents.allowed(guild_id)
            done = [await self._drop(info) for info in await self._of(guild_id) if info.channel_id not in allowed]
            if all(done):
                self._forbidden.discard(guild_id)

    async def _take_out_of(self, transcript_id: str, guild_id: int) -> None:
        lines = await self.store.purge(transcript_id)
        self._noted.pop(transcript_id, None)
        if lines:
            log.info("words_taken_out", transcript_id=transcript_id, guild_id=guild_id, lines=lines)
            self.stale()

    async def _drop(self, info: TranscriptInfo) -> bool:
        """Drop the words of a transcript; False while it is being read, which ends by itself."""
        if await self._is_read(info.transcript_id):
            return False
        if await self.store.has_text(info.transcript_id):
            await self.store.drop_text(info.transcript_id)
            log.info("words_dropped", transcript_id=info.transcript_id, guild_id=info.guild_id)
        return True

    async def _is_read(self, transcript_id: str) -> bool:
        transcript = await self.store.load(transcript_id)
        return transcript is not None and transcript.reading is not None

    async def _of(self, guild_id: int) -> list[TranscriptInfo]:
        return [info for info in await self.store.known() if info.guild_id == guild_id]
