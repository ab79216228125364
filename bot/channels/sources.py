"""Which channels may be learned from: what the operator, the server's admins and Discord's permissions say."""

import re
from dataclasses import dataclass

import discord
import structlog
from discord import app_commands

from bot import intents
from bot.background import is_transient
from bot.channels.consent import ConsentStore
from bot.core import Core
from bot.models.audience import Audience
from bot.options.autocomplete import choices
from bot.servers.access import Actor, lacking
from bot.words import as_typed, code
from galvanic.errors import UserError
from shared.jobs import Place, TrainJob

Room = discord.TextChannel | discord.ForumChannel
Source = Room | discord.Thread
_MENTION = re.compile(r"<#(\d{1,20})>")
_PERSON = re.compile(r"(<@[!&]?\d{1,20}>|@\S+)\s*(.*)", re.DOTALL)
_NEEDED = ("view_channel", "read_message_history")

log = structlog.get_logger()


class ServerAway(Exception):
    """Discord does not show the server now; an outage of it looks like that."""


@dataclass(frozen=True)
class Sources:
    """Finds channels to learn from, and refuses those that may not be, with `UserError`."""

    core: Core
    consents: ConsentStore
    audience: Audience

    def require_on(self) -> None:
        """Check that the operator and Discord let the bot learn from channels. Raises UserError."""
        if self.core.settings.channel_training == "off":
            raise UserError(
                "Learning from channels is turned off.",
                "It needs Discord's permission and the members' consent: the bot's operator can turn it on with "
                "`CHANNEL_TRAINING=opt-in`, after reading docs/privacy.md. Texts and attached files work as always.",
            )
        if not self.core.bot.intents.message_content:
            raise UserError("I can't learn from channels: Discord doesn't let me read messages.", intents.REMEDY)

    async def find(self, actor: Actor, typed: str, *, own: bool = False) -> Source:
        """Return the channel or public thread that was named, if this person may have the bot read it, and show it.

        `own`: only the person's own messages are to be read, which takes their own yes.

        Raises UserError: it can't be read here, and why; a hidden channel gets the same answer as none.
        Raises discord.HTTPException and redis.RedisError.
        """
        self.require_on()
        channel = await self._named(actor, typed)
        if channel is None or not can_read(actor.user, channel):
            raise UserError(
                f"I can't find a channel {code(typed, 60)} that you can read.", "Name one, such as `#general`."
            )
        if not isinstance(channel, Source):
            raise UserError(
                f"I don't learn from {channel.mention}.",
                "I learn from text channels, forums and public threads; not from private threads and voice channels.",
            )
        await self.require_allowed(channel)
        consents = await self.consents.of(channel.guild.id)
        prefix = await self.core.servers.prefix(actor.guild_id)
        if own and consents.refused([actor.user.id]):
            raise UserError(
                "You haven't agreed that I learn from your messages.",
                f"You can with `{prefix}optin`, which first tells you what it means.",
            )
        if consents.mode == "opt-in" and not consents.agreed:
            raise UserError(
                "No member of this server has agreed yet that I learn from their messages.",
                f"They can with `{prefix}optin`, which first tells them what it means.",
            )
        if not self.audience.may_use(channel.guild.id, actor.here, [room_of(channel).id]):
            raise UserError(
                f"Not everybody who reads this channel can read {channel.mention}, so I can't learn it here.",
                f"Give the command in {channel.mention} itself, or where only its readers are.",
            )
        return channel

    async def meant(self, actor: Actor, typed: str) -> str | None:
        """Return the channel that somebody may have meant by a name that no text has: `general` for `#general`."""
        channel = await self._named(actor, typed)
        return channel.name if isinstance(channel, Room) else None

    async def require_allowed(self, channel: Source) -> None:
        """Check that the server's admins allow a channel and the bot can read it. Raises UserError."""
        self.require_on()
        room = room_of(channel)
        if room.id not in await self.consents.allowed(channel.guild.id):
            prefix = await self.core.servers.prefix(channel.guild.id)
            raise UserError(
                f"This server's admins haven't allowed me to learn from {room.mention}.",
                # Not its name: a mention shows it only to those who see the channel.
                f"A member with Manage Server can, with `{as_typed(prefix, 'allow-training', 'channel', '#CHANNEL')}`.",
            )
        require_readable(room)

    async def why_not(self, job: TrainJob) -> str:
        """Say why a training may no longer learn from its channels; empty: it may. Raises redis.RedisError."""
        channel_ids = {ref.channel_id for ref in job.readings} - {0}
        if channel_ids and self.core.settings.channel_training == "off":
            return "The bot's operator has turned off learning from channels."
        if channel_ids - (await self.consents.allowed(job.place.guild_id)).keys():
            return "I may no longer learn from its channel: that was deleted, or an admin turned it off."
        return ""

    async def require_still(self, channel_id: int, place: Place) -> None:
        """Check that a channel may still be read, for a card in `place`.

        Raises UserError: it may not, or people read the card who can't read the channel; ServerAway.
        """
        guild, room = self.core.bot.get_guild(place.guild_id), self.core.bot.get_channel(channel_id)
        if guild is None or guild.unavailable:  # after a start, nothing is known of its channels then
            raise ServerAway
        if not isinstance(room, Room):
            raise UserError("The channel is gone.", "Name another one.")
        await self.require_allowed(room)
        if not self.audience.may_use(place.guild_id, place.channel_ids, [channel_id]):
            raise UserError(
                f"Not everybody who reads the card can read {room.mention} any more.",
                "Give the command where only its readers are.",
            )

    async def offered(
        self, interaction: discord.Interaction, names: list[str], typed: str
    ) -> list[app_commands.Choice[str]]:
        """Return choices: these names, and the channels that a person can have learned; these first after a `#`."""
        guild, channels = interaction.guild, list[str | tuple[str, str]]()
        if guild is not None and self.core.settings.channel_training != "off":
            allowed = map(guild.get_channel, sorted(await self.consents.allowed(guild.id)))
            channels = [
                (f"#{channel.name}", channel.mention)
                for channel in allowed
                if isinstance(channel, Source) and can_read(interaction.user, channel)
            ]
        return choices([*channels, *names] if typed.startswith("#") else [*names, *channels], typed)

    async def _named(self, actor: Actor, typed: str) -> discord.abc.GuildChannel | discord.Thread | None:
        guild = self.core.bot.get_guild(actor.guild_id)
        if guild is None:
            return None
        mention = _MENTION.fullmatch(typed.strip())
        if mention is None:
            name = typed.strip().removeprefix("#").lower()
            channels = [
                channel
                for channel in (*guild.channels, *guild.threads)
                if channel.name.lower() == name and can_read(actor.user, channel)
            ]  # of which a category or voice channel comes last
            return min(channels, key=lambda channel: not isinstance(channel, Source), default=None)
        if (cached := guild.get_channel_or_thread(int(mention[1]))) is not None:
            return cached
        try:  # a thread that is archived is unknown
            return await guild.fetch_channel(int(mention[1]))
        except (discord.HTTPException, discord.InvalidData) as error:
            if is_transient(error):
                raise
            log.info("channel_not_found", guild_id=guild.id, error=type(error).__name__)
            return None


