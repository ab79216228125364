"""Answers failed commands, unknown commands, and buttons and forms that no longer work."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import discord
import structlog
from discord import app_commands
from discord.ext import commands

from bot import cards, failures
from bot.answers.problems import post_error
from bot.commands import command_errors
from bot.options import checks
from bot.options.checks import Context
from bot.servers import access
from bot.views.base import tell
from shared.errors import UserError

if TYPE_CHECKING:
    from bot.client import Galvanic

log = structlog.get_logger()

_STEP_BACK_S = 0.1
_turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
_TREE_LOG = logging.getLogger("discord.app_commands.tree")
_WRAPPERS = (
    commands.CommandInvokeError,
    commands.HybridCommandError,
    commands.ConversionError,
    app_commands.CommandInvokeError,
    checks.Refused,
)
_WORD = re.compile(r"[^\W\d_][\w-]+")
WRONG_PLACE_S = 10.0
"""How long a refusal stands in a channel that the bot is not for: a reaction would not say why, and the
admins do not want lasting messages of the bot there."""
_UNANSWERED_S = 2.0
"""A control that nobody has answered until then is answered here, within Discord's 3 s."""


class Errors(commands.Cog):
    """Turns every error of a command into a message to the person who typed it.

    An unknown command gets the nearest one; `bot.commands.command_errors` explains what a person got wrong, with the
    command's usage; `bot.failures` explains the rest: an outage of Redis by name, and anything else, which is logged
    with its traceback, in a sentence without details.
    """

    def __init__(self, bot: Galvanic) -> None:
        self.bot = bot

    async def cog_load(self) -> None:
        """Answer what fails before a slash command is reached, too."""
        self.bot.tree.error(self._on_tree_error)
        _TREE_LOG.addFilter(_unless_choices_not_taken)

    @commands.Cog.listener()
    async def on_command_error(self, ctx: Context, error: commands.CommandError) -> None:
        """Answer the failed command."""
        unknown = isinstance(error, commands.CommandNotFound)
        problem = await self._unknown(ctx) if unknown else await self.explain(ctx, error)
        if problem is not None:
            await respond(ctx, problem)

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction[Galvanic]) -> None:
        """Answer a button, a menu or a form that this run of the bot knows nothing of."""
        if interaction.type not in (discord.InteractionType.component, discord.InteractionType.modal_submit):
            return
        await asyncio.sleep(_UNANSWERED_S)
        if interaction.response.is_done():
            return
        if interaction.type is discord.InteractionType.modal_submit:
            problem = UserError(
                "This form no longer works: I was restarted, or it was open for too long.", "Open it again."
            )
        else:
            problem = UserError(
                "This button or menu no longer works: I was restarted or updated.", "Run the command again."
            )
        try:
            await post_error(interaction.response.send_message, problem, ephemeral=True)
        except (discord.HTTPException, discord.InteractionResponded, *failures.TRANSIENT) as error:
            log.info("interaction_answered_elsewhere", interaction_id=interaction.id, error=type(error).__name__)

    async def _on_tree_error(
        self, interaction: discord.Interaction[Galvanic], error: app_commands.AppCommandError
    ) -> None:
        if interaction.command is None:  # Discord still shows a command that this version no longer has
            problem = UserError("This command no longer exists.", "Type `/` to see all my commands.")
            await tell(interaction, problem)
            return
        ctx: Context = await self.bot.get_context(interaction)
        await respond(ctx, await self.explain(ctx, error))

    async def explain(self, ctx: Context, error: Exception) -> UserError:
        """What to tell the person. Logs what they cannot mend."""
        cause = error
        while isinstance(cause, _WRAPPERS):
            cause = cause.original
        if isinstance(cause, app_commands.TransformerError) and isinstance(cause.__cause__, commands.CommandError):
            cause = cause.__cause__
        if isinstance(cause, discord.Forbidden) and not failures.passing(cause) and ctx.guild is not None:
            try:
                checks.require_permissions(ctx)
            except UserError as missing:
                return missing
        own = command_errors.explain(cause, await self._usage(ctx))
        return own or failures.explain(cause, str(ctx.command), ctx.bot.settings)

    async def _usage(self, ctx: Context) -> str:
        prefix = await self.bot.prefix(ctx.guild)
        if ctx.command is None:
            return f"`{prefix}help` shows how commands are used."
        usage = ctx.command.extras.get("usage", ctx.command.qualified_name)
        return f"Usage: `{prefix}{usage}`"

    async def _unknown(self, ctx: Context) -> UserError | None:
        """What to say to a command that does not exist; None for what is not meant as one, or is another bot's."""
        prefix = await self.bot.prefix(ctx.guild)
        typed = ctx.invoked_with or ""
        # `!!!` and `! wow` are not meant as commands, nor is any word after a mention.
        meant = ctx.message.content[len(ctx.prefix or "") :].startswith(typed) and not _is_mention(ctx.prefix)
        word = meant and _WORD.fullmatch(typed) is not None
        near = self._near(typed, prefix, 0.55 if meant else 0.8)
        if not near and not word and ctx.guild is not None:
            return None
        try:
            await access.require_place(self.bot, ctx.author, ctx.channel)
        except access.WrongPlace as wrong:
            return wrong if near else None
        except Exception as error:
            return await self.explain(ctx, error)
        remedy = f"Did you mean {near}? " if near else ""
        return UserError(
            f"There is no command {cards.code(f'{prefix}{typed}')}.", f"{remedy}`{prefix}help` lists them all."
        )

    def _near(self, typed: str, prefix: str, likeness: float) -> str:
        """Commands that resemble the one that does not exist."""
        known = [command for command in self.bot.walk_commands() if not command.hidden]
        names = [name for command in known for name in (command.qualified_name, *command.aliases)]
        return command_errors.nearest(typed, names, prefix, likeness)


