"""Routing of messages: to a command, to a feature that hears for them, or to the chat."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import discord
from discord.ext import commands

from bot.options import decoding

Listener = Callable[[commands.Context[Any]], Awaitable[bool]]
"""Takes a message that is no command, or returns False."""


@dataclass(eq=False, repr=False)
class Routing(commands.Cog):
    """Routes each message: first to commands, then to features that listen, then to the event `addressed`."""

    bot: commands.Bot
    _listeners: list[Listener] = field(init=False, default_factory=list)

    def hear(self, listener: Listener) -> None:
        """Ask `listener` about each message of a person that is no command, before it counts as words to the bot."""
        self._listeners.append(listener)

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        if message.author.bot or message.webhook_id is not None:
            return
        ctx: commands.Context[Any] = await self.bot.get_context(message)
        if ctx.command is None:
            for listener in self._listeners:
                if await listener(ctx):
                    return
            words = decoding.to_bot(message, self.bot.user.id) if self.bot.user is not None else None
            if words is not None:
                self.bot.dispatch("addressed", ctx, words)
                return
        await self.bot.invoke(ctx)
