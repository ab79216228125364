"""What a message is for: a command, words to the bot, or something that a feature hears for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import discord
from discord.ext import commands

from bot.options import decoding
from bot.words import replace_surrogates

Listener = Callable[[commands.Context[Any]], Awaitable[bool]]
"""Takes a message that is no command, or returns False."""


class Routing:
    """Commands go first, then what features hear for, then words to the bot: the event `addressed`."""

    def __init__(self, bot: commands.Bot) -> None:
        self._bot = bot
        self._listeners: list[Listener] = []

    def hear(self, listener: Listener) -> None:
        """Ask `listener` about each message of a person that is no command, before it counts as words to the bot."""
        self._listeners.append(listener)

    async def route(self, message: discord.Message) -> None:
        if message.author.bot or message.webhook_id is not None:
            return
        message.content = replace_surrogates(message.content)
        ctx: commands.Context[Any] = await self._bot.get_context(message)
        if ctx.command is None:
            for listener in self._listeners:
                if await listener(ctx):
                    return
            words = decoding.to_bot(message, self._bot.user.id) if self._bot.user is not None else None
            if words is not None:
                self._bot.dispatch("addressed", ctx, words)
                return
        await self._bot.invoke(ctx)
