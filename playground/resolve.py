"""Finds people, roles and channels by name or id, and describes them as an interaction's `resolved` does."""

from __future__ import annotations

from typing import Any

from simcord.backend import serializers
from simcord.backend.access import channel_accessible
from simcord.enums import ComponentType

from galvanic.errors import UserError
from playground.places import CHANNEL_IDS, DM, USER_IDS
from playground.world import World


class Resolver:
    """Methods raise UserError for what does not exist, or what the person does not see."""

    def __init__(self, world: World) -> None:
        self._world = world

    def user(self, name: str) -> int:
        """Id of a person, by key (`ada`) or id."""
        return lookup(name, USER_IDS, "person")

    def channel(self, name: str, user_id: int) -> int:
        """Id of a channel or thread, by key (`lab`, `dm`), name or id."""
        if name in CHANNEL_IDS:
            return CHANNEL_IDS[name]
        if name == DM and user_id in self._world.dm_channels:
            return self._world.dm_channels[user_id]
        if name.isdecimal() and int(name) in self._world.channels:
            return int(name)
        names = {channel.name: channel.id for channel in self._world.channels.values() if channel.name}
        return lookup(name.removeprefix("#"), names, "channel")

    def role(self, guild_id: int, name: str) -> int:
        """By name or id."""
        roles = self._world.guilds[guild_id].roles
        return lookup(name, {role.name: role_id for role_id, role in roles.items()}, "role")

    def choices(
        self, user_id: int, channel_id: int, menu: dict[str, Any], values: list[str], resolved: dict[str, Any]
    ) -> list[str]:
        """Check what is chosen in a menu, of strings, roles or channels; the values as Discord sends them.

        What they stand for is put into `resolved`.
        """
        guild_id = self._world.get_channel(channel_id).guild_id
        if menu["type"] == ComponentType.STRING_SELECT:
            known = {entry["value"] for entry in menu["options"]}
            chosen = [value for value in values if value in known]
        elif guild_id is None:
            raise UserError("There are no roles and channels in direct messages.")
        elif menu["type"] == ComponentType.ROLE_SELECT:
            chosen = [self._role(guild_id, raw, resolved) for raw in values]
        else:
            kinds = menu.get("channel_types")
            chosen = [self._channel(user_id, guild_id, raw, resolved, kinds) for raw in values]
        low, high = menu.get("min_values", 1), menu.get("max_values", 1)
        if not low <= len(chosen) <= high or len(set(chosen)) != len(values):
            amount = f"{low}" if low == high else f"{low} to {high}"
            raise UserError("These are not choices of the menu.", f"Choose {amount} of the entries shown, each once.")
        return chosen

    def _channel(self, user_id: int, guild_id: int, raw: str, resolved: dict[str, Any], kinds: list[int] | None) -> str:
        world = self._world
        channel = world.channels[self.channel(raw, user_id)]
        if channel.guild_id != guild_id or not channel_accessible(world, channel.id, user_id):
            raise UserError(f"There is no channel {raw!r} here.")
        if kinds and channel.type not in kinds:
            raise UserError(f"#{channel.name} is not the kind of channel that is asked for.")
        payload = dict(serializers.channel_payload(world, channel))
        payload["permissions"] = str(world.compute_permissions(guild_id, user_id, channel.id))
        resolved.setdefault("channels", {})[str(channel.id)] = payload
        return str(channel.id)

    def _role(self, guild_id: int, raw: str, resolved: dict[str, Any]) -> str:
        role = self._world.guilds[guild_id].roles[self.role(guild_id, raw)]
        resolved.setdefault("roles", {})[str(role.id)] = dict(serializers.role_payload(role))
        return str(role.id)


def lookup(name: str, ids: dict[str, int], what: str) -> int:
    """By key or id; `what`: the word for it."""
    if name in ids:
        return ids[name]
    if name.isdecimal() and int(name) in ids.values():
        return int(name)
    raise UserError(f"There is no {what} {name!r} here.", f"There are: {', '.join(sorted(ids))}.")
