"""What a person does in the playground: write, call a slash command, press a button, fill a form.

Payloads are built by simcord's interaction builders; checks follow what a Discord client lets a person do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simcord import interactions as build
from simcord.backend import serializers
from simcord.backend.access import channel_accessible, message_accessible
from simcord.backend.errors import OptionError, SetupError
from simcord.backend.models import Interaction, Message
from simcord.components import walk_components
from simcord.enums import SELECT_TYPES, AppCommandType, ComponentType, InteractionType, OptionType

from playground.gateway import Gateway
from playground.rest import MAX_FILE_BYTES, MAX_FILES
from playground.world import CHANNEL_IDS, GUILD_ID, USER_IDS, World
from shared.errors import UserError

ANSWER_S = 3.0
"""How long Discord waits for the first answer to an interaction."""
MAX_CONTENT = 2_000


@dataclass(frozen=True)
class File:
    """A file that a person sends."""

    filename: str
    data: bytes


@dataclass(frozen=True)
class Outcome:
    """How an interaction went, told to the person's page.

    Attributes:
        status: `pending`, `done`, `failed` (no answer within 3 s, or no bot) or `modal` (a form is to be shown).
    """

    interaction_id: int
    user_id: int
    channel_id: int
    status: str
    source_message_id: int | None = None
    command: str | None = None
    modal: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """As the page gets it, ids as strings."""
        source = self.source_message_id
        return {
            "interaction_id": str(self.interaction_id),
            "channel_id": str(self.channel_id),
            "status": self.status,
            "message_id": str(source) if source is not None else None,
            "command": self.command,
            "modal": self.modal,
        }


class People:
    """The actions of the playground's people.

    Every method raises `UserError` for what a Discord client would not let a person do.
    """

    def __init__(self, world: World, gateway: Gateway) -> None:
        self._world = world
        self._gateway = gateway
        self._watchers: set[asyncio.Task[None]] = set()
        self.outcome_listeners: list[Callable[[Outcome], None]] = []

    # ------------------------------------------------------------------ lookups

    def user(self, name: str) -> int:
        """Id of a person, by key (`ada`) or id."""
        return _lookup(name, USER_IDS, "person")

    def channel(self, name: str) -> int:
        """Id of a channel or thread, by key (`lab`), name or id."""
        names = {channel.name or "": channel_id for channel_id, channel in self._world.channels.items()}
        return _lookup(name, {**names, **CHANNEL_IDS}, "channel")

    def visible_message(self, user_id: int, channel_id: int, message_id: int) -> Message:
        """A message that this person sees."""
        message = self._world.messages.get(channel_id, {}).get(message_id)
        if message is None or not message_accessible(self._world, channel_id, message, user_id):
            raise UserError("There is no such message here.", "It may have been deleted.")
        return message

    def visible_messages(self, user_id: int, channel_id: int, *, after: int = 0) -> list[Message]:
        """The messages of a channel that this person sees, oldest first."""
        if not channel_accessible(self._world, channel_id, user_id, history=True):
            return []
        found = self._world.messages.get(channel_id, {}).values()
        return sorted(
            (message for message in found if message.id > after and message.visible_to(user_id)),
            key=lambda message: message.id,
        )

    def commands(self, user_id: int, channel_id: int) -> list[dict[str, Any]]:
        """Slash commands that this person may call here, one entry for each leaf, `name` being its full path."""
        if not self._world.may(user_id, channel_id, "use_application_commands"):
            return []
        entries: dict[str, dict[str, Any]] = {}
        for command in self._world.visible_commands(user_id=user_id, channel_id=channel_id):
            for path, leaf in build.command_leaves(command):
                name = " ".join(path)
                entries.setdefault(
                    name,
                    {"name": name, "description": leaf.get("description", ""), "options": leaf.get("options") or []},
                )
        return list(entries.values())

    # ------------------------------------------------------------------ messages

    def send(
        self, user_id: int, channel_id: int, content: str, files: list[File], reply_to: int | None = None
    ) -> Message:
        """Post a message."""
        thread = self._world.get_channel(channel_id).is_thread
        needed = ["view_channel", "send_messages_in_threads" if thread else "send_messages"]
        if files:
            needed.append("attach_files")
        if not self._world.may(user_id, channel_id, *needed):
            raise UserError("You do not have permission to send messages in this channel.")
        if len(content) > MAX_CONTENT:
            raise UserError(
                f"A message has at most {MAX_CONTENT:,} characters; this one has {len(content):,}.",
                "Shorten it, or attach it as a file.",
            )
        if not content.strip() and not files:
            raise UserError("The message is empty.", "Type something or attach a file.")
        _check_files(files)
        reference = None
        if reply_to is not None:
            self.visible_message(user_id, channel_id, reply_to)
            reference = {"channel_id": str(channel_id), "message_id": str(reply_to)}
        attachments = self._world.store_attachments(channel_id, [(file.filename, file.data) for file in files])
        return self._world.create_message(channel_id, user_id, content, attachments=attachments, reference=reference)

    def delete(self, message_id: int) -> None:
        """Remove a message, whoever wrote it."""
        for channel_id, messages in self._world.messages.items():
            if message_id in messages:
                self._world.delete_message(channel_id, message_id)
                return
        raise UserError("There is no such message here.", "It may have been deleted.")

    # -------------------------------------------------------------- interactions

    def slash(
        self, user_id: int, channel_id: int, command: str, options: dict[str, Any], files: dict[str, File]
    ) -> Interaction:
        """Call a slash command; `command` may be a path (`model info`)."""
        _check_files(list(files.values()))
        root, nesting, leaf = self._find(user_id, channel_id, command)
        values = {**options, **{name: (file.filename, file.data) for name, file in files.items()}}
        built, resolved = self._options(user_id, channel_id, command, leaf, values)
        data = self._command_data(root, build.nest_options(root, nesting, built))
        if resolved:
            data["resolved"] = resolved
        return self._dispatch(InteractionType.APPLICATION_COMMAND, user_id, channel_id, data, command=command)

    async def autocomplete(
        self, user_id: int, channel_id: int, command: str, option: str, value: str, filled: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Choices that the bot offers for an option being typed; none when it does not answer in 3 s."""
        root, nesting, leaf = self._find(user_id, channel_id, command)
        focused = next((item for item in leaf.get("options") or [] if item["name"] == option), None)
        if focused is None or not focused.get("autocomplete") or not self._gateway.online:
            return []
        declared = {item["name"]: item for item in leaf["options"]}
        built = [
            {"name": name, "type": declared[name]["type"], "value": given}
            for name, given in filled.items()
            if name in declared and name != option and declared[name]["type"] == OptionType.STRING
        ]
        built.append({"name": option, "type": focused["type"], "value": value, "focused": True})
        data = self._command_data(root, build.nest_options(root, nesting, built))
        kind = InteractionType.APPLICATION_COMMAND_AUTOCOMPLETE
        record, payload = build.base_payload(
            self._world, type=kind, channel_id=channel_id, guild_id=GUILD_ID, user_id=user_id, data=data
        )
        self._world.emit("INTERACTION_CREATE", payload)
        await self._answered(record)
        return record.autocomplete_choices or []

    def click(self, user_id: int, channel_id: int, message_id: int, custom_id: str) -> Interaction:
        """Press a button."""
        message = self.visible_message(user_id, channel_id, message_id)
        button = _component(message, custom_id, (ComponentType.BUTTON,))
        return self._component(user_id, message, button, {})

    def select(self, user_id: int, channel_id: int, message_id: int, custom_id: str, values: list[str]) -> Interaction:
        """Choose in a select menu of strings."""
        message = self.visible_message(user_id, channel_id, message_id)
        menu = _component(message, custom_id, SELECT_TYPES)
        known = {entry["value"] for entry in menu.get("options") or []}
        low, high = menu.get("min_values", 1), menu.get("max_values", 1)
        if menu["type"] != ComponentType.STRING_SELECT or not set(values) <= known or not low <= len(values) <= high:
            raise UserError("These are not choices of the menu.", f"Choose {low} to {high} of the entries shown.")
        return self._component(user_id, message, menu, {"values": values})

    def submit_modal(self, user_id: int, interaction_id: int, values: dict[str, str]) -> Interaction:
        """Send the form that an interaction opened; `values` by the fields' `custom_id`."""
        opened = self._world.interactions.get(interaction_id)
        if opened is None or opened.modal is None or opened.user_id != user_id or opened.modal_consumed:
            raise UserError("This form is no longer open.", "Start again.")
        rows = [_filled(node, values) for node in opened.modal.get("components") or []]
        data = {"custom_id": opened.modal["custom_id"], "components": [row for row in rows if row is not None]}
        opened.modal_consumed = True
        source = self._world.messages.get(opened.channel_id, {}).get(opened.source_message_id or 0)
        return self._dispatch(InteractionType.MODAL_SUBMIT, user_id, opened.channel_id, data, source=source)

    def _find(self, user_id: int, channel_id: int, command: str) -> tuple[dict[str, Any], list[str], dict[str, Any]]:
        name, *path = command.split()
        if not self._world.may(user_id, channel_id, "use_application_commands"):
            raise UserError("You do not have permission to use application commands in this channel.")
        for root in self._world.visible_commands(user_id=user_id, channel_id=channel_id):
            if root["name"] == name:
                try:
                    leaf, nesting = build.walk_to_subcommand(root, path)
                except SetupError as error:
                    raise UserError(f"/{name} has no part called {' '.join(path)!r}.") from error
                return root, nesting, leaf
        raise UserError(f"There is no command /{name}.", "Type / to see the commands there are.")

    def _command_data(self, root: dict[str, Any], options: list[dict[str, Any]]) -> dict[str, Any]:
        data = {
            "id": root["id"],
            "name": root["name"],
            "type": root.get("type", AppCommandType.CHAT_INPUT),
            "options": options,
        }
        if root.get("guild_id"):
            data["guild_id"] = root["guild_id"]
        return data

    def _options(
        self, user_id: int, channel_id: int, command: str, leaf: dict[str, Any], values: dict[str, Any]
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Check values against the command's declaration and put them in wire form."""
        declared = {option["name"]: option for option in leaf.get("options") or []}
        missing = [name for name, option in declared.items() if option.get("required") and name not in values]
        unknown = [name for name in values if name not in declared]
        if missing or unknown:
            word, names = ("needs", missing) if missing else ("has no", unknown)
            raise UserError(f"/{command} {word} the option {', '.join(names)}.")
        built: list[dict[str, Any]] = []
        resolved: dict[str, Any] = {}
        for name, raw in values.items():
            option = declared[name]
            kind = OptionType(option["type"])
            try:
                if kind in (OptionType.USER, OptionType.CHANNEL, OptionType.ROLE, OptionType.MENTIONABLE):
                    value: Any = self._resolve(user_id, kind, raw, resolved)
                elif isinstance(raw, str) and kind != OptionType.ATTACHMENT:
                    value = build.parse_option_input(command, option, raw)
                else:
                    value = build.validate_option_value(command, option, raw)
            except OptionError as error:
                raise UserError(f"{error}.") from error
            if kind == OptionType.ATTACHMENT:
                filename, content = value
                value = build.store_interaction_attachment(self._world, channel_id, filename, content, resolved)
            built.append({"name": name, "type": int(kind), "value": value})
        return built, resolved

    def _resolve(self, user_id: int, kind: OptionType, raw: Any, resolved: dict[str, Any]) -> str:
        world = self._world
        guild = world.guilds[GUILD_ID]
        if kind == OptionType.CHANNEL:
            channel_id = self.channel(str(raw).removeprefix("#"))
            payload = dict(serializers.channel_payload(world, world.channels[channel_id]))
            payload["permissions"] = str(world.compute_permissions(GUILD_ID, user_id, channel_id))
            resolved.setdefault("channels", {})[str(channel_id)] = payload
            return str(channel_id)
        if kind == OptionType.ROLE:
            role = guild.roles.get(
                _lookup(str(raw), {role.name: role_id for role_id, role in guild.roles.items()}, "role")
            )
            if role is None:
                raise UserError(f"There is no role {raw!r} here.")
            resolved.setdefault("roles", {})[str(role.id)] = dict(serializers.role_payload(role))
            return str(role.id)
        member_id = self.user(str(raw).removeprefix("@"))
        member = serializers.member_payload(world, guild, guild.members[member_id], with_user=False)
        resolved.setdefault("users", {})[str(member_id)] = dict(serializers.user_payload(world.users[member_id]))
        resolved.setdefault("members", {})[str(member_id)] = {
            **member,
            "permissions": str(world.compute_permissions(GUILD_ID, member_id)),
        }
        return str(member_id)

    def _component(
        self, user_id: int, message: Message, component: dict[str, Any], extra: dict[str, Any]
    ) -> Interaction:
        if component.get("disabled"):
            raise UserError("This control is switched off.")
        data = {"custom_id": component["custom_id"], "component_type": component["type"], **extra}
        if component.get("id") is not None:
            data["id"] = component["id"]
        return self._dispatch(InteractionType.MESSAGE_COMPONENT, user_id, message.channel_id, data, source=message)

    def _dispatch(
        self,
        kind: InteractionType,
        user_id: int,
        channel_id: int,
        data: dict[str, Any],
        *,
        source: Message | None = None,
        command: str | None = None,
    ) -> Interaction:
        record, payload = build.base_payload(
            self._world, type=kind, channel_id=channel_id, guild_id=GUILD_ID, user_id=user_id, data=data
        )
        if source is not None:
            record.source_message_id = source.id
            payload["message"] = dict(serializers.message_payload(self._world, source))
        self._world.emit("INTERACTION_CREATE", payload)
        watcher = asyncio.create_task(self._watch(record, command))
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)
        return record

    async def _answered(self, record: Interaction) -> bool:
        if not self._gateway.online:
            return False
        return record.responded or await self._world.await_answer(record.id, ANSWER_S)

    async def _watch(self, record: Interaction, command: str | None) -> None:
        """Tell the person's page how the interaction goes."""

        def tell(status: str) -> None:
            outcome = Outcome(
                interaction_id=record.id,
                user_id=record.user_id,
                channel_id=record.channel_id,
                status=status,
                source_message_id=record.source_message_id,
                command=command,
                modal=record.modal if status == "modal" else None,
            )
            for listener in self.outcome_listeners:
                listener(outcome)

        tell("pending")
        if not await self._answered(record):
            tell("failed")
        else:
            tell("modal" if record.modal is not None else "done")


