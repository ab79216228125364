"""Messages as a person reads, writes and attaches them, and threads. The checks are those of a Discord client."""

from itertools import islice
from typing import NamedTuple

from simcord.backend.access import channel_accessible, message_accessible, reaction_permissions
from simcord.backend.models import Channel, Message

from galvanic.errors import UserError
from playground.places import FILE_LIMIT
from playground.rest import MAX_FILES
from playground.world import World

MAX_CONTENT = 2_000
MAX_NAME = 100  # characters of a channel's, a thread's or a role's name


class File(NamedTuple):
    """A file to attach."""

    filename: str
    data: bytes


class People:
    """Acts for people on messages: sends and reads them, reacts, starts threads.

    Methods raise UserError for what a Discord client would not let a person do.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def visible_message(self, user_id: int, channel_id: int, message_id: int) -> Message:
        message = self._world.messages.get(channel_id, {}).get(message_id)
        if message is None or not message_accessible(self._world, channel_id, message, user_id):
            raise UserError("There is no such message here.", "It may have been deleted.")
        return message

    def visible_messages(self, user_id: int, channel_id: int, last: int | None = None) -> list[Message]:
        """Return the messages that a person sees, the oldest first; with `last`, only that many of the newest."""
        if not channel_accessible(self._world, channel_id, user_id, history=True):
            return []
        # Newer messages were added later, so they are at the end.
        newest_first = reversed(self._world.messages.get(channel_id, {}).values())
        seen = islice((message for message in newest_first if message.visible_to(user_id)), last)
        return list(seen)[::-1]

    def send(
        self, user_id: int, channel_id: int, content: str, files: list[File], reply_to: int | None = None
    ) -> Message:
        content = content.strip()
        thread = self._world.get_channel(channel_id).is_thread
        needed = ["view_channel", "send_messages_in_threads" if thread else "send_messages"]
        if not self._world.may(user_id, channel_id, *needed, *(["attach_files"] if files else [])):
            raise UserError("You do not have permission to send messages in this channel.")
        if len(content) > MAX_CONTENT:
            raise UserError(
                f"A message has at most {MAX_CONTENT:,} characters; this one has {len(content):,}.",
                "Shorten it, or attach it as a file.",
            )
        if not content and not files:
            raise UserError("The message is empty.", "Type something or attach a file.")
        self.check_files(files)
        reference = None
        if reply_to is not None:
            self.visible_message(user_id, channel_id, reply_to)
            reference = {"channel_id": str(channel_id), "message_id": str(reply_to)}
        attachments = self._world.store_attachments(channel_id, files)
        return self._world.create_message(channel_id, user_id, content, attachments=attachments, reference=reference)

    def react(self, user_id: int, channel_id: int, message_id: int, emoji: str) -> None:
        """Add a reaction to a message; a second time, take it back."""
        message = self.visible_message(user_id, channel_id, message_id)
        reaction = message.reaction_for(emoji)
        reacted = reaction is None or user_id not in reaction.user_ids
        if not self._world.may(user_id, channel_id, *reaction_permissions(message, emoji, reacted=reacted)):
            raise UserError("You do not have permission to react in this channel.")
        self._world.set_reaction(channel_id, message_id, emoji, user_id, reacted)

    def create_thread(self, user_id: int, channel_id: int, name: str, message_id: int | None = None) -> Channel:
        """Start a public thread from a message, or without one."""
        world = self._world
        parent = world.get_channel(channel_id)
        if parent.guild_id is None or parent.is_thread:
            raise UserError("A thread starts in a channel of a server.")
        if not world.may(user_id, channel_id, "view_channel", "create_public_threads"):
            raise UserError("You do not have permission to start threads in this channel.")
        if not 1 <= len(name) <= MAX_NAME or any(channel.name == name for channel in world.channels.values()):
            raise UserError(f"A thread cannot be called {name!r}.", f"Take another name of 1 to {MAX_NAME} characters.")
        if message_id is not None:
            world.get_message(channel_id, message_id)
            if message_id in world.channels:
                raise UserError("This message has a thread already.")
        return world.create_thread(channel_id, name, user_id, message_id=message_id)

    def check_files(self, files: list[File]) -> None:
        if len(files) > MAX_FILES:
            raise UserError(f"A message carries at most {MAX_FILES} files.")
        for file in files:
            if len(file.data) > FILE_LIMIT:
                raise UserError(
                    f"{file.filename} is larger than {FILE_LIMIT // 2**20} MiB, the most that Discord takes here.",
                    "A longer text goes into the folder CORPORA_DIR.",
                )
