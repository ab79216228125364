"""Command `chat`, and the answers to mentions."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Literal

import discord
import structlog
from discord import app_commands
from discord.ext import commands

from bot.background import unless_refused
from bot.core import Core
from bot.models.registry import Registry
from bot.options.decoding import mentions_of_bot
from bot.responder import replying
from bot.servers.access import Actor, TooSoon, Viewer, channel_ids, require_permissions
from bot.types import Context, hybrid_command
from bot.words import BLURPLE, GREEN, GREY, as_typed, code
from bot.write.conversation import Conversation
from galvanic.errors import UserError
from shared.jobs import GenerateJob

log = structlog.get_logger()


@dataclass(eq=False, repr=False)
class Chat(commands.Cog):
    """Answers mentions of the bot and replies to it; the command `chat` turns that on."""

    core: Core
    registry: Registry
    conversation: Conversation

    def __post_init__(self) -> None:
        # In memory, because Redis may be what is wrong.
        cooldown = commands.Cooldown(1, self.core.settings.chat_cooldown_s)
        self._problems, self._reactions = (
            commands.CooldownMapping[Context](cooldown, commands.BucketType.user) for _ in range(2)
        )

    @hybrid_command(
        "chat [on|off]",
        ("chat on", "chat off"),
        about="Turn my answers to mentions on or off in this channel",
        heading="Generating",
    )
    @app_commands.describe(state="On or off; leave it out to see what it is")
    async def chat(self, ctx: Context, state: Literal["on", "off"] | None = None) -> None:
        """Turn answers to mentions on or off in this channel; its threads follow it.

        Members with Manage Server or Manage Channels can do this.
        """
        await ctx.defer()
        prefix = await self.core.servers.prefix(ctx.guild.id if ctx.guild else None)
        places = channel_ids(ctx.channel)
        if state is not None:
            if not (ctx.permissions.manage_guild or ctx.permissions.manage_channels):
                raise UserError(
                    "You can't turn chat on or off here.", "Ask a member with Manage Server or Manage Channels."
                )
            await self.core.servers.choose(places[0], "chat", state == "on")
        on = (await self.core.servers.channel(places)).chat
        me = self.core.bot.user.display_name if self.core.bot.user is not None else "me"
        wait = self.core.settings.chat_cooldown_s
        pace = f", at most once every {wait:g} s" if wait else ""
        on_again, off_again = (as_typed(prefix, "chat", "state", word) for word in ("on", "off"))
        lines = ["Chat is **off** here: I don't answer mentions.", f"`{on_again}` turns it on."]
        if on:
            starter = await self.conversation.generating.without_model(Viewer(Actor.of(ctx).guild_id, places))
            model = "" if starter else ", with this channel's model"
            lines = [
                f"Chat is **on** here: I answer {code(f'@{me} hello')}, and replies to what I wrote{model}{pace}. "
                "I continue our conversation as a text would, without understanding it.",
                *([starter] if starter else []),
                f"`{off_again}` turns it off.",
            ]
        await ctx.send(embed=discord.Embed(description="\n".join(lines), colour=GREEN if on else GREY))

    @commands.Cog.listener()
    async def on_addressed(self, ctx: Context, words: str) -> None:
        """Answer a mention of the bot, or a reply to it, without a command."""
        await self.guarded(ctx, self._answer(ctx, words))

    async def guarded(self, ctx: Context, answer: Awaitable[None]) -> None:
        """Wait for an answer, and say what is wrong; a second time within the cooldown, only react, and only once."""
        try:
            await answer
        except Exception as error:
            if not isinstance(error, TooSoon) and self._problems.update_rate_limit(ctx) is None:
                self.core.bot.dispatch("command_error", ctx, commands.CommandInvokeError(error))
            elif isinstance(error, UserError) and self._reactions.update_rate_limit(ctx) is None:
                with unless_refused(log.info, "reaction_not_added", channel_id=ctx.channel.id):
                    await ctx.message.add_reaction("⏳")

    async def _answer(self, ctx: Context, words: str) -> None:
        if ctx.guild is None:
            raise UserError("I chat in servers, not in direct messages.", "Mention me in a server's channel.")
        actor = Actor.of(ctx)
        on = (await self.core.servers.channel(actor.here)).chat
        me, above = self.core.bot.user, ctx.message.reference.resolved if ctx.message.reference is not None else None
        mentions = mentions_of_bot(ctx.guild, me.id) if me else []
        if not (on or any(mention in ctx.message.content for mention in mentions)) and getattr(above, "embeds", None):
            return  # what people say of a text is answered only where they want a chat
        require_permissions(ctx)
        await self.core.access.require_place(ctx.author, ctx.channel)
        if not (on and words):  # who is only told how it works must not use up the channel's cooldown
            with self.core.access.cooldown("hint", actor):
                await ctx.send(embed=await self._hint(actor, chat=on, alone=not words), **replying(ctx))
            return

        async def build(actor: Actor) -> GenerateJob:
            model = await self.registry.choose_to_write(Viewer(actor.guild_id, actor.here), None)
            return await self.conversation.job(actor, model, await self.conversation.turns(actor, ctx.message, words))

        await self.core.requests.carry_out(actor, build, ctx.send, cooldown="chat", **replying(ctx))

    async def _hint(self, actor: Actor, *, chat: bool, alone: bool) -> discord.Embed:
        prefix = await self.core.servers.prefix(actor.guild_id)
        if alone:
            description = (
                f"I learn to write from any text. `{as_typed(prefix, 'train', 'source', 'frankenstein')}` teaches me a "
                f"book, `{as_typed(prefix, 'generate', 'seed', 'the monster')}` has me continue your words, and "
                f"`{prefix}help` shows the rest."
            )
            if chat:
                description += "\nMention me with a few words, and I'll answer."
            return discord.Embed(description=description, colour=BLURPLE)
        return discord.Embed(
            description="Chat is off in this channel. A member with Manage Server or Manage Channels can turn it on: "
            f"`{as_typed(prefix, 'chat', 'state', 'on')}`.\n`{prefix}help` shows what I can do.",
            colour=GREY,
        )
