"""simcord's backend in real time, with the playground's servers in it."""

import asyncio
import io
import secrets
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import discord
import structlog
from PIL import Image, UnidentifiedImageError
from simcord._clock import Clock
from simcord.backend import Backend
from simcord.backend.access import channel_accessible
from simcord.backend.cdn import CdnStore
from simcord.backend.errors import BackendError
from simcord.backend.models import Interaction, Message, Webhook

from playground.limits import check_message
from playground.places import CHANNEL_IDS, FILE_LIMIT, OldMessage, old_messages, settle

log = structlog.get_logger()

T = TypeVar("T", Interaction, Webhook)
ChangeKind = Literal["created", "edited", "deleted"]
ChangeListener = Callable[[ChangeKind, Message], None]


class RealClock(Clock):
    """The machine's clock; simcord's own stands still until a test moves it."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class LocalCdn(CdnStore):
    """Attachments under the playground's own URL, `base_url`, which has no slash at its end."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self.base_url = base_url
        self.key = secrets.token_urlsafe(16)
        """Stands in each file's address, as Discord's signature does: whoever has the address may load the file."""
        self.files: dict[int, tuple[str, bytes]] = {}
        """Files as (name, bytes), by the attachment's id."""

    def store_attachment(
        self, attachment_id: int, channel_id: int, filename: str, data: bytes, description: str | None
    ) -> dict[str, Any]:
        """Keep a file; describe it as Discord does, with an image's size in pixels. Raises BackendError: too large."""
        if len(data) > FILE_LIMIT:
            raise BackendError(413, 40005, "Request entity too large")
        # Discord does the same: a name never holds a path.
        name = filename.replace("\\", "/").rsplit("/", 1)[-1] or "file"
        payload = super().store_attachment(attachment_id, channel_id, name, data, description)
        self._blobs.pop(payload["url"], None)
        self.files[attachment_id] = (name, data)
        url = f"{self.base_url}/cdn/attachments/{channel_id}/{attachment_id}/{quote(name)}?key={self.key}"
        return payload | {"url": url, "proxy_url": url} | _image_size(data)


def _image_size(data: bytes) -> dict[str, int]:
    try:
        with Image.open(io.BytesIO(data)) as image:
            return {"width": image.width, "height": image.height}
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return {}  # not an image


def _with_secret_token(record: T, tokens: dict[str, int]) -> T:
    """Give a record a token that nobody can guess: whoever has it acts in the bot's name. `tokens`: ids by token."""
    del tokens[record.token]
    record.token = secrets.token_urlsafe(24)
    tokens[record.token] = record.id
    return record