def _lookup(name: str, ids: dict[str, int], what: str) -> int:
    if name in ids:
        return ids[name]
    if name.isdecimal() and int(name) in ids.values():
        return int(name)
    raise UserError(f"There is no {what} {name!r} here.", f"There are: {', '.join(sorted(ids))}.")


def _check_files(files: list[File]) -> None:
    if len(files) > MAX_FILES:
        raise UserError(f"A message carries at most {MAX_FILES} files.")
    for file in files:
        if len(file.data) > MAX_FILE_BYTES:
            raise UserError(
                f"{file.filename} is larger than {MAX_FILE_BYTES // 2**20} MiB.", "Discord takes no larger file."
            )


def _component(message: Message, custom_id: str, kinds: tuple[ComponentType, ...]) -> dict[str, Any]:
    for component in walk_components(message.components):
        if component.get("custom_id") == custom_id and component.get("type") in kinds:
            return component
    raise UserError("The message has no such control.", "It may have changed in the meantime.")


def _filled(node: dict[str, Any], values: dict[str, str]) -> dict[str, Any] | None:
    """A form's component with the person's values in it; None for one that is only shown."""
    kind = node.get("type")
    out: dict[str, Any] = {"type": kind} | ({"id": node["id"]} if "id" in node else {})
    if kind == ComponentType.ACTION_ROW:
        children = [_filled(child, values) for child in node.get("components") or []]
        return out | {"components": [child for child in children if child is not None]}
    if kind == ComponentType.LABEL:
        return out | {"component": _filled(node["component"], values)}
    if kind == ComponentType.TEXT_INPUT:
        text = values.get(node["custom_id"], "")
        if node.get("required", True) and not text:
            raise UserError(f"{node.get('label') or 'A field'} is empty.", "Fill it in.")
        return out | {"custom_id": node["custom_id"], "value": text}
    if kind == ComponentType.STRING_SELECT:
        chosen = values.get(node["custom_id"], "")
        return out | {"custom_id": node["custom_id"], "values": [chosen] if chosen else []}
    return None
