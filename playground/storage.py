"""Keeps the playground's messages, files and synced commands over a restart.

A bot that comes back looks for the messages it left; on Discord they are still there.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from simcord.backend.models import Message
from simcord.backend.models.message import Reaction

from playground.places import CHANNEL_IDS, DM_IDS
from playground.world import ChangeKind, World

log = structlog.get_logger()

KEPT_MESSAGES = 200
"""Messages kept of each channel, the newest ones."""
_KEPT_CHANNELS = frozenset([*CHANNEL_IDS.values(), *DM_IDS.values()])
_DELAY_S = 0.5
_LOADING_FLAG = 1 << 7
_FIELDS = (
    "id",
    "channel_id",
    "author_id",
    "content",
    "timestamp",
    "edited_timestamp",
    "type",
    "flags",
    "pinned",
    "embeds",
    "components",
    "attachments",
    "mention_user_ids",
    "mention_role_ids",
    "mention_everyone",
    "reference",
    "interaction_metadata",
)


class Storage:
    def __init__(self, world: World, folder: Path) -> None:
        self._world = world
        self._file = folder / "world.json"
        self._files = folder / "files"
        self._files.mkdir(parents=True, exist_ok=True)
        self._pending: asyncio.TimerHandle | None = None

    def load(self) -> bool:
        """Read what an earlier run kept. False when there was nothing; a broken file is set aside."""
        try:
            kept = json.loads(self._file.read_text("utf-8"))
            messages = [self._message(entry) for entry in kept["messages"]]
            commands = [(entry["guild_id"], entry["command"]) for entry in kept["commands"]]
            # An older playground had no such history.
            until = datetime.fromisoformat(kept["history_until"]) if "history_until" in kept else None
            gone = {int(message_id) for message_id in kept.get("history_gone", [])}
        except FileNotFoundError:
            return False
        except (ValueError, KeyError, TypeError) as error:
            aside = self._file.with_suffix(".broken.json")
            self._file.replace(aside)
            log.warning("the kept messages could not be read and were set aside", file=str(aside), error=repr(error))
            return False
        self._world.settle_history(until)
        tavern = self._world.messages[CHANNEL_IDS["tavern"]]
        for message_id in gone & tavern.keys():
            del tavern[message_id]
        for message, embed_files in messages:
            if message.channel_id in self._world.channels:
                self._world.restore_message(message, embed_files)
        for guild_id, command in commands:
            scope = self._world.commands.setdefault(guild_id, {})
            scope[command["name"], command["type"]] = command
            self._world.reserve_id(int(command["id"]))
        return bool(messages)

    def watch(self) -> None:
        """Save after each change from now on; needs a running event loop."""
        self._world.change_listeners.append(self._on_change)
        self._world.commands_listeners.append(self._soon)

    def save(self) -> None:
        """Write everything now. The file is replaced in one step, so that a kill leaves the old or the new one."""
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None
        messages = []
        shown: set[str] = set()
        for channel_id, stored in self._world.messages.items():
            if channel_id not in _KEPT_CHANNELS:
                continue  # threads, and channels that were made later, are not kept
            begun_with = self._world.seeded.get(channel_id, set())
            lasting = [item for item in stored.values() if not item.is_ephemeral and item.id not in begun_with]
            for message in sorted(lasting, key=lambda message: message.id)[-KEPT_MESSAGES:]:
                messages.append(self._entry(message))
                shown |= {str(item["id"]) for item in self._world.files_of(message)}
        commands = [
            {"guild_id": guild_id, "command": command}
            for guild_id, scope in self._world.commands.items()
            for command in scope.values()
        ]
        for attachment_id in shown:
            path = self._files / attachment_id
            found = self._world.cdn.file(int(attachment_id))
            if found is not None and not path.exists():
                path.write_bytes(found[1])
        for path in self._files.iterdir():
            if path.name not in shown:
                path.unlink()
        fresh = self._file.with_suffix(".new")
        world: dict[str, Any] = {"version": 2, "messages": messages, "commands": commands}
        if self._world.seeded_until is not None:
            tavern = CHANNEL_IDS["tavern"]
            world["history_until"] = self._world.seeded_until.isoformat()
            world["history_gone"] = sorted(self._world.seeded.get(tavern, set()) - self._world.messages[tavern].keys())
        fresh.write_text(json.dumps(world), "utf-8")
        fresh.replace(self._file)

    def _on_change(self, _kind: ChangeKind, message: Message) -> None:
        if not message.is_ephemeral:
            self._soon()

    def _soon(self) -> None:
        if self._pending is None:
            self._pending = asyncio.get_running_loop().call_later(_DELAY_S, self.save)

    def _entry(self, message: Message) -> dict[str, Any]:
        entry = {name: getattr(message, name) for name in _FIELDS}
        entry["reactions"] = [asdict(reaction) for reaction in message.reactions]
        entry["embed_files"] = [item for item in self._world.files_of(message) if item not in message.attachments]
        return entry

    def _message(self, entry: dict[str, Any]) -> tuple[Message, list[dict[str, Any]]]:
        values = {name: entry[name] for name in _FIELDS}
        # An answer that was still being thought about never comes: its interaction is gone.
        if values["flags"] & _LOADING_FLAG:
            values |= {"flags": values["flags"] & ~_LOADING_FLAG, "content": values["content"] or "*(interrupted)*"}
        moved: dict[str, str] = {}
        for item in [*values["attachments"], *entry["embed_files"]]:
            path = self._files / str(int(item["id"]))
            if path.exists():
                self._world.cdn.restore(int(item["id"]), item["filename"], path.read_bytes())
            # The port may be another one now.
            url = self._world.cdn.url(values["channel_id"], int(item["id"]), item["filename"])
            moved[item["url"]] = url
            item |= {"url": url, "proxy_url": url}
        for embed in values["embeds"]:
            for slot in ("image", "thumbnail"):
                if (embed.get(slot) or {}).get("url") in moved:
                    url = moved[embed[slot]["url"]]
                    embed[slot] |= {"url": url, "proxy_url": url}
        reactions = [Reaction(**reaction) for reaction in entry["reactions"]]
        return Message(**values, reactions=reactions), entry["embed_files"]