class World(Backend):
    """A backend with what the page and the tests need and simcord leaves out.

    It puts URLs in place of embeds' `attachment://` images, and tells listeners of each change of a message, also of
    ephemeral ones, about which the gateway is silent.
    """

    def __init__(self, base_url: str) -> None:
        super().__init__(clock=RealClock())
        self.cdn: LocalCdn = LocalCdn(base_url)
        # simcord keeps both logs whole, with the bodies of requests.
        self.http_requests = deque(maxlen=200)  # type: ignore[assignment]
        self.transcript = deque(maxlen=200)  # type: ignore[assignment]
        self.change_listeners: list[ChangeListener] = []
        self.state_listeners: list[Callable[[], None]] = []
        """Called when the bot comes, goes, or has other commands."""
        self.granted = discord.Intents.all()
        """The intents that Discord's portal grants the bot."""
        self.answered: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)
        """Events by interaction, each set once the bot answers."""
        self._embed_files: defaultdict[int, dict[str, dict[str, Any]]] = defaultdict(dict)
        settle(self)
        self.add_old_messages(CHANNEL_IDS["tavern"], old_messages())

    def new_interaction(self, type: int, channel_id: int, user_id: int, guild_id: int | None) -> Interaction:
        interaction = super().new_interaction(type, channel_id, user_id, guild_id)
        return _with_secret_token(interaction, self.interaction_tokens)

    def create_webhook(self, channel_id: int, name: str, creator_id: int) -> Webhook:
        return _with_secret_token(super().create_webhook(channel_id, name, creator_id), self.webhook_tokens)

    def add_old_messages(self, channel_id: int, old_messages: Iterable[OldMessage]) -> None:
        """Put messages of the past into a channel, the oldest first; nothing is announced."""
        channel = self.get_channel(channel_id)
        for old in old_messages:
            message = Message(
                id=self._allocate_at(int(old.moment.timestamp() * 1000) - discord.utils.DISCORD_EPOCH),
                channel_id=channel_id,
                author_id=old.author_id,
                content=old.content,
                timestamp=old.moment.isoformat(),
            )
            self.messages[channel_id][message.id] = message
            channel.last_message_id = message.id

    def emit(self, event: str, payload: Mapping[str, Any]) -> None:
        """Send an event. As on Discord, a reaction names the message's author."""
        if event == "MESSAGE_REACTION_ADD":
            message = self.get_message(int(payload["channel_id"]), int(payload["message_id"]))
            payload = {**payload, "message_author_id": str(message.author_id)}
        super().emit(event, payload)

    def commit_message(self, message: Message, *, broadcast: bool = True) -> Message:
        check_message(message.embeds, message.components)
        message.embeds, message.attachments = self._resolve_embeds(message.id, message.embeds, message.attachments)
        stored = super().commit_message(message, broadcast=broadcast)
        if message.id in self.messages.get(message.channel_id, {}):
            self._changed("created", stored)
        return stored

    def edit_message(self, channel_id: int, message_id: int, fields: dict[str, Any]) -> Message:
        fields = dict(fields)
        check_message(fields.get("embeds") or [], fields.get("components") or [])
        if fields.get("embeds"):
            attachments = fields.get("attachments", self.get_message(channel_id, message_id).attachments) or []
            fields["embeds"], fields["attachments"] = self._resolve_embeds(message_id, fields["embeds"], attachments)
        message = super().edit_message(channel_id, message_id, fields)
        self._changed("edited", message)
        return message

    def delete_message(self, channel_id: int, message_id: int) -> None:
        message = self.get_message(channel_id, message_id)
        super().delete_message(channel_id, message_id)
        for item in (*message.attachments, *self._embed_files.pop(message.id, {}).values()):
            self.cdn.files.pop(int(item["id"]), None)
        self._changed("deleted", message)

    def _resolve_embeds(
        self, message_id: int, embeds: list[dict[str, Any]], attachments: list[dict[str, Any]]
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Replace `attachment://name` by the file's URL; like Discord, list such a file no longer."""
        by_name = {item["filename"]: item for item in attachments}
        shown = self._embed_files[message_id]
        resolved = []
        for embed in embeds:
            embed = dict(embed)
            for slot in ("image", "thumbnail"):
                url = (embed.get(slot) or {}).get("url", "")
                name = url.removeprefix("attachment://")
                if name == url:
                    continue
                file = by_name.get(name) or shown.get(name)
                if file is None:
                    log.warning("embed names a file that was not sent", slot=slot)
                    continue
                shown[name] = file
                size = {key: file[key] for key in ("width", "height") if key in file}
                embed[slot] = {**embed[slot], "url": file["url"], "proxy_url": file["url"], **size}
            resolved.append(embed)
        hidden = {item["id"] for item in shown.values()}
        return resolved, [item for item in attachments if item["id"] not in hidden]

    def _changed(self, kind: ChangeKind, message: Message) -> None:
        for listener in self.change_listeners:
            listener(kind, message)

    def register_commands(self, guild_id: int | None, payloads: list[dict[str, Any]]) -> list[dict[str, Any]]:
        registered = super().register_commands(guild_id, payloads)
        self.state_changed()
        return registered

    def state_changed(self) -> None:
        for listener in self.state_listeners:
            listener()

    def may(self, user_id: int, channel_id: int, *names: str) -> bool:
        channel = self.get_channel(channel_id)
        if channel.guild_id is None:
            return channel_accessible(self, channel_id, user_id)
        granted = self.compute_permissions(channel.guild_id, user_id, channel_id)
        return all(granted & getattr(discord.Permissions, name).flag for name in names)
