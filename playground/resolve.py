"""Find people, roles and channels by name, and put menus and forms as Discord sends them."""

from typing import Any

from simcord.backend import serializers
from simcord.backend.access import channel_accessible
from simcord.enums import ComponentType

from galvanic.errors import UserError
from playground.places import DM, USER_IDS
from playground.world import World


class Resolver:
    """Finds by name what a person means: people, channels, roles, choices.

    Methods raise UserError for what does not exist, or what the person does not see.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def user(self, name: str) -> int:
        """Return a person's id, by key (`ada`) or id."""
        return lookup(name, USER_IDS, "person")

    def channel(self, name: str, user_id: int) -> int:
        """Return the id of a channel or thread, by key (`lab`, `dm`), name or id."""
        if name.isdecimal() and int(name) in self._world.channels:
            return int(name)  # a thread may be called as another one, or `dm`
        channels = {channel.name: channel.id for channel in self._world.channels.values() if channel.name}
        return lookup(name, channels | {DM: self._world.dm_channels.get(user_id, 0)}, "channel")

    def role(self, guild_id: int, name: str) -> int:
        """Return a role's id, by name or id."""
        roles = self._world.guilds[guild_id].roles
        return lookup(name, {role.name: role_id for role_id, role in roles.items()}, "role")

    def choices(
        self, user_id: int, channel_id: int, menu: dict[str, Any], values: list[str], resolved: dict[str, Any]
    ) -> list[str]:
        """Check the choices in a menu of strings, roles or channels; return the values as Discord sends them.

        The chosen roles and channels are put into `resolved`.
        """
        guild_id = self._world.get_channel(channel_id).guild_id
        if menu["type"] == ComponentType.STRING_SELECT:
            offered = {entry["value"] for entry in menu["options"]}
            chosen = [value for value in values if value in offered]
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

    def form(self, user_id: int, channel_id: int, modal: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        """Fill in a form that the bot opened: `values` by the fields' `custom_id`, text or a list for menus."""
        resolved: dict[str, Any] = {}

        def filled(node: dict[str, Any], name: str) -> dict[str, Any]:
            out = {key: node[key] for key in ("type", "id", "custom_id") if key in node}
            if node["type"] == ComponentType.ACTION_ROW:
                return out | {"components": all_filled(node["components"])}
            if node["type"] == ComponentType.LABEL:
                return out | {"component": filled(node["component"], node["label"])}
            value = values.get(node["custom_id"])
            if node["type"] == ComponentType.TEXT_INPUT:
                return out | {"value": _text(node, str(value or ""), name)}
            if not value and node.get("required", True):
                raise UserError(f"{name} is empty.", "Choose something.")
            chosen = self.choices(user_id, channel_id, node, list(map(str, value)), resolved) if value else []
            return out | {"values": chosen}

        def all_filled(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [filled(node, node.get("label") or "A field") for node in nodes]

        data = {"custom_id": modal["custom_id"], "components": all_filled(modal["components"])}
        return data | ({"resolved": resolved} if resolved else {})

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


def _text(node: dict[str, Any], text: str, name: str) -> str:
    if node.get("required", True) and not text:
        raise UserError(f"{name} is empty.", "Fill it in.")
    low, high = node.get("min_length") or 0, node.get("max_length") or 4_000
    if text and not low <= len(text) <= high:
        raise UserError(f"{name} has {len(text):,} characters.", f"It takes {low:,} to {high:,}.")
    return text


def lookup(name: str, ids: dict[str, int], what: str) -> int:
    """Return an id, by key or by the id itself. `what`: the word for it in the error."""
    if name in ids:
        return ids[name]
    if name.isdecimal() and int(name) in ids.values():
        return int(name)
    raise UserError(f"There is no {what} {name!r} here.", f"There are: {', '.join(sorted(ids))}.")
