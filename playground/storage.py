"""Keeps the playground's messages, files and synced commands over a restart.

A bot that comes back looks for the messages it left; on Discord they are still there.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError
from simcord.backend.models import Message, User

from playground.places import CHANNEL_IDS, DM_IDS
from playground.world import ChangeKind, World

log = structlog.get_logger()

KEPT_MESSAGES = 200
"""Messages kept of each channel, the newest ones."""
_KEPT_CHANNELS = frozenset([*CHANNEL_IDS.values(), *DM_IDS.values()])
_DELAY_S = 0.5
_LOADING_FLAG = 1 << 7


class _KeptMessage(BaseModel):
    message: Message
    embed_files: list[dict[str, Any]]


class _Kept(BaseModel):
    """`history`: when #tavern's past weeks end, and the ids of those of its messages that were deleted."""

    messages: list[_KeptMessage]
    commands: list[tuple[int | None, dict[str, Any]]]
    history: tuple[datetime, set[int]]


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
            kept = _Kept.model_validate_json(self._file.read_bytes())
        except FileNotFoundError:
            return False
        except ValidationError as error:
            aside = self._file.with_suffix(".broken.json")
            self._file.replace(aside)
            where = error.errors(include_input=False)[0]["loc"]
            log.warning("the kept messages could not be read and were set aside", file=str(aside), where=where)
            return False
        until, gone = kept.history
        self._world.settle_history(until)
        tavern = self._world.messages[CHANNEL_IDS["tavern"]]
        for message_id in gone & tavern.keys():
            del tavern[message_id]
        for entry in kept.messages:
            if entry.message.channel_id in self._world.channels:
                self._restore(entry.message, entry.embed_files)
        for guild_id, command in kept.commands:
            self._world.commands.setdefault(guild_id, {})[command["name"], command["type"]] = command
            self._world.reserve_id(int(command["id"]))
        return bool(kept.messages)

    def watch(self) -> None:
        """Save after each change from now on; needs a running event loop."""
        self._world.change_listeners.append(self._on_change)
        self._world.state_listeners.append(self._soon)

    def save(self) -> None:
        """Write everything now. The file is replaced in one step, so that a kill leaves the old or the new one."""
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None
        world, messages, shown = self._world, [], set[str]()
        for channel_id in _KEPT_CHANNELS:  # not threads, and channels that were made later
            begun_with = world.seeded.get(channel_id, set())
            stored = world.messages[channel_id].values()
            lasting = [item for item in stored if not item.is_ephemeral and item.id not in begun_with]
            for message in sorted(lasting, key=lambda message: message.id)[-KEPT_MESSAGES:]:
                files = world.files_of(message)
                shown |= {str(item["id"]) for item in files}
                hidden = [item for item in files if item not in message.attachments]
                messages.append(_KeptMessage(message=message, embed_files=hidden))
        for attachment_id in shown:
            path = self._files / attachment_id
            found = world.cdn.files.get(int(attachment_id))
            if found is not None and not path.exists():
                path.write_bytes(found[1])
        for path in self._files.iterdir():
            if path.name not in shown:
                path.unlink()
        assert world.seeded_until is not None
        tavern = CHANNEL_IDS["tavern"]
        gone = world.seeded[tavern] - world.messages[tavern].keys()
        commands = [(guild_id, command) for guild_id, scope in world.commands.items() for command in scope.values()]
        kept = _Kept(messages=messages, commands=commands, history=(world.seeded_until, gone))
        fresh = self._file.with_suffix(".new")
        fresh.write_text(kept.model_dump_json(), "utf-8")
        fresh.replace(self._file)

    def _on_change(self, _kind: ChangeKind, message: Message) -> None:
        if not message.is_ephemeral:
            self._soon()

    def _soon(self) -> None:
        if self._pending is None:
            self._pending = asyncio.get_running_loop().call_later(_DELAY_S, self.save)

    def _restore(self, message: Message, embed_files: list[dict[str, Any]]) -> None:
        if message.flags & _LOADING_FLAG:  # an answer that was still being thought about never comes
            message.flags &= ~_LOADING_FLAG
            message.content = message.content or "*(interrupted)*"
        if message.webhook_id is not None:  # webhooks are not kept, but who wrote a message must be known
            author = User(id=message.author_id, name=message.author_name or "webhook", bot=True)
            self._world.users.setdefault(message.author_id, author)
        moved: dict[str, str] = {}
        for item in [*message.attachments, *embed_files]:
            path = self._files / str(int(item["id"]))
            if path.exists():
                self._world.cdn.files[int(item["id"])] = (item["filename"], path.read_bytes())
            # The port may be another one now.
            url = self._world.cdn.url(message.channel_id, int(item["id"]), item["filename"])
            moved[item["url"]] = url
            item |= {"url": url, "proxy_url": url}
        for embed in message.embeds:
            for slot in ("image", "thumbnail"):
                if (embed.get(slot) or {}).get("url") in moved:
                    url = moved[embed[slot]["url"]]
                    embed[slot] |= {"url": url, "proxy_url": url}
        self._world.restore_message(message, embed_files)
