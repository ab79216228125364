"""What is changed about the servers themselves: the bot's permissions, servers and channels.

On Discord a server's admins do this in its settings; here a test does it.
"""

from typing import Any

import discord
from simcord.backend import serializers
from simcord.backend.models import Guild, Overwrite
from simcord.enums import OverwriteType

from playground.control import Act
from playground.places import ANNEX_ID, BOT_ID, GUILD_ID, settle_guild
from playground.resolve import Resolver
from playground.world import World
from tests.driver.history import small_talk

Body = dict[str, Any]


class Admin:
    """Changes of the playground's servers, as requests bring them; every one is announced to the bot.

    Tests call it, so it does not check what they ask for.
    """

    def __init__(self, world: World, resolver: Resolver) -> None:
        self._world = world
        self._resolver = resolver
        self.guild_keys = {GUILD_ID: "playground", ANNEX_ID: "annex"}
        self._first = {
            channel.id: entry
            for channel in world.channels.values()
            for entry in channel.overwrites
            if entry.target_id == BOT_ID
        }
        """The bot's permissions that were made with a channel, to go back to."""

    def acts(self) -> list[tuple[str, str, Act]]:
        return [
            ("POST", "permissions", self.permissions),
            ("POST", "servers", self.create_server),
            ("POST", "channels", self.create_channel),
            ("DELETE", "channels/{channel}", self.delete_channel),
        ]

    async def permissions(self, body: Body) -> Any:
        """Deny the bot something in a channel; nothing: as it was at first."""
        channel = self._world.get_channel(self._resolver.channel(body["channel"], BOT_ID))
        denied = discord.Permissions(**dict.fromkeys(body["deny"], True)).value
        first = self._first.get(channel.id)
        channel.overwrites = [entry for entry in channel.overwrites if entry.target_id != BOT_ID]
        if denied:
            allowed = first.allow & ~denied if first else 0
            channel.overwrites.append(Overwrite(BOT_ID, OverwriteType.MEMBER, allow=allowed, deny=denied))
        elif first:
            channel.overwrites.append(first)
        self._world.announce_channel_update(channel.id)
        return {}

    # ------------------------------------------------------- servers, channels

    async def create_server(self, body: Body) -> Any:
        """Make a server with a text channel, and the bot in it.

        Its name is its key, too, so no other may have it; the channel's name neither.
        """
        world = self._world
        owner, *members = [self._resolver.user(name) for name in (body["owner"], *body.get("members", []))]
        guild = Guild(world.snowflake(), body["name"], owner)
        people: dict[int, list[int]] = {user_id: [] for user_id in (owner, *members)}
        settle_guild(world, guild, [], people, bot_role_id=world.snowflake())
        self.guild_keys[guild.id] = guild.name
        await self.create_channel({"guild": guild.name, "name": body["channel"]})
        payload = dict(serializers.guild_create_payload(world, guild))
        payload.pop("unavailable", None)  # told of a server that was there before, not of one that is joined
        world.emit("GUILD_CREATE", payload)
        return {"id": str(guild.id)}

    async def create_channel(self, body: Body) -> Any:
        """Make a text channel, which begins with `history` messages of small talk."""
        guild_ids = {key: guild_id for guild_id, key in self.guild_keys.items()}
        channel = self._world.create_channel(guild_ids[body.get("guild", "playground")], body["name"])
        self._world.add_old_messages(channel.id, small_talk(body.get("history", 0)))
        return {"id": str(channel.id)}

    async def delete_channel(self, body: Body) -> Any:
        """Delete a channel that was made here, or a thread, with all of its messages."""
        self.remove(self._resolver.channel(body["channel"], BOT_ID))
        return {}

    def remove(self, channel_id: int) -> None:
        """Delete a channel with its threads and messages, and announce it."""
        for thread in [channel for channel in self._world.channels.values() if channel.parent_id == channel_id]:
            self.remove(thread.id)
        self._world.delete_channel(channel_id)
