"""Readers of what comes from Discord: quotation marks, mentions, replies, formatting, files."""

import re

import discord
import structlog
from discord.ext import commands
from discord.ext.commands.view import StringView

from bot.background import DISCORD_ERRORS, is_transient
from bot.types import Context
from bot.words import without_ids
from galvanic.errors import UserError

_ESCAPED = re.compile(r"\\([^A-Za-z0-9\s])")

log = structlog.get_logger()


class PlainWords(StringView):
    """discord.py's reader of a message's words, without its errors about quotation marks.

    `"two words"` is still one argument; but a phone types ``don’t`` with a mark that discord.py would refuse.
    `view`: the message's own, of which some may have been read.
    """

    def __init__(self, view: StringView) -> None:
        super().__init__(view.buffer)
        self.index, self.previous = view.index, view.previous

    def get_quoted_word(self) -> str | None:
        begin = self.index
        try:
            return super().get_quoted_word()
        except commands.ArgumentParsingError:
            self.index = begin
            return self.get_word()


def mentions_of_bot(guild: discord.Guild | None, bot_id: int) -> list[str]:
    """Return all mentions of the bot: of itself, and of its role, which Discord offers beside it as people type."""
    role = guild.self_role if guild is not None else None
    return [f"<@{bot_id}>", f"<@!{bot_id}>", *([role.mention] if role is not None else [])]


def to_bot(message: discord.Message, bot_id: int) -> str | None:
    """Return a message's words to the bot; None: it neither mentions it nor replies, with a mention, to its words."""
    mention = re.compile("|".join(map(re.escape, mentions_of_bot(message.guild, bot_id))))
    if mention.search(message.content):
        return without_ids(" ".join(mention.sub(" ", message.content).split()), message)
    above = message.reference.resolved if message.reference is not None else None
    own = isinstance(above, discord.Message) and (is_said(above, bot_id) or is_written(above, bot_id))
    called = own and any(user.id == bot_id for user in message.mentions)
    return without_ids(message.content.strip(), message) if called else None


def is_said(message: discord.Message, bot_id: int) -> bool:
    """Return whether a message is a model's words in a chat: of the bot's words, they alone hide links' previews."""
    return message.author.id == bot_id and bool(message.content) and message.flags.suppress_embeds


def is_written(message: discord.Message, bot_id: int) -> bool:
    """Return whether a message is a text that the bot was asked for: no other card has only words of a model."""
    return message.author.id == bot_id and job_shown_in(message, "continue") is not None


def job_shown_in(message: discord.Message, actions: str = "continue|compared|delete-text") -> str | None:
    """Return the id of the job that a message of the bot answers, by its controls; None: it has none of these."""
    rows = [row for row in message.components if isinstance(row, discord.ActionRow)]
    ids = [item.custom_id or "" for row in rows for item in row.children]
    matches = (re.fullmatch(rf"galvanic:(?:{actions}):(?P<job>[a-z0-9-]+)", custom_id) for custom_id in ids)
    return next((match["job"] for match in matches if match is not None), None)


async def replied_to(message: discord.Message) -> discord.Message | None:
    """Return the message that another replies to; None: there is none, or it cannot be fetched."""
    reference = message.reference
    if reference is None or reference.message_id is None:
        return None
    if isinstance(reference.resolved, discord.Message):
        return reference.resolved
    return await fetched(message.channel, reference.message_id)


async def fetched(channel: discord.abc.Messageable, message_id: int) -> discord.Message | None:
    """Fetch a message; None: it is gone or hidden. Raises discord.HTTPException if Discord is in trouble."""
    try:
        return await channel.fetch_message(message_id)
    except discord.HTTPException as error:
        if is_transient(error):
            raise
        return None


def message_text(message: discord.Message) -> str:
    """A message's content, or the description of the bot's embed; the bot's without formatting and small print."""
    if not message.author.bot and (message.content or not message.embeds):
        return without_ids(message.content, message)
    text = message.embeds[0].description or "" if message.embeds else message.content
    bare = re.sub(r"(?<!\\)\*\*|(?m:^-# .*\n?)", "", text)
    return _ESCAPED.sub(r"\1", bare).replace("\u200b", "")


def require_one_file(ctx: Context) -> None:
    """Refuse several files: discord.py would ignore all but the first. Raises UserError."""
    if (count := len(ctx.message.attachments)) > 1:
        raise UserError(f"You attached {count} files; `{ctx.command}` takes one.", "Send it again with one of them.")


async def read_file(file: discord.Attachment) -> bytes:
    """Return the bytes of a file; the caller has checked its size. Raises UserError: Discord did not hand it over."""
    try:
        return await file.read()
    except DISCORD_ERRORS as error:
        status = getattr(error, "status", None)
        log.warning("attachment_not_read", attachment_id=file.id, error=type(error).__name__, status=status)
        raise UserError("Discord didn't hand me the file.", "Attach it once more.") from error
