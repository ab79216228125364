"""Hears what people say in channels, and speaks there unasked where an admin wants it."""

import time
from dataclasses import dataclass, field
from typing import Any

import discord
import structlog
from discord.utils import time_snowflake, utcnow

from bot.background import BackgroundService, is_transient, reserve
from bot.channels.reader import is_speech, prefixes_of
from bot.core import Core
from bot.jobs.delivery import UNASKED
from bot.models.registry import Registry
from bot.options.decoding import to_bot
from bot.servers.access import Actor, Viewer, channel_ids, lacking, may_send
from bot.talk.rooms import Rooms
from bot.talk.speaking import Speaking, describe
from bot.write.changes import masked
from bot.write.conversation import Conversation
from bot.write.embeds import chatted
from galvanic.errors import UserError
from shared.blocklist import Blocklist, default_entries
from shared.events import Generated

LATE_S = 60.0  # a text that is ready so long after the message that called for it is not posted
REST_S = 60.0  # between two texts in a channel: without it, a busy one gets all texts of an hour in its first minute

log = structlog.get_logger()


@dataclass(eq=False, repr=False)
class Speaker(BackgroundService):
    """Speaks unasked in channels where an admin wants it, by each channel's rules."""

    core: Core
    registry: Registry
    conversation: Conversation
    rooms: Rooms
    _writing: set[str] = field(init=False, default_factory=set)
    """Ids of the channels for which a text is being written."""

    async def hear(self, message: discord.Message) -> None:
        """Hear anybody's message, and speak if it is time. Raises redis.RedisError."""
        me, of_person = self.core.bot.user, not message.author.bot and message.webhook_id is None
        if message.guild is None or not of_person or me is None or self.stopped:
            return
        room_id = channel_ids(message.channel)[-1]
        room = await self.rooms.room(room_id)
        if not room.speak.on or message.id <= room.spoke or to_bot(message, me.id) is not None:
            return
        unread = not message.content and not self.core.bot.intents.message_content and not message.is_system()
        prefixes = await prefixes_of(self.core, message.guild.id)
        if not unread and not is_speech(message, prefixes):
            return
        room.heard += 1
        rests = time.monotonic() < room.rests_until or str(room_id) in self._writing
        if not rests and room.speak.is_called_by(message.content, message.created_at, room.heard, room.spoke):
            self.spawn(self._speak(message, room_id))
        elif room.speak.messages:
            await self.rooms.put(room_id, heard=room.heard)

    async def _speak(self, message: discord.Message, room_id: int) -> None:
        assert message.guild is not None
        with reserve(self._writing, str(room_id)) as ours:
            if not ours:
                return
            room, text_id, unknown = await self.rooms.room(room_id), f"{UNASKED}-{message.id}", False
            room.rests_until = time.monotonic() + REST_S
            try:
                if await self._against(message.channel) is not None:
                    room.rests_until = 0.0
                    return
                taken = await self.rooms.take(room_id, message.guild.id, text_id)
                why_not = await self._write(message, room_id) if taken else "enough"
            except Exception as error:
                if not isinstance(error, UserError | discord.HTTPException) and not is_transient(error):
                    raise
                why_not, unknown = type(error).__name__, is_transient(error)
            if why_not and not unknown:  # nothing was posted
                await self.rooms.give_back(room_id, message.guild.id, text_id)
            log.info("not_spoken" if why_not else "spoken", channel_id=message.channel.id, why=why_not or None)

    async def _write(self, message: discord.Message, room_id: int) -> str:
        """Have a text written and post it, or say in a word why not. Raises UserError: it can't; `speak` says why."""
        assert message.guild is not None
        channel, guild_id = message.channel, message.guild.id
        actor = Actor(message.guild.me, channel, guild_id, message.id)
        model = await self.registry.choose(Viewer(guild_id, actor.here), None)
        job = await self.conversation.job(actor, model, [], UNASKED)
        job = job.model_copy(update={"blocked": job.blocked or default_entries()})  # also where admins emptied the list
        event = await self.core.requests.unasked(guild_id, job, LATE_S)
        if not isinstance(event, Generated) or not event.text.strip():
            return "no text"
        await self.registry.require_may_use(job.place, [job.model_id])
        event = await masked(event, await self.core.fit(guild_id))
        if event.masked or Blocklist(job.blocked).hits(event.text):
            return "blocklist"
        if (utcnow() - message.created_at).total_seconds() > LATE_S:
            return "late"
        if (against := await self._against(channel)) is not None:  # nothing is waited for from here to the post
            return against[0]
        posted = await channel.send(chatted(event), suppress_embeds=True, nonce=job.job_id)
        await self.rooms.put(room_id, spoke=posted.id, heard=0)
        await self.core.jobs.note_shown(posted.id, job.job_id)
        return ""

    async def _against(self, channel: Any) -> tuple[str, str] | None:
        """Return the reason why the bot can't speak in a channel now, in a word and in a sentence; None: it can."""
        places = channel_ids(channel)
        room, own = await self.rooms.room(places[-1]), await self.core.servers.get(channel.guild.id)
        rights = channel.permissions_for(channel.guild.me)
        if time.time() < room.quiet:
            return "quiet", f"A moderator wants me to be quiet until <t:{room.quiet}:t> (<t:{room.quiet}:R>)."
        if not room.speak.on:
            return "off", ""
        if room.speak.is_quiet(utcnow()):
            return "hours", "These are quiet hours."
        if own.channels and not set(own.channels) & set(places):
            return "place", "But this server's admins don't allow me in this channel."
        if not (rights.view_channel and may_send(rights, channel)):
            return "rights", lacking("this channel", ("view_channel", "send_messages")).problem
        return None

    async def describe(self, channel: Any) -> str:
        """Say what the bot will do in a server's channel. Raises redis.RedisError."""
        places = channel_ids(channel)
        room, against = await self.rooms.room(places[-1]), await self._against(channel)
        if against is None:
            try:
                await self.registry.choose(Viewer(channel.guild.id, places), None)
            except UserError as problem:
                against = "no model", f"I can't yet: {problem.problem} {problem.remedy}"
        return f"{describe(room.speak)} {against[1] if against is not None else ''}".strip()

    async def choose(self, channel: Any, speak: Speaking) -> None:
        """Set the rules of a channel and its threads; messages and time count from now on."""
        room_id = channel_ids(channel)[-1]
        await self.rooms.put(room_id, speak=speak, spoke=time_snowflake(utcnow()), heard=0)
        (await self.rooms.room(room_id)).rests_until = 0.0
        log.info("speaking_chosen", channel_id=channel.id, on=speak.on)
