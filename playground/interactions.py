"""Slash commands, buttons, select menus and forms, as a person uses them.

Payloads are built by simcord's interaction builders; checks follow what a Discord client lets a person do.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from simcord import interactions as build
from simcord.backend import serializers
from simcord.backend.access import channel_accessible
from simcord.backend.errors import OptionError
from simcord.backend.models import Interaction, Message
from simcord.components import walk_components
from simcord.enums import SELECT_TYPES, AppCommandType, ComponentType, InteractionType, OptionType

from galvanic.errors import UserError
from playground.gateway import Gateway
from playground.people import File, People
from playground.places import DM_PERMISSIONS, FILE_LIMIT
from playground.resolve import Resolver
from playground.world import World

ANSWER_S = 3.0  # Discord's limit on the first answer to an interaction


class Interactions:
    """Acts for people on the bot: calls its commands, presses its buttons, sends its forms.

    Methods raise UserError for what a Discord client would not let a person do.
    """

    def __init__(self, world: World, gateway: Gateway, people: People, resolver: Resolver) -> None:
        self._world = world
        self._gateway = gateway
        self._people = people
        self._resolver = resolver
        self._watchers: set[asyncio.Task[None]] = set()
        self.outcome_listeners: list[Callable[[int, dict[str, Any]], None]] = []
        """Functions of (person, frame). The frame says how an interaction ended, for that person's page."""

    def commands(self, user_id: int, channel_id: int) -> list[dict[str, Any]]:
        """Return the slash commands that a person may call in a channel, each under its full path (`model info`)."""
        return [
            {"name": " ".join(path), "description": leaf.get("description", ""), "options": leaf.get("options") or []}
            for _, path, leaf in self._leaves(user_id, channel_id)
        ]

    def slash(
        self, user_id: int, channel_id: int, command: str, options: dict[str, Any], files: dict[str, File]
    ) -> Interaction:
        """Call a slash command. `command`: its name, or a path (`model info`)."""
        self._people.check_files(list(files.values()))
        root, nesting, leaf = self._find(user_id, channel_id, command)
        built, resolved = self._options(channel_id, command, leaf, {**options, **files})
        attached = {"resolved": resolved} if resolved else {}
        data = _command_data(root, options=build.nest_options(root, nesting, built), **attached)
        record = self._dispatch(InteractionType.APPLICATION_COMMAND, user_id, channel_id, data)
        record.command_name = command
        return record

    def message_commands(self, user_id: int, channel_id: int) -> dict[str, dict[str, Any]]:
        """Return the commands that a person may call on a message of a channel, by name."""
        offered = self._world.visible_commands(user_id=user_id, channel_id=channel_id, type=AppCommandType.MESSAGE)
        return {command["name"]: command for command in offered}

    def on_message(self, user_id: int, channel_id: int, message_id: int, command: str) -> Interaction:
        """Call a command from a message's menu."""
        message = self._people.visible_message(user_id, channel_id, message_id)
        root = self.message_commands(user_id, channel_id).get(command)
        if root is None:
            raise UserError(f"You are not offered {command!r} on messages here.")
        resolved = {"messages": {str(message_id): dict(serializers.message_payload(self._world, message))}}
        data = _command_data(root, target_id=str(message_id), resolved=resolved)
        return self._dispatch(InteractionType.APPLICATION_COMMAND, user_id, channel_id, data)

    async def autocomplete(
        self, user_id: int, channel_id: int, command: str, option: str, value: str, filled: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Return the bot's suggestions for an option that is being typed; none if it does not answer within 3 s."""
        root, nesting, leaf = self._find(user_id, channel_id, command)
        declared = {item["name"]: item for item in leaf.get("options") or []}
        if not declared.get(option, {}).get("autocomplete") or not self._gateway.online:
            return []
        others = {name: text for name, text in filled.items() if name != option}
        fitting = build.check_options(command, leaf, others, partial=True)  # simcord leaves out what does not fit yet
        built = [{"name": name, "type": declared[name]["type"], "value": text} for name, text in fitting.items()]
        built.append({"name": option, "type": declared[option]["type"], "value": value, "focused": True})
        data = _command_data(root, options=build.nest_options(root, nesting, built))
        record, payload = self._payload(InteractionType.APPLICATION_COMMAND_AUTOCOMPLETE, user_id, channel_id, data)
        self._world.emit("INTERACTION_CREATE", payload)
        await self._answered(record)
        return record.autocomplete_choices or []

    def click(self, user_id: int, channel_id: int, message_id: int, custom_id: str) -> Interaction:
        message = self._people.visible_message(user_id, channel_id, message_id)
        return self.use(user_id, message, _component(message, custom_id, (ComponentType.BUTTON,)))

    def select(self, user_id: int, channel_id: int, message_id: int, custom_id: str, values: list[str]) -> Interaction:
        """Choose from a select menu. `values`: roles and channels by name or id."""
        message = self._people.visible_message(user_id, channel_id, message_id)
        menu = _component(message, custom_id, SELECT_TYPES)
        resolved: dict[str, Any] = {}
        chosen = self._resolver.choices(user_id, channel_id, menu, values, resolved)
        # Discord sends `resolved` for every kind of menu but that of strings.
        extra = {"values": chosen} | ({} if menu["type"] == ComponentType.STRING_SELECT else {"resolved": resolved})
        return self.use(user_id, message, menu, extra)

    def submit_modal(self, user_id: int, interaction_id: int, values: dict[str, Any]) -> Interaction:
        """Send the form that an interaction opened; `values` by the fields' `custom_id`."""
        opened = self._world.interactions.get(interaction_id)
        if opened is None or opened.modal is None or opened.user_id != user_id or opened.modal_consumed:
            raise UserError("This form is no longer open.", "Start again.")
        channel_id = opened.channel_id
        data = self._resolver.form(user_id, channel_id, opened.modal, values)
        opened.modal_consumed = True
        source = self._world.messages.get(channel_id, {}).get(opened.source_message_id or 0)
        return self._dispatch(InteractionType.MODAL_SUBMIT, user_id, channel_id, data, source=source)

    def _find(self, user_id: int, channel_id: int, command: str) -> tuple[dict[str, Any], list[str], dict[str, Any]]:
        for root, path, leaf in self._leaves(user_id, channel_id):
            if " ".join(path) == command:
                return root, path[1:], leaf
        raise UserError(f"There is no command /{command}.", "Type / to see the commands there are.")

    def _leaves(self, user_id: int, channel_id: int) -> Iterator[tuple[dict[str, Any], list[str], dict[str, Any]]]:
        """Yield (command, path to a part of it that can be called, that part) for all that a person may call."""
        for root in self._world.visible_commands(user_id=user_id, channel_id=channel_id):
            for path, leaf in build.command_leaves(root):
                yield root, path, leaf

    def _options(
        self, channel_id: int, command: str, leaf: dict[str, Any], values: dict[str, Any]
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Return options as Discord sends them, and their files. Raises UserError: one isn't as the command says."""
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
                read = build.parse_option_input if isinstance(raw, str) else build.validate_option_value
                value: Any = read(command, option, raw)
            except OptionError as error:
                raise UserError(f"{name} can't be that.", option.get("description", "")) from error
            if kind == OptionType.ATTACHMENT:
                filename, content = value
                value = build.store_interaction_attachment(self._world, channel_id, filename, content, resolved)
            built.append({"name": name, "type": int(kind), "value": value})
        return built, resolved

    def use(
        self, user_id: int, message: Message, component: dict[str, Any], extra: dict[str, Any] | None = None
    ) -> Interaction:
        """Use a control of a message; `extra`: what is chosen in it."""
        if component.get("disabled"):
            raise UserError("This control is switched off.")
        data = {"custom_id": component["custom_id"], "component_type": component["type"], **(extra or {})}
        if component.get("id") is not None:
            data["id"] = component["id"]
        return self._dispatch(InteractionType.MESSAGE_COMPONENT, user_id, message.channel_id, data, source=message)

    def _payload(
        self, kind: InteractionType, user_id: int, channel_id: int, data: dict[str, Any]
    ) -> tuple[Interaction, dict[str, Any]]:
        if not channel_accessible(self._world, channel_id, user_id):
            raise UserError("You do not see this channel.")
        guild_id = self._world.get_channel(channel_id).guild_id
        record, payload = build.base_payload(
            self._world, type=kind, channel_id=channel_id, guild_id=guild_id, user_id=user_id, data=data
        )
        payload["attachment_size_limit"] = FILE_LIMIT
        if guild_id is None:
            payload["app_permissions"] = str(DM_PERMISSIONS)
        return record, payload

    def _dispatch(
        self,
        kind: InteractionType,
        user_id: int,
        channel_id: int,
        data: dict[str, Any],
        *,
        source: Message | None = None,
    ) -> Interaction:
        record, payload = self._payload(kind, user_id, channel_id, data)
        if source is not None:
            record.source_message_id = source.id
            payload["message"] = dict(serializers.message_payload(self._world, source))
        self._world.emit("INTERACTION_CREATE", payload)
        watcher = asyncio.create_task(self._watch(record))
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)
        return record

    async def _answered(self, record: Interaction) -> bool:
        if not self._gateway.online:
            return False
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._world.answered[record.id].wait()
        except TimeoutError:
            return False
        return True

    async def _watch(self, record: Interaction) -> None:
        """Tell what becomes of it: `done`, `failed` (no answer in time, or no bot) or `modal` (a form is shown)."""
        status = "failed" if not await self._answered(record) else "done" if record.modal is None else "modal"
        source = record.source_message_id
        frame = {
            "type": "outcome",
            "interaction_id": str(record.id),
            "channel_id": str(record.channel_id),
            "status": status,
            "message_id": str(source) if source is not None else None,
            "command": said_of(record.command_name, record.target_id),
            "modal": record.modal,
        }
        for listener in self.outcome_listeners:
            listener(record.user_id, frame)


def _command_data(root: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return an interaction's data: the command, and the fields of this call."""
    named: dict[str, Any] = {key: root[key] for key in ("id", "name", "type", "guild_id") if key in root}
    return {"type": AppCommandType.CHAT_INPUT, **named, **fields}


def said_of(command: str | None, target_id: Any) -> str | None:
    """Return a command's name as people see it. `target_id`: the message whose menu had it, or None if it was typed."""
    return command if command is None or target_id else f"/{command}"


def _component(message: Message, custom_id: str, kinds: tuple[ComponentType, ...]) -> dict[str, Any]:
    for component in walk_components(message.components):
        if component.get("custom_id") == custom_id and component.get("type") in kinds:
            return component
    raise UserError("The message has no such control.", "It may have changed in the meantime.")
