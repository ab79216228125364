"""The rights of members, their cooldowns, and whether members and channels still exist."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import discord
import structlog
from discord.ext import commands

from bot.background import is_transient
from bot.errors import UNKNOWN_CHANNEL, WrongPlace, code_of, servers_only
from bot.servers.settings import GuildSettingsStore
from bot.types import Context, User
from bot.words import code, plain, some
from galvanic.errors import UserError
from galvanic.units import duration
from shared.jobs import Job, Place
from shared.settings import Settings

if TYPE_CHECKING:
    AnyChannel = discord.abc.MessageableChannel | discord.interactions.InteractionChannel | None

Right = Literal["train", "generate"]
CooldownName = Literal["train", "generate", "chat", "model", "hint", "data", "privacy", "optout", "forget-me", "forget"]
_WORDS = {"train": "train models", "generate": "generate texts"}
_BESIDES = ("embed_links", "attach_files", "read_message_history")
FEATURES = {
    "all answers": ("view_channel", "send_messages", "send_messages_in_threads"),
    "all commands": _BESIDES,
    "a sign that a mention came too fast": ("add_reactions",),
}
"""The permissions that the bot is invited with (discord.py's names), by what needs them; see docs/discord.md."""
Readable = discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.ForumChannel
"""Channels that have messages, or threads with messages."""
_MANY_COOLDOWNS = 10_000  # kept in memory before those that are over are dropped
_UNKNOWN_USER, _UNKNOWN_MEMBER = 10_013, 10_007
"""Discord's error codes for somebody who is not in the server; with others, it is the bot that is not."""

log = structlog.get_logger()


def channel_ids(channel: AnyChannel) -> list[int]:
    """The channel and, for a thread, its parent: what is the parent's may be used in the thread."""
    assert channel is not None
    if isinstance(channel, discord.Thread):
        return [channel.id, channel.parent_id]
    return [channel.id]


def place_of(guild_id: int, channel: AnyChannel, user_id: int) -> Place:
    channel_id, *above = channel_ids(channel)
    return Place(
        guild_id=guild_id, channel_id=channel_id, user_id=user_id, parent_channel_id=above[0] if above else None
    )


class Viewer(NamedTuple):
    """A place and a person that models are for: a channel and, for a thread, its parent. `user_id` None: nobody, as
    when the bot speaks by itself."""

    guild_id: int
    channel_ids: Sequence[int]
    user_id: int | None = None


@dataclass(frozen=True)
class Actor:
    """A person who asks for something in a server's channel.

    `request_id`: of the message or interaction, the same if Discord delivers it twice. `message_id`: see `Place`.
    """

    user: User
    channel: AnyChannel
    guild_id: int
    request_id: int
    message_id: int | None = None

    @classmethod
    def of(cls, ctx: Context) -> Actor:
        assert ctx.guild is not None
        message_id = ctx.message.id if ctx.interaction is None else None
        return cls(ctx.author, ctx.channel, ctx.guild.id, (ctx.interaction or ctx.message).id, message_id)

    @classmethod
    def of_interaction(cls, interaction: discord.Interaction[Any]) -> Actor:
        """Make one of an interaction. Raises UserError outside of a server."""
        if interaction.guild_id is None or interaction.channel is None:
            raise servers_only()
        pressed = interaction.message.id if interaction.message is not None else None
        return cls(interaction.user, interaction.channel, interaction.guild_id, interaction.id, pressed)

    @property
    def place(self) -> Place:
        return place_of(self.guild_id, self.channel, self.user.id).model_copy(update={"message_id": self.message_id})

    def asks(self, kind: type[Job], letter: str = "") -> dict[str, Any]:
        """Return the fields that every job has of who asks for it. `letter`: of its id, if not its kind's."""
        return {"job_id": f"{letter or kind.letter}-{self.request_id}", "place": self.place}

    @property
    def here(self) -> list[int]:
        return channel_ids(self.channel)

    @property
    def viewer(self) -> Viewer:
        return Viewer(self.guild_id, self.here, self.user.id)


def guild_of(client: discord.Client, guild_id: int) -> discord.Guild:
    """Return a server. Raises UserError if the bot is no member of it, or is only just connecting."""
    guild = client.get_guild(guild_id)
    if guild is None:
        raise UserError("I'm not a member of this server.", "Ask an admin to invite me, or try again in a moment.")
    return guild


def is_admin(user: User) -> bool:
    return isinstance(user, discord.Member) and user.guild_permissions.manage_guild


def require_admin(user: User) -> None:
    """Refuse a person without Manage Server. Raises UserError."""
    if not is_admin(user):
        raise UserError("Only members with Manage Server can do this.", "Ask one of them.")


def rights_in(user: User, place: Place) -> discord.Permissions | None:
    """Return what a person may do in a place; None: it is hidden from them.

    Who is in a private thread is not known, nor whether an archived thread is private: both count as hidden from all
    but those who may manage threads.
    """
    if not isinstance(user, discord.Member) or user.guild.id != place.guild_id:
        return None
    channel = user.guild.get_channel_or_thread(place.channel_id)
    private = isinstance(channel, discord.Thread) and channel.is_private()
    if channel is None:
        channel, private = user.guild.get_channel(place.parent_channel_id or 0), True
    if channel is None:  # the channel is gone, too: nobody can tell who saw it
        return user.guild_permissions if is_admin(user) else None
    rights = channel.permissions_for(user)
    return rights if rights.view_channel and (rights.manage_threads or not private) else None


def moderates(user: User, place: Place) -> bool:
    rights = rights_in(user, place)
    return rights is not None and rights.manage_messages


def can_view(user: User, place: Place) -> bool:
    """Return whether a person sees the place. In a private thread, only who asked surely does."""
    return place.user_id == user.id or rights_in(user, place) is not None


class TooSoon(UserError):
    """A cooldown is not over."""

    def __init__(self, seconds: float) -> None:
        """Tell to wait. `seconds`: until the cooldown is over."""
        super().__init__("That was a bit fast.", f"Try again in {duration(max(1, seconds))}.")


class _Cooldown(NamedTuple):
    """A cooldown that `request` began; `ends`: by the clock of `time.monotonic`."""

    ends: float
    request: int


class Access:
    """Rights in a server, as its admins have set them. They themselves may do everything, everywhere.

    How often is for everybody. Cooldowns are in memory: most last some seconds, and a restart forgets them.
    """

    def __init__(self, settings: Settings, servers: GuildSettingsStore) -> None:
        self._settings = settings
        self._servers = servers
        self._cooldowns: dict[tuple[CooldownName, int, int], _Cooldown] = {}

    async def check_allowed_channel(self, ctx: Context) -> bool:
        """Check before every command that it may be used here.

        Raises CommandInvokeError: holds the reason, or that Redis is away.
        """
        assert ctx.command is not None
        extras = (ctx.command.root_parent or ctx.command).extras
        try:
            if ctx.guild is None and not extras.get("direct"):
                raise servers_only()
            if ctx.guild is not None:
                guild_of(ctx.bot, ctx.guild.id)
                if not extras.get("anywhere"):
                    await self.require_place(ctx.author, ctx.channel)
        except Exception as error:
            raise commands.CommandInvokeError(error) from error  # discord.py handles no other errors
        return True

    async def require_place(self, user: User, channel: AnyChannel) -> None:
        """Refuse what the server's admins do not want in this channel.

        Raises WrongPlace: says where the bot may be used.
        Raises redis.RedisError: the server's settings are not known yet and Redis is away.
        """
        if not isinstance(user, discord.Member) or is_admin(user):
            return
        settings = await self._servers.get(user.guild.id)
        if not settings.channels or set(settings.channels) & set(channel_ids(channel)):
            return
        seen = [
            place.mention
            for place in map(user.guild.get_channel_or_thread, settings.channels)
            if place is not None and place.permissions_for(user).view_channel
        ]
        chosen = f"This server's admins allow me in {some(seen)}."
        raise WrongPlace(
            "I'm not allowed in this channel.", chosen if seen else "Ask a server admin where I can be used."
        )

    async def require(self, action: Right, actor: Actor) -> None:
        """Refuse a person who may not do this here.

        Raises UserError: says who may. Raises WrongPlace and redis.RedisError as `require_place`.
        """
        user = actor.user
        if not isinstance(user, discord.Member) or is_admin(user):
            return
        await self.require_place(user, actor.channel)
        settings = await self._servers.get(user.guild.id)
        allowed_roles = settings.train_roles if action == "train" else settings.generate_roles
        if allowed_roles and not {role.id for role in user.roles} & set(allowed_roles):
            roles = [role for role in map(user.guild.get_role, allowed_roles) if role is not None]
            those = some([f"**{plain(role.name)}**" for role in roles]) or "roles that no longer exist"
            raise UserError(
                f"You can't {_WORDS[action]} in this server.", f"That is for members with {those}. Ask a server admin."
            )

    def cooldown(self, what: CooldownName, actor: Actor, least_s: float = 0.0) -> AbstractContextManager[None]:
        """A person's cooldown, as `start_cooldown`, of `least_s` at least; of answers in a chat it is the channel's."""
        settings = self._settings
        set_s = {"train": settings.train_cooldown_s, "chat": settings.chat_cooldown_s, "hint": settings.chat_cooldown_s}
        subject = actor.here[-1] if what == "chat" else actor.user.id
        seconds = max(set_s.get(what, settings.generate_cooldown_s), least_s)
        return self.start_cooldown(what, actor.guild_id, subject, seconds, request=actor.request_id)

    @contextlib.contextmanager
    def start_cooldown(
        self, what: CooldownName, guild_id: int, subject: int, seconds: float, *, request: int
    ) -> Iterator[None]:
        """Begin a cooldown for what happens within; if that fails, the cooldown is taken back.

        Raises TooSoon: the last one is not over; nothing was begun.

        Args:
            subject: id of the person, or of the channel.
            seconds: 0: no cooldown.
            request: id of a message or interaction that Discord may deliver twice: it never waits for itself.
        """
        if seconds <= 0:
            yield
            return
        key, now = (what, guild_id, subject), time.monotonic()
        last = self._cooldowns.get(key)
        if last is not None and last.ends > now:
            if last.request != request:
                raise TooSoon(last.ends - now)
        else:
            if len(self._cooldowns) >= _MANY_COOLDOWNS:
                self._cooldowns = {kept: each for kept, each in self._cooldowns.items() if each.ends > now}
            self._cooldowns[key] = _Cooldown(now + seconds, request)
        try:
            yield
        except BaseException:
            # A later request may own the cooldown by now.
            if (current := self._cooldowns.get(key)) is not None and current.request == request:
                del self._cooldowns[key]
            raise


def visible_channels(guild: discord.Guild | None, user: User) -> list[Readable]:
    """Return the channels that a person and the bot both see."""
    if guild is None or not isinstance(user, discord.Member):
        return []
    return [
        channel
        for channel in guild.channels
        if isinstance(channel, Readable)
        and channel.permissions_for(user).view_channel
        and channel.permissions_for(guild.me).view_channel
    ]


def channel_number(typed: str) -> int | None:
    """Return a channel's id, typed as such or as a mention; None: it is neither."""
    number = typed.strip().removeprefix("<#").removesuffix(">")
    return int(number) if number.isdecimal() and len(number) <= 20 else None


def require_channel(guild: discord.Guild, user: User, typed: str, or_else: str = "") -> Readable:
    """Return a channel by mention, name or id. `or_else`: what else may be named.

    Raises UserError: there is none that the person and the bot both see; a hidden one gets the same answer.
    """
    number, name = channel_number(typed), typed.strip().lower().removeprefix("#")
    for channel in visible_channels(guild, user):
        if channel.id == number or channel.name.lower() == name:
            return channel
    if guild.get_thread(number or 0) is not None:
        raise UserError("A thread goes with its channel.", "Name the channel that the thread is in.")
    raise UserError(
        f"I can't find a channel {code(typed, 60)} that both of us can see.", f"Name one, such as `#general`{or_else}."
    )


def _sending(channel: AnyChannel) -> str:
    return "send_messages_in_threads" if isinstance(channel, discord.Thread) else "send_messages"


def may_send(have: discord.Permissions, channel: AnyChannel) -> bool:
    return bool(getattr(have, _sending(channel)))


def require_permissions(ctx: Context) -> None:
    require_all(ctx.bot_permissions, ctx.channel)


def require_edits(ctx: Context) -> None:
    """Refuse where the bot could not edit later what it posts now, also after a slash command, whose own answers need
    no permission. Raises UserError.
    """
    have = ctx.bot_permissions if ctx.interaction is None else ctx.interaction.app_permissions
    require_all(have, ctx.channel)
    require_joined(have, ctx.channel)


def require_joined(have: discord.Permissions, channel: AnyChannel) -> None:
    """Refuse in a private thread that the bot is not in: there it can only answer interactions. Raises UserError."""
    if (
        isinstance(channel, discord.Thread)
        and channel.is_private()
        and not channel.archived  # discord.py knows no archived thread
        and not have.manage_threads
        and channel.guild.get_thread(channel.id) is None
    ):
        raise UserError("I'm not in this private thread.", "Mention me here once: Discord adds me then.")


def require_all(have: discord.Permissions, channel: AnyChannel) -> None:
    """Refuse if the bot lacks permissions for its answers. Raises UserError, which names them."""
    basic = ("view_channel", _sending(channel))
    missing = [name for name in (*basic, *_BESIDES) if not getattr(have, name)]
    if missing:
        # Without one of the basic ones the others seem to be missing, too, whether they are granted or not.
        named = missing[:1] if missing[0] in basic else missing
        raise lacking(f"#{plain(str(channel))}", named)


def as_shown(rights: Iterable[str]) -> str:
    """Name permissions (discord.py's names) as Discord's client does."""
    return ", ".join(rights).replace("_", " ").title().replace(" In ", " in ")


def lacking(where: str, rights: Iterable[str]) -> UserError:
    """Return an error about permissions (discord.py's names) that the bot lacks in a channel."""
    return UserError(
        f"I'm missing permissions in {where}: {as_shown(rights)}.",
        "A server admin can give them to my role in the channel's settings.",
    )


def require_writer(interaction: discord.Interaction[Any]) -> None:
    """Refuse a person who may not write in the channel, and so could not give the command. Raises UserError."""
    if interaction.guild_id is not None and not may_send(interaction.permissions, interaction.channel):
        raise UserError(
            "You can't send messages in this channel, so this does nothing for you.",
            "Use my commands in a channel where you may write.",
        )


async def was_deleted(client: discord.Client, channel_id: int) -> bool:
    """Return whether a channel is gone; False also when Discord refuses to tell. Raises its errors that pass.

    Only Discord's own code counts: models are deleted for it.
    """
    try:
        await client.fetch_channel(channel_id)
    except (discord.InvalidData, discord.HTTPException) as error:
        if is_transient(error):
            raise
        log.info("channel_not_looked_up", channel_id=channel_id, error=type(error).__name__)
        return code_of(error) == UNKNOWN_CHANNEL
    return False


async def member_in(guild: discord.Guild, user: User | discord.Object) -> discord.Member | None:
    """Somebody as a member of a server, of whom Discord is asked if need be; None: they are none.

    Raises discord.HTTPException: Discord is in trouble, or the bot itself is no longer in it.
    """
    if isinstance(user, discord.Member) and user.guild.id == guild.id:
        return user
    try:
        return await guild.fetch_member(user.id)
    except discord.NotFound as error:
        if error.code not in (_UNKNOWN_USER, _UNKNOWN_MEMBER):
            raise
        return None
