"""The text of messages: of those to the bot, and of those that people reply to."""

from __future__ import annotations

import re

import discord

from bot.failures import passing
from bot.options.decoding import whole

_ESCAPED = re.compile(r"\\([*_`~|>\\<#\-\[])")


def to_bot(message: discord.Message, bot_id: int) -> str | None:
    """The words of a message to the bot, without its mention; None when the message is not to the bot.

    It is when it mentions the bot, or replies with a mention to something that the bot said in a chat.
    """
    mention = re.compile(rf"<@!?{bot_id}>")
    if mention.search(message.content):
        return " ".join(mention.sub(" ", message.content).split())
    if any(user.id == bot_id for user in message.mentions) and _is_chat(message, bot_id):
        return message.content.strip()
    return None


def _is_chat(message: discord.Message, bot_id: int) -> bool:
    """Whether a message replies to the bot's own words in a chat: chat answers have no embed."""
    original = message.reference.resolved if message.reference is not None else None
    return (
        isinstance(original, discord.Message)
        and original.author.id == bot_id
        and bool(original.content)
        and not original.embeds
    )


async def replied_to(message: discord.Message) -> discord.Message | None:
    """The message that another replies to, None when it replies to none, or that one can't be fetched."""
    reference = message.reference
    if reference is None or reference.message_id is None:
        return None
    if isinstance(reference.resolved, discord.Message):
        return reference.resolved
    try:
        return await message.channel.fetch_message(reference.message_id)
    except discord.HTTPException as error:
        if passing(error):
            raise
        return None


def of_message(message: discord.Message) -> str:
    """The words of a message: what it says, or of an embed of the bot's what stands in it, without formatting."""
    if not message.embeds or (message.content and not message.author.bot):
        return whole(message.content)
    description = re.sub(r"^-# .*\n", "", message.embeds[0].description or "")
    bare = re.sub(r"(?<!\\)\*\*", "", description)
    return _ESCAPED.sub(r"\1", bare).replace("\u200b", "")
