"""What a person does in the playground with messages: read, write, edit, delete.

Checks follow what a Discord client lets a person do.
"""

from __future__ import annotations

from dataclasses import dataclass

from simcord.backend.access import channel_accessible, message_accessible
from simcord.backend.models import Message

from playground.places import file_limit
from playground.rest import MAX_FILES
from playground.world import World
from shared.errors import UserError

MAX_CONTENT = 2_000


@dataclass(frozen=True)
class File:
    """A file that a person sends."""

    filename: str
    data: bytes


class People:
    """The messages of the playground's people.

    Every method raises `UserError` for what a Discord client would not let a person do.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def visible_message(self, user_id: int, channel_id: int, message_id: int) -> Message:
        """A message that this person sees."""
        message = self._world.messages.get(channel_id, {}).get(message_id)
        if message is None or not message_accessible(self._world, channel_id, message, user_id):
            raise UserError("There is no such message here.", "It may have been deleted.")
        return message

    def visible_messages(
        self, user_id: int, channel_id: int, *, after: int = 0, last: int | None = None
    ) -> list[Message]:
        """The messages of a channel that this person sees, oldest first; only the `last` ones when given."""
        if not channel_accessible(self._world, channel_id, user_id, history=True):
            return []
        found: list[Message] = []
        # Newer ones were added later: what is asked for is at the end.
        for message in reversed(self._world.messages.get(channel_id, {}).values()):
            if message.id <= after or len(found) == last:
                break
            if message.visible_to(user_id):
                found.append(message)
        return found[::-1]

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
        _check_content(content)
        if not content.strip() and not files:
            raise UserError("The message is empty.", "Type something or attach a file.")
        self.check_files(channel_id, files)
        reference = None
        if reply_to is not None:
            self.visible_message(user_id, channel_id, reply_to)
            reference = {"channel_id": str(channel_id), "message_id": str(reply_to)}
        attachments = self._world.store_attachments(channel_id, [(file.filename, file.data) for file in files])
        return self._world.create_message(channel_id, user_id, content, attachments=attachments, reference=reference)

    def edit(self, user_id: int, channel_id: int, message_id: int, content: str) -> Message:
        """Change what a message of this person says."""
        message = self.visible_message(user_id, channel_id, message_id)
        if message.author_id != user_id:
            raise UserError("You can edit your own messages only.")
        _check_content(content)
        if not content.strip() and not message.attachments:
            raise UserError("The message is empty.", "Type something, or delete it.")
        return self._world.edit_message(channel_id, message_id, {"content": content})

    def delete(self, message_id: int) -> None:
        """Remove a message, whoever wrote it."""
        for channel_id, messages in self._world.messages.items():
            if message_id in messages:
                self._world.delete_message(channel_id, message_id)
                return
        raise UserError("There is no such message here.", "It may have been deleted.")

    def check_files(self, channel_id: int, files: list[File]) -> None:
        """Refuse more or larger files than a message may carry here."""
        if len(files) > MAX_FILES:
            raise UserError(f"A message carries at most {MAX_FILES} files.")
        limit = file_limit(self._world.get_channel(channel_id).guild_id)
        for file in files:
            if len(file.data) > limit:
                raise UserError(
                    f"{file.filename} is larger than {limit // 2**20} MiB.", "Discord takes no larger file here."
                )


def _check_content(content: str) -> None:
    if len(content) > MAX_CONTENT:
        raise UserError(
            f"A message has at most {MAX_CONTENT:,} characters; this one has {len(content):,}.",
            "Shorten it, or attach it as a file.",
        )
