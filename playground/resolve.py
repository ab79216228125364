"""Finds people, roles and channels by name or id, and describes them as an interaction's `resolved` does."""

from __future__ import annotations

from typing import Any

from simcord.backend import serializers
from simcord.backend.access import channel_accessible
from simcord.enums import ComponentType, OptionType

from playground.places import BOT_ID, CHANNEL_IDS, DM, USER_IDS
from playground.world import World
from shared.errors import UserError

_PLACED = {
    ComponentType.USER_SELECT: OptionType.USER,
    ComponentType.ROLE_SELECT: OptionType.ROLE,
    ComponentType.MENTIONABLE_SELECT: OptionType.MENTIONABLE,
    ComponentType.CHANNEL_SELECT: OptionType.CHANNEL,
}


class Resolver:
    """Methods raise UserError for what does not exist, or what the person does not see."""

    def __init__(self, world: World) -> None:
        self._world = world

    # ------------------------------------------------------------------ lookups

    def user(self, name: str) -> int:
        """Id of a person, by key (`ada`) or id."""
        return _lookup(name, USER_IDS, "person")

    def key(self, name: str) -> str:
        """Key of a person (`ada`), by key or id."""
        user_id = self.user(name)
        return next(key for key, known in USER_IDS.items() if known == user_id)

    def account(self, name: str) -> int:
        """Id of a person or of the bot, by key (`ada`, `galvanic`), mention or id."""
        return _lookup(name.removeprefix("@").lower(), {**USER_IDS, "galvanic": BOT_ID}, "member")

    def guild(self, name: str) -> int:
        """By key (`annex`) or id."""
        return _lookup(name, {spec.key: spec.id for spec in self._world.specs.values()}, "server")

    def channel(self, name: str, user_id: int) -> int:
        """Id of a channel or thread, by key (`lab`, `dm`), name or id."""
        if name in CHANNEL_IDS:
            return CHANNEL_IDS[name]
        if name == DM and user_id in self._world.dm_channels:
            return self._world.dm_channels[user_id]
        if name.isdecimal() and int(name) in self._world.channels:
            return int(name)
        names = {channel.name: channel.id for channel in self._world.channels.values() if channel.name}
        return _lookup(name.removeprefix("#"), names, "channel")

    def role(self, guild_id: int, name: str) -> int:
        """By name or id."""
        roles = self._world.guilds[guild_id].roles
        return _lookup(name, {role.name: role_id for role_id, role in roles.items()}, "role")

    def target(self, guild_id: int, name: str) -> int:
        """Id of a member, the bot or a role, by name or id."""
        people = {**USER_IDS, "bot": BOT_ID}
        roles = {role.name: role.id for role in self._world.guilds[guild_id].roles.values()}
        return _lookup(name, {**roles, **people}, "member or role")

    # ----------------------------------------------------------------- resolving

    def option(self, user_id: int, channel_id: int, kind: OptionType, raw: str, resolved: dict[str, Any]) -> str:
        """Resolve one value of a slash command's option into `resolved`; its id."""
        guild_id = self._world.get_channel(channel_id).guild_id
        if kind == OptionType.CHANNEL:
            return self._channel(user_id, guild_id, raw, resolved, ())
        if kind == OptionType.ROLE:
            return self._role(guild_id, raw, resolved)
        if kind == OptionType.MENTIONABLE and guild_id is not None and self._is_role(guild_id, raw):
            return self._role(guild_id, raw, resolved)
        return self._user(guild_id, channel_id, raw, resolved)

    def choices(
        self, user_id: int, channel_id: int, menu: dict[str, Any], values: list[str], resolved: dict[str, Any]
    ) -> list[str]:
        """Check and resolve what is chosen in a menu; the values as Discord sends them."""
        if menu["type"] == ComponentType.STRING_SELECT:
            known = {entry["value"] for entry in menu.get("options") or []}
            if not set(values) <= known:
                raise UserError("These are not choices of the menu.", "Choose among the entries shown.")
            chosen = values
        elif menu["type"] == ComponentType.CHANNEL_SELECT:
            guild_id = self._world.get_channel(channel_id).guild_id
            kinds = tuple(menu.get("channel_types") or ())
            chosen = [self._channel(user_id, guild_id, raw, resolved, kinds) for raw in values]
        else:
            kind = _PLACED[ComponentType(menu["type"])]
            chosen = [self.option(user_id, channel_id, kind, raw, resolved) for raw in values]
        low, high = menu.get("min_values", 1), menu.get("max_values", 1)
        if not low <= len(chosen) <= high or len(set(chosen)) != len(chosen):
            amount = f"{low}" if low == high else f"{low} to {high}"
            raise UserError("These are not choices of the menu.", f"Choose {amount} of the entries shown, each once.")
        return chosen

    def _is_role(self, guild_id: int, raw: str) -> bool:
        roles = self._world.guilds[guild_id].roles
        return raw in {str(role_id) for role_id in roles} | {role.name for role in roles.values()}

    def _channel(
        self, user_id: int, guild_id: int | None, raw: str, resolved: dict[str, Any], kinds: tuple[int, ...]
    ) -> str:
        world = self._world
        channel = world.channels[self.channel(raw, user_id)]
        if (
            channel.guild_id is None
            or channel.guild_id != guild_id
            or not channel_accessible(world, channel.id, user_id)
        ):
            raise UserError(f"There is no channel {raw!r} here.")
        if kinds and channel.type not in kinds:
            raise UserError(f"#{channel.name} is not the kind of channel that is asked for.")
        payload = dict(serializers.channel_payload(world, channel))
        payload["permissions"] = str(world.compute_permissions(channel.guild_id, user_id, channel.id))
        resolved.setdefault("channels", {})[str(channel.id)] = payload
        return str(channel.id)

    def _role(self, guild_id: int | None, raw: str, resolved: dict[str, Any]) -> str:
        if guild_id is None:
            raise UserError("There are no roles in direct messages.")
        role = self._world.guilds[guild_id].roles[self.role(guild_id, raw)]
        resolved.setdefault("roles", {})[str(role.id)] = dict(serializers.role_payload(role))
        return str(role.id)

    def _user(self, guild_id: int | None, channel_id: int, raw: str, resolved: dict[str, Any]) -> str:
        world = self._world
        account = self.account(raw)
        resolved.setdefault("users", {})[str(account)] = dict(serializers.user_payload(world.users[account]))
        # Somebody who is not a member of the server can be named by id all the same.
        if guild_id is not None and account in world.guilds[guild_id].members:
            guild = world.guilds[guild_id]
            member = serializers.member_payload(world, guild, guild.members[account], with_user=False)
            permissions = str(world.compute_permissions(guild_id, account, channel_id))
            resolved.setdefault("members", {})[str(account)] = {**member, "permissions": permissions}
        return str(account)


def _lookup(name: str, ids: dict[str, int], what: str) -> int:
    if name in ids:
        return ids[name]
    if name.isdecimal() and int(name) in ids.values():
        return int(name)
    raise UserError(f"There is no {what} {name!r} here.", f"There are: {', '.join(sorted(ids))}.")
