"""The playground's servers at first: channels, people, roles, messages, and who may do what where.

Every id is a constant, so that what the bot keeps of a server is still right after a restart.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import discord
from simcord.backend import Backend
from simcord.backend.models import Channel, Guild, Overwrite, Role, User
from simcord.enums import ChannelType, OverwriteType


def _numbered(first: int, *names: str) -> dict[str, int]:
    """Ids by name, from `first` on: whatever is added goes to the end."""
    return {name: first + number for number, name in enumerate(names)}


GUILD_ID = 1_297_000_000_000_000_001
ANNEX_ID = 1_297_000_000_000_000_002
CHANNEL_IDS = _numbered(1_297_000_000_000_000_011, "lab", "library", "tavern", "cellar", "atrium")
ROLE_IDS = _numbered(1_297_000_000_000_000_061, "Readers", "Writers", "Moderators", "Stewards", "Guests", "Wardens")
USER_IDS = _numbered(1_297_000_000_000_000_021, "ada", "ben", "cleo", "dora")
DM_IDS = _numbered(1_297_000_000_000_000_051, *USER_IDS)  # channels of direct messages with the bot
BOT_ID = 1_297_000_000_000_000_031  # the bot's user and its application: on Discord they share their id too
GUILD_NAME = "Galvanic playground"
DM = "dm"  # name of the channel of direct messages with the bot

_SINCE = "2024-10-19T00:00:00+00:00"
FILE_LIMIT = 10 * 2**20  # bytes of a file, as in servers without boosts

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
_TAVERN = Path(__file__).with_name("tavern.txt")
"""What #tavern has at each start, so that there is a channel to try `!train #tavern` on."""
_TAVERN_BEGIN, _TAVERN_APART = datetime(2026, 1, 5, tzinfo=UTC), timedelta(hours=2)


class OldMessage(NamedTuple):
    """A message that is in a channel from the start."""

    author_id: int
    content: str
    moment: datetime


def settle(world: Backend) -> None:
    """Put the people, the servers and the channels of direct messages into an empty backend."""
    world.users.clear()
    world.application_id = BOT_ID
    world.bot_user = User(id=BOT_ID, name="Galvanic", bot=True)
    world.users[BOT_ID] = world.bot_user
    for name, user_id in USER_IDS.items():
        world.users[user_id] = User(id=user_id, name=name, global_name=name.title())
        _put(world, Channel(id=DM_IDS[name], type=ChannelType.DM, recipient_ids=[user_id]))
        world.dm_channels[user_id] = DM_IDS[name]
    ada, ben, cleo, dora = USER_IDS.values()
    main = Guild(GUILD_ID, GUILD_NAME, ada)
    roles = [
        _role("Readers", 0x3BA55D),
        _role("Writers", 0xE0A33E),
        _role("Moderators", 0x4A9BE8, manage_messages=True, manage_threads=True),
        # Nobody's at first: for whoever is to administer for a while.
        _role("Stewards", 0xD5557A, manage_guild=True),
    ]
    members = {ada: [], ben: [ROLE_IDS["Writers"]], cleo: [ROLE_IDS["Readers"]], dora: [ROLE_IDS["Moderators"]]}
    settle_guild(world, main, roles, members, bot_role_id=1_297_000_000_000_000_041)
    # Cleo reads #lab and presses buttons there, but may not write.
    silent = discord.Permissions(send_messages=True, use_application_commands=True).value
    cleo_reads = [Overwrite(cleo, OverwriteType.MEMBER, deny=silent)]
    _channel(world, main, "lab", "Try the bot here: type !help, or / for its commands.", cleo_reads)
    _channel(world, main, "library", "A second channel, with a model of its own.")
    _channel(world, main, "tavern", "Small talk of three weeks, to try !train #tavern on.")
    _channel(world, main, "cellar", "Only Ada and Ben see this channel.", private_to(GUILD_ID, [ada, ben]))
    annex = Guild(ANNEX_ID, "The Annex", ben)
    roles = [_role("Guests", 0x8E7CC3), _role("Wardens", 0xD5557A, manage_guild=True)]
    members = {ben: [], ada: [ROLE_IDS["Guests"]], cleo: [ROLE_IDS["Wardens"]]}
    settle_guild(world, annex, roles, members, bot_role_id=1_297_000_000_000_000_042)
    _channel(world, annex, "atrium", "Another server: nothing that was learned elsewhere belongs here.")


def settle_guild(
    world: Backend, guild: Guild, roles: list[Role], members: dict[int, list[int]], *, bot_role_id: int
) -> None:
    """Put a server into a backend, without channels; nothing is announced.

    `roles`: its own, the highest but for the bot's last; `members`: the roles of each person in it.
    """
    everyone = Role(guild.id, "@everyone", _EVERYONE.value)
    own = _EVERYONE.value | discord.Permissions(manage_webhooks=True).value
    bots = Role(bot_role_id, "Galvanic", own, managed=True)
    for position, role in enumerate([everyone, *roles, bots]):
        role.position = position
        guild.roles[role.id] = role
    world.guilds[guild.id] = guild
    for user_id, held in members.items():
        world.add_member(guild.id, user_id, roles=held).joined_at = _SINCE
    world.add_member(guild.id, BOT_ID, roles=[bot_role_id])  # it joins now, and greets the server


def _role(name: str, colour: int, **permissions: bool) -> Role:
    return Role(ROLE_IDS[name], name, discord.Permissions(**permissions).value, color=colour, hoist=True)


def _channel(world: Backend, guild: Guild, name: str, topic: str, overwrites: Sequence[Overwrite] = ()) -> None:
    channel = Channel(CHANNEL_IDS[name], ChannelType.TEXT, name, guild.id, len(guild.channel_ids), [*overwrites], topic)
    _put(world, channel)
    guild.channel_ids.append(channel.id)


def _put(world: Backend, channel: Channel) -> None:
    world.channels[channel.id] = channel
    world.messages[channel.id] = {}


def private_to(guild_id: int, user_ids: list[int]) -> list[Overwrite]:
    """Return overwrites that hide a channel from all but these people and the bot."""
    view = discord.Permissions(view_channel=True).value
    seeing = [Overwrite(user_id, OverwriteType.MEMBER, allow=view) for user_id in (*user_ids, BOT_ID)]
    return [Overwrite(guild_id, OverwriteType.ROLE, deny=view), *seeing]


def old_messages() -> list[OldMessage]:
    """Read the messages of #tavern, the oldest first. At each start they have the same times, and so the same ids."""
    lines = [line.partition(": ") for line in _TAVERN.read_text("utf-8").splitlines()]
    spoken = [(USER_IDS[name], content) for name, _, content in lines if name in USER_IDS]
    return [OldMessage(*message, _TAVERN_BEGIN + number * _TAVERN_APART) for number, message in enumerate(spoken)]
