"""The playground's servers at first: channels, people, roles, and who may do what where.

Every id is a constant, so that what a bot registered for a server is still right after a restart.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import discord
from simcord.backend import Backend
from simcord.backend.models import Channel, Guild, GuildEmoji, Overwrite, Role, User
from simcord.enums import ChannelType, OverwriteType

GUILD_ID = 1_297_000_000_000_000_001
ANNEX_ID = 1_297_000_000_000_000_002
CHANNEL_IDS = {
    "lab": 1_297_000_000_000_000_011,
    "library": 1_297_000_000_000_000_012,
    "tavern": 1_297_000_000_000_000_013,
    "cellar": 1_297_000_000_000_000_014,
    "atrium": 1_297_000_000_000_000_015,
}
USER_IDS = {
    "ada": 1_297_000_000_000_000_021,
    "ben": 1_297_000_000_000_000_022,
    "cleo": 1_297_000_000_000_000_023,
    "dora": 1_297_000_000_000_000_024,
}
DM_IDS = {name: 1_297_000_000_000_000_051 + number for number, name in enumerate(USER_IDS)}
"""Channels of direct messages with the bot."""
BOT_ID = 1_297_000_000_000_000_031
"""The bot's user and its application: on Discord they share their id too."""
EMOJI_IDS = {"sparkjar": 1_297_000_000_000_000_071, "mothwing": 1_297_000_000_000_000_072}
GUILD_NAME = "Galvanic playground"
DM = "dm"
"""Name of the channel of direct messages with the bot."""

_SINCE = "2024-10-19T00:00:00+00:00"
_PEOPLE = {"ada": "Ada", "ben": "Ben", "cleo": "Cleo", "dora": "Dora"}
_FILE_MIB_BY_TIER = {2: 50, 3: 100}

_EVERYONE = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    create_public_threads=True,
    read_message_history=True,
    add_reactions=True,
    embed_links=True,
    attach_files=True,
    external_emojis=True,
    use_application_commands=True,
)
DM_PERMISSIONS = _EVERYONE.value
"""The bot's permissions in direct messages, as an interaction there states them."""


@dataclass(frozen=True)
class RoleSpec:
    """A role, and who holds it at first."""

    id: int
    name: str
    permissions: discord.Permissions = field(default_factory=discord.Permissions.none)
    holders: tuple[str, ...] = ()
    colour: int = 0


@dataclass(frozen=True)
class ChannelSpec:
    """`only`: who alone sees it, beside the owner; empty: all. `silent`: who may not write or call commands there."""

    name: str
    topic: str
    only: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


@dataclass(frozen=True)
class GuildSpec:
    """The last one of `roles` is the highest but for the bot's own."""

    id: int
    key: str
    name: str
    owner: str
    members: tuple[str, ...]
    bot_role_id: int
    roles: tuple[RoleSpec, ...]
    channels: tuple[ChannelSpec, ...]
    premium_tier: int = 0


GUILDS = (
    GuildSpec(
        id=GUILD_ID,
        key="playground",
        name=GUILD_NAME,
        owner="ada",
        members=("ada", "ben", "cleo", "dora"),
        bot_role_id=1_297_000_000_000_000_041,
        roles=(
            RoleSpec(1_297_000_000_000_000_061, "Readers", holders=("cleo",), colour=0x3BA55D),
            RoleSpec(1_297_000_000_000_000_062, "Writers", holders=("ben",), colour=0xE0A33E),
            RoleSpec(
                1_297_000_000_000_000_063,
                "Moderators",
                discord.Permissions(manage_messages=True, manage_threads=True),
                holders=("dora",),
                colour=0x4A9BE8,
            ),
            # Nobody's at first: for whoever is to administer for a while.
            RoleSpec(1_297_000_000_000_000_064, "Stewards", discord.Permissions(manage_guild=True), colour=0xD5557A),
        ),
        channels=(
            ChannelSpec("lab", "Try the bot here: type !help, or / for its commands.", silent=("cleo",)),
            ChannelSpec("library", "A second channel, with a model of its own."),
            ChannelSpec("tavern", "Small talk of the past weeks, for a bot that learns how people speak."),
            ChannelSpec("cellar", "Only Ada and Ben see this channel.", only=("ada", "ben")),
        ),
    ),
    GuildSpec(
        id=ANNEX_ID,
        key="annex",
        name="The Annex",
        owner="ben",
        members=("ben", "ada", "cleo"),
        bot_role_id=1_297_000_000_000_000_042,
        roles=(
            RoleSpec(1_297_000_000_000_000_065, "Guests", holders=("ada",), colour=0x8E7CC3),
            RoleSpec(
                1_297_000_000_000_000_066,
                "Wardens",
                discord.Permissions(manage_guild=True),
                holders=("cleo",),
                colour=0xD5557A,
            ),
        ),
        channels=(ChannelSpec("atrium", "Another server: nothing that was learned elsewhere belongs here."),),
        premium_tier=2,
    ),
)