def _is_mention(prefix: str | None) -> bool:
    return prefix is not None and prefix.startswith("<@")


async def respond(ctx: Context, problem: UserError) -> None:
    """Tell the person: in the channel (only to them where Discord allows), without an embed if need be, or directly."""
    if isinstance(problem, failures.Told):
        ctx.bot.metrics.replied(ctx, "refused")
        return
    try:
        async with _turn(ctx):
            await failures.persist(ctx.bot, lambda: _respond(ctx, problem))
            ctx.bot.metrics.replied(ctx, "refused")
    except (discord.HTTPException, *failures.TRANSIENT) as error:
        status, code = getattr(error, "status", None), getattr(error, "code", None)
        kind = type(error).__name__
        log.warning("answer_not_posted", channel_id=ctx.channel.id, error=kind, status=status, code=code)


@asynccontextmanager
async def _turn(ctx: Context) -> AsyncIterator[None]:
    """Let one refusal at a time go to a channel: many at once would take the places of all answers that wait there."""
    if ctx.interaction is not None:  # which has a way of its own
        yield
        return
    async with _turns.setdefault(ctx.channel.id, asyncio.Lock()):
        yield
        # In discord.py whoever comes right after a post goes before those who wait, and sends them to the end.
        await asyncio.sleep(_STEP_BACK_S)


async def _respond(ctx: Context, problem: UserError) -> None:
    if ctx.interaction is not None and not ctx.interaction.is_expired():
        await tell(ctx.interaction, problem)
        return
    permissions = ctx.bot_permissions
    in_thread = isinstance(ctx.channel, discord.Thread)
    nonce = f"e-{ctx.message.id}"
    if permissions.send_messages_in_threads if in_thread else permissions.send_messages:
        gone_after = WRONG_PLACE_S if isinstance(problem, access.WrongPlace) else None
        try:
            await post_error(ctx.send, problem, reference=_reference(ctx), delete_after=gone_after, nonce=nonce)
        except discord.Forbidden as error:
            if failures.passing(error):
                raise
            log.info("error_goes_to_the_person", channel_id=ctx.channel.id, code=error.code)
        else:
            return
    if ctx.command is None and ctx.prefix is not None and not _is_mention(ctx.prefix):
        log.info("unknown_command_not_answered", channel_id=ctx.channel.id)  # it may be another bot's
        return
    await post_error(ctx.author.send, problem, nonce=nonce)


def _reference(ctx: Context) -> discord.MessageReference | None:
    if ctx.interaction is not None:  # there is no message to refer to
        return None
    if ctx.guild is not None and not ctx.bot_permissions.read_message_history:
        return None
    return ctx.message.to_reference(fail_if_not_exists=False)


def _unless_choices_not_taken(record: logging.LogRecord) -> bool:
    """Whether discord.py is to log this: not that Discord took no choices any more, somebody types faster than that."""
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, (discord.HTTPException, *failures.TRANSIENT)):
        return True
    if getattr(error, "code", None) not in failures.TOO_LATE and not failures.passing(error):
        return True
    log.info("choices_not_taken", error=type(error).__name__, code=getattr(error, "code", None))
    return False


async def setup(bot: Galvanic) -> None:
    """Called by discord.py."""
    await bot.add_cog(Errors(bot))