def is_channel(typed: str) -> bool:
    """Return whether somebody named a channel, and not a text: `#general`, or Discord's mention of it."""
    return typed.strip().startswith("#") or _MENTION.fullmatch(typed.strip()) is not None


def own_channel(typed: str, user_id: int) -> str | None:
    """Return the channel after `@me`, or after a mention of oneself; None: no person is named.

    Raises UserError: it is somebody else, or no channel, or several.
    """
    if (match := _PERSON.match(typed.strip())) is None:
        return None
    person, channel = match.groups()
    if person.lower() not in ("@me", f"<@{user_id}>", f"<@!{user_id}>"):
        raise UserError(
            "Nobody can have me learn the messages of another member alone.",
            "They can do that themselves; `@me #general` after the command is for your own.",
        )
    if not is_channel(channel) or channel.count("#") > 1:
        raise UserError(
            "Which messages of yours should I learn?",
            "Name one channel: `@me #general`. `@me #lounge --from NAME` then teaches that model another one.",
        )
    return str(channel)


def require_readable(room: Room) -> None:
    """Check that the bot can read a channel. Raises UserError: it names the permissions that the bot lacks."""
    have = room.permissions_for(room.guild.me)
    if missing := [name for name in _NEEDED if not getattr(have, name)]:
        raise lacking(room.mention, missing)


def room_of(channel: Source) -> Room:
    """Return a channel, or the parent of a public thread: it decides who may read. Raises UserError: that is gone."""
    if not isinstance(channel, discord.Thread):
        return channel
    if channel.parent is None:
        raise UserError("I don't see the channel of this thread.", "Try again in a moment.")
    return channel.parent


def can_read(user: discord.User | discord.Member | None, channel: object) -> bool:
    """Return whether a person surely can read a channel and its history. A private thread counts as unreadable."""
    if not isinstance(channel, discord.abc.GuildChannel | discord.Thread) or not isinstance(user, discord.Member):
        return False
    if isinstance(channel, discord.Thread) and (channel.parent is None or channel.is_private()):
        return False
    rights = channel.permissions_for(user)
    return rights.view_channel and rights.read_message_history
