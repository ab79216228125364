"""A message as the page shows it: names looked up, Markdown rendered, URLs made relative, all else as on Discord."""

from typing import Any

from simcord.backend.models import Message
from simcord.enums import MessageType

from playground import markdown
from playground.interactions import said_of
from playground.world import World

_LOADING_FLAG = 1 << 7
_MAX_EXCERPT = 100


class Presenter:
    """Turns the world's records into the JSON that the page draws."""

    def __init__(self, world: World) -> None:
        self._world = world

    def message(self, message: Message) -> dict[str, Any]:
        """All that the page needs to draw a message; `html` values are safe to insert."""
        return {
            "id": str(message.id),
            "channel_id": str(message.channel_id),
            "author": self._author(message),
            "timestamp": message.timestamp,
            "edited": message.edited_timestamp,
            "html": markdown.render(message.content, self._name_of),
            "text": message.content,
            "pings": [str(user_id) for user_id in message.ping_user_ids],
            "pings_everyone": message.mention_everyone,
            "ping_roles": [str(role_id) for role_id in message.ping_role_ids],
            "ephemeral": message.is_ephemeral,
            "loading": bool(message.flags & _LOADING_FLAG),
            "attachments": [self._file(item) for item in message.attachments],
            "embeds": [self._embed(embed) for embed in message.embeds],
            "components": message.components,
            "thread": self._thread(message),
            "reactions": [
                {"emoji": reaction.emoji.split(":")[0], "count": len(reaction.user_ids)}
                for reaction in message.reactions
                if reaction.user_ids
            ],
            "reply": self._reply(message),
            "command": self._command(message),
            "interaction": (message.interaction_metadata or {}).get("id"),  # which the load test follows
        }

    def person(self, user_id: int) -> dict[str, Any]:
        user = self._world.users[user_id]
        return {"id": str(user.id), "name": user.global_name or user.name, "bot": user.bot}

    def _author(self, message: Message) -> dict[str, Any]:
        """Return a message's author. A webhook brings a name and a picture with each message."""
        person, named = self.person(message.author_id), message.author_name
        return {**person, "name": named or person["name"], "picture": self._local(message.author_avatar)}

    def _name_of(self, sigil: str, mentioned_id: int) -> str | None:
        if sigil == "@":
            return self.person(mentioned_id)["name"] if mentioned_id in self._world.users else None
        if sigil == "#":
            channel = self._world.channels.get(mentioned_id)
            return channel.name if channel else None
        roles = (guild.roles.get(mentioned_id) for guild in self._world.guilds.values())
        return next((role.name for role in roles if role is not None), None)

    def _local(self, url: str | None) -> str | None:
        """Return the path of a file on this server, or None: the page loads nothing from elsewhere."""
        base = self._world.cdn.base_url
        return url.removeprefix(base) if url and url.startswith(base + "/cdn/") else None

    def _file(self, item: dict[str, Any]) -> dict[str, Any]:
        image = str(item.get("content_type", "")).startswith("image/") and "width" in item
        return {**item, "url": self._local(item["url"]), "image": image}

    def _embed(self, embed: dict[str, Any]) -> dict[str, Any]:
        def inline(text: Any) -> str:
            return markdown.render_inline(str(text or ""), self._name_of)

        def picture(slot: str) -> dict[str, Any] | None:
            item = embed.get(slot) or {}
            url = self._local(item.get("url"))
            return {**item, "url": url} if url else None

        url = str(embed.get("url") or "")
        return {
            **embed,
            "title_html": inline(embed.get("title")),
            "url": url if url.startswith(("https://", "http://")) else None,
            "html": markdown.render(str(embed.get("description") or ""), self._name_of),
            "image": picture("image"),
            "thumbnail": picture("thumbnail"),
            "fields": [
                {
                    **field,
                    "name_html": inline(field.get("name")),
                    "html": markdown.render(str(field.get("value") or ""), self._name_of),
                }
                for field in embed.get("fields") or []
            ],
        }

    def _thread(self, message: Message) -> dict[str, Any] | None:
        """Return the thread that a message announces, or that started from it, or None."""
        announced = message.system_metadata.channel_id if message.system_metadata else None
        thread = self._world.channels.get(announced or message.id)
        if thread is None or not thread.is_thread:
            return None
        return {"id": str(thread.id), "name": thread.name, "told": message.type == MessageType.THREAD_CREATED}

    def _reply(self, message: Message) -> dict[str, Any] | None:
        reference = message.reference
        if reference is None or reference.get("type", 0) != 0:
            return None
        target = self._world.messages.get(message.channel_id, {}).get(int(reference["message_id"]))
        if target is None:
            return {"id": None, "author": None, "text": "The original message was deleted"}
        text = " ".join(markdown.name_mentions(target.content, self._name_of).split()) or "Click to see the attachment"
        return {
            "id": str(target.id),
            "author": self._author(target),
            "text": text[:_MAX_EXCERPT] + ("…" if len(text) > _MAX_EXCERPT else ""),
        }

    def _command(self, message: Message) -> dict[str, Any] | None:
        metadata = message.interaction_metadata
        if not metadata or not metadata.get("name"):
            return None
        return {
            "name": said_of(metadata["name"], metadata.get("target_id")),
            "user": self.person(int(metadata["user"]["id"])),
        }