def settle(world: Backend) -> None:
    """Put the people, the servers and the channels of direct messages into an empty backend."""
    world.users.clear()
    world.application_id = BOT_ID
    world.bot_user = User(id=BOT_ID, name="Galvanic", bot=True)
    world.users[BOT_ID] = world.bot_user
    for name, user_id in USER_IDS.items():
        world.users[user_id] = User(id=user_id, name=name, global_name=_PEOPLE[name])
        channel = Channel(id=DM_IDS[name], type=ChannelType.DM, recipient_ids=[user_id])
        world.channels[channel.id] = channel
        world.messages[channel.id] = {}
        world.dm_channels[user_id] = channel.id
    for spec in GUILDS:
        settle_guild(world, spec)


def settle_guild(world: Backend, spec: GuildSpec) -> Guild:
    """Put a server with its people and channels into a backend; nothing is announced."""
    guild = Guild(id=spec.id, name=spec.name, owner_id=USER_IDS[spec.owner])
    guild.roles.update({role.id: role for role in _roles(spec)})
    if spec.id == GUILD_ID:
        for name, emoji_id in EMOJI_IDS.items():
            guild.emojis[emoji_id] = GuildEmoji(id=emoji_id, name=name, user_id=guild.owner_id)
    world.guilds[spec.id] = guild
    for name in spec.members:
        join(world, spec, USER_IDS[name])
    world.add_member(spec.id, BOT_ID, roles=[spec.bot_role_id]).joined_at = _SINCE
    for position, channel_spec in enumerate(spec.channels):
        channel = _channel(spec.id, channel_spec, position)
        world.channels[channel.id] = channel
        world.messages[channel.id] = {}
        guild.channel_ids.append(channel.id)
    return guild


def _roles(spec: GuildSpec) -> list[Role]:
    everyone = Role(id=spec.id, name="@everyone", permissions=_EVERYONE.value, position=0)
    own = [
        Role(
            id=role.id,
            name=role.name,
            permissions=role.permissions.value,
            position=position,
            color=role.colour,
            hoist=True,
        )
        for position, role in enumerate(spec.roles, start=1)
    ]
    bots = Role(
        id=spec.bot_role_id,
        name="Galvanic",
        permissions=_EVERYONE.value,
        position=len(spec.roles) + 1,
        managed=True,
    )
    return [everyone, *own, bots]


def _channel(guild_id: int, spec: ChannelSpec, position: int) -> Channel:
    channel = Channel(
        id=CHANNEL_IDS[spec.name],
        type=ChannelType.TEXT,
        name=spec.name,
        guild_id=guild_id,
        position=position,
        topic=spec.topic,
    )
    # They read the channel and press buttons there, but may not write.
    silent = discord.Permissions(send_messages=True, use_application_commands=True).value
    channel.overwrites = [
        *private_to(guild_id, [USER_IDS[name] for name in spec.only]),
        *(Overwrite(USER_IDS[name], OverwriteType.MEMBER, deny=silent) for name in spec.silent),
    ]
    return channel


def join(world: Backend, spec: GuildSpec, user_id: int, *, announce: bool = False) -> None:
    """Let a person into a server, with the roles that they hold there at first."""
    held = [role.id for role in spec.roles if user_id in [USER_IDS[name] for name in role.holders]]
    world.add_member(spec.id, user_id, roles=held, announce=announce).joined_at = _SINCE


def private_to(guild_id: int, user_ids: list[int]) -> list[Overwrite]:
    """Overwrites that hide a channel from all but these people and the bot; none for an empty list."""
    if not user_ids:
        return []
    view = discord.Permissions(view_channel=True).value
    seeing = [Overwrite(user_id, OverwriteType.MEMBER, allow=view) for user_id in (*user_ids, BOT_ID)]
    return [Overwrite(guild_id, OverwriteType.ROLE, deny=view), *seeing]


def file_limit(guild_id: int | None) -> int:
    """Bytes that a file may have in a server, or in direct messages."""
    tier = next((spec.premium_tier for spec in GUILDS if spec.id == guild_id), 0)
    return _FILE_MIB_BY_TIER.get(tier, 10) * 2**20
