"""What is changed about the servers themselves: permissions, roles, members, servers, channels and threads.

On Discord a server's admins do this in its settings; here a test does it.
"""

from __future__ import annotations

from datetime import UTC, datetime

import discord
from simcord.backend import serializers
from simcord.backend.models import Guild, Overwrite
from simcord.enums import ChannelType, OverwriteType

from galvanic.errors import UserError
from playground.chatter import small_talk
from playground.people import MAX_NAME
from playground.places import ANNEX_ID, BOT_ID, CHANNEL_IDS, GUILD_ID, USER_IDS, private_to, settle_guild
from playground.world import World

_MAX_HISTORY = 200_000


class Admin:
    """Changes of the playground's servers; every one is announced to the bot.

    Every method raises `UserError` for what there is not, or what Discord would not take.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.closed_dms: set[int] = set()
        """People who take no direct messages from the bot."""
        self.guild_keys = {GUILD_ID: "playground", ANNEX_ID: "annex"}
        # The exceptions that were made with a channel, and the roles that people had, to go back to.
        self._roles = {
            (guild.id, member.user_id): list(member.role_ids)
            for guild in world.guilds.values()
            for member in guild.members.values()
        }
        self._first = {
            channel.id: {entry.target_id: entry for entry in channel.overwrites} for channel in world.channels.values()
        }

    def set_permissions(self, channel_id: int, target_id: int, *, allow: list[str], deny: list[str]) -> None:
        """Make an exception in a channel for a member or a role; none at all brings back how it was at first."""
        world = self._world
        channel = world.get_channel(channel_id)
        if channel.guild_id is None:
            raise UserError("Direct messages have no permissions.")
        allowed, denied = _permissions(allow), _permissions(deny)
        first = self._first.get(channel_id, {}).get(target_id)
        channel.overwrites = [entry for entry in channel.overwrites if entry.target_id != target_id]
        if allowed or denied:
            kind = OverwriteType.ROLE if target_id in world.guilds[channel.guild_id].roles else OverwriteType.MEMBER
            kept = first.allow & ~denied if first else 0
            channel.overwrites.append(Overwrite(target_id, kind, allow=allowed | kept, deny=denied))
        elif first:
            channel.overwrites.append(first)
        world.announce_channel_update(channel_id)

    # ------------------------------------------------------------- roles, members

    def create_role(self, guild_id: int, name: str, permissions: list[str]) -> int:
        """Make a role, the lowest one; its id."""
        if not 1 <= len(name) <= MAX_NAME:
            raise UserError(f"The name of a role has 1 to {MAX_NAME} characters.")
        return self._world.create_role(guild_id, name, permissions=_permissions(permissions)).id

    def grant_role(self, guild_id: int, user_id: int, role_id: int, *, held: bool) -> None:
        """Give a member a role, or take it away."""
        self._check_member(guild_id, user_id)
        if held:
            self._world.add_member_role(guild_id, user_id, role_id)
        else:
            self._world.remove_member_role(guild_id, user_id, role_id)

    def set_member(self, guild_id: int, user_id: int, *, member: bool) -> None:
        """Let a person into a server, or out of it."""
        guild = self._world.guilds[guild_id]
        if user_id not in USER_IDS.values():
            raise UserError("Only people come and go.")
        if guild.owner_id == user_id:
            raise UserError("The owner of a server cannot leave it.")
        if member and user_id not in guild.members:
            roles = self._roles.get((guild_id, user_id), [])
            self._world.add_member(guild_id, user_id, roles=roles, announce=True)
        elif not member:
            self._check_member(guild_id, user_id)
            self._world.remove_member(guild_id, user_id)

    def open_dms(self, user_id: int, *, opened: bool) -> None:
        """Let a person take direct messages from the bot, or not."""
        if opened:
            self.closed_dms.discard(user_id)
        else:
            self.closed_dms.add(user_id)

    def _check_member(self, guild_id: int, user_id: int) -> None:
        guild = self._world.guilds[guild_id]
        if user_id not in guild.members:
            raise UserError(f"{self._world.users[user_id].global_name} is not a member of {guild.name}.")

    # ------------------------------------------------- servers, channels, threads

    def create_server(self, name: str, owner: int, members: list[int], channel: str) -> int:
        """Make a server with a text channel, and the bot in it; its id. It is not kept over a restart.

        Args:
            name: of the server, and its key; no other may have it.
            owner: the person whose server it is.
            members: the others in it.
            channel: name of the channel; no other may have it.
        """
        world = self._world
        taken = {*self.guild_keys.values(), *(guild.name for guild in world.guilds.values())}
        if not 1 <= len(name) <= MAX_NAME or name in taken:
            raise UserError(f"A server cannot be called {name!r}.", f"Take another name of 1 to {MAX_NAME} characters.")
        self._check_channel(channel)
        guild = Guild(world.snowflake(), name, owner)
        people: dict[int, list[int]] = {user_id: [] for user_id in (owner, *members)}
        settle_guild(world, guild, [], people, bot_role_id=world.snowflake())
        guild.members[BOT_ID].joined_at = datetime.now(UTC).isoformat()
        self.guild_keys[guild.id] = name
        self.create_channel(guild.id, channel, [], 0)
        payload = dict(serializers.guild_create_payload(world, guild))
        payload.pop("unavailable", None)  # told of a server that was there before, not of one that is joined
        world.emit("GUILD_CREATE", payload)
        return guild.id

    def create_channel(self, guild_id: int, name: str, only: list[int], history: int) -> int:
        """Make a text channel, seen by all or by the owner, the bot and these people only; its id.

        Args:
            guild_id: the server.
            name: of the channel; no other may have it.
            only: who sees it.
            history: how many messages of small talk it begins with.
        """
        if not 0 <= history <= _MAX_HISTORY:
            raise UserError(f"A channel begins with at most {_MAX_HISTORY:,} messages.")
        self._check_channel(name)
        channel = self._world.create_channel(guild_id, name, overwrites=private_to(guild_id, only))
        self._world.seed(channel.id, small_talk(history, datetime.now(UTC)))
        self._first[channel.id] = {entry.target_id: entry for entry in channel.overwrites}
        return channel.id

    def rename_channel(self, channel_id: int, name: str) -> None:
        """Give a channel or a thread another name."""
        self._check_channel(name)
        self._world.get_channel(channel_id).name = name
        self._world.announce_channel_update(channel_id)

    def delete_channel(self, channel_id: int) -> None:
        """Delete a channel that was made here, or a thread, with all of its messages."""
        if channel_id in CHANNEL_IDS.values() or self._world.get_channel(channel_id).type == ChannelType.DM:
            raise UserError("The playground's own channels stay.", "Delete one that was made later.")
        self._remove(channel_id)
        self._first.pop(channel_id, None)

    def _remove(self, channel_id: int) -> None:
        """Remove a channel with its threads and messages, and announce it."""
        for thread in [channel for channel in self._world.channels.values() if channel.parent_id == channel_id]:
            self._remove(thread.id)
        self._world.delete_channel(channel_id)

    def _check_channel(self, name: str) -> None:
        if not 1 <= len(name) <= MAX_NAME or name in self._names():
            raise UserError(
                f"A channel cannot be called {name!r}.", f"Take another name of 1 to {MAX_NAME} characters."
            )

    def _names(self) -> set[str]:
        """Names that are taken; here a name is enough to find a channel, whatever its server."""
        return {channel.name for channel in self._world.channels.values() if channel.name}


def _permissions(names: list[str]) -> int:
    unknown = [name for name in names if name not in discord.Permissions.VALID_FLAGS]
    if unknown:
        raise UserError(f"There is no such permission: {', '.join(unknown)}.")
    return discord.Permissions(**dict.fromkeys(names, True)).value
