"""What people say: words to the bot, messages they reply to, and lists that they type."""

from __future__ import annotations

import re

import discord

from shared.errors import UserError

_ESCAPED = re.compile(r"\\([*_`~|>\\<#\-\[])")
_TEMPERATURES = "0.4,0.8,1.2"


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
    """Whether a message replies to the bot's own words in a chat: those stand outside of an embed."""
    told = message.reference.resolved if message.reference is not None else None
    return isinstance(told, discord.Message) and told.author.id == bot_id and bool(told.content) and told.embeds == []


async def replied_to(message: discord.Message) -> discord.Message | None:
    """The message that another replies to, None when it replies to none, or that one can't be had."""
    reference = message.reference
    if reference is None or reference.message_id is None:
        return None
    if isinstance(reference.resolved, discord.Message):
        return reference.resolved
    try:
        return await message.channel.fetch_message(reference.message_id)
    except (discord.NotFound, discord.Forbidden):
        return None


def of_message(message: discord.Message | None) -> str:
    """The words of a message: what it says, or of an embed what stands in it, without formatting."""
    if message is None:
        return ""
    if message.content or not message.embeds:
        return message.content
    description = re.sub(r"^-# .*\n", "", message.embeds[0].description or "")
    bare = re.sub(r"(?<!\\)\*\*", "", description)
    return _ESCAPED.sub(r"\1", bare).replace("\u200b", "")


def several(name: str, typed: str | None, most: int, example: str) -> tuple[str, ...]:
    """A list that was typed with commas between; empty when the option was left out.

    Raises:
        UserError: it has too few, too many, or one twice.
    """
    if typed is None:
        return ()
    items = tuple(item.strip().lower() for item in typed.split(",") if item.strip())
    if not 2 <= len(items) <= most:
        number = "only one" if len(items) == 1 else str(len(items))
        raise UserError(f"`--{name}` names {number}; it takes 2 to {most}.", f"Write it like `--{name} {example}`.")
    twice = next((item for item in items if items.count(item) > 1), None)
    if twice is not None:
        raise UserError(f"`--{name}` names `{twice[:40].replace('`', '')}` twice.", "Name each once.")
    return items


def temperatures(typed: str | None, most: int) -> tuple[float, ...]:
    """Temperatures to compare; empty when none were given.

    Raises:
        UserError: one of them is no number, or out of range; or see `several`.
    """
    numbers = []
    for item in several("temperatures", typed, most, _TEMPERATURES):
        try:
            number = float(item)
        except ValueError:
            number = -1.0
        if not 0 <= number <= 2:
            shown = item[:20].replace("`", "")
            raise UserError(
                f"`{shown}` in `--temperatures` is no temperature.",
                f"Each is a number from 0 to 2: `--temperatures {_TEMPERATURES}`.",
            )
        if number in numbers:
            raise UserError(f"`--temperatures` names {number:g} twice.", "Name each once.")
        numbers.append(number)
    return tuple(numbers)
