"""One way to answer a command, a button, a form or a mention in time, and to tell people what went wrong."""

import asyncio
import contextlib
import functools
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, cast
from weakref import WeakValueDictionary

import discord
import structlog
from discord import app_commands
from discord.ext import commands

from bot.background import DISCORD_ERRORS, TRANSIENT, is_transient, retry, unless_refused
from bot.errors import (
    ALREADY_ANSWERED,
    TAKES_NO_MESSAGES,
    TOO_LATE,
    AlreadyReported,
    WrongPlace,
    cause_of,
    code_of,
    explain,
    nearest_command,
    post_error,
    too_late,
)
from bot.servers.access import Access, may_send, require_permissions
from bot.servers.settings import GuildSettingsStore
from bot.types import Context, Send, User
from bot.words import NOBODY, code, plain, typed_prefix
from galvanic.errors import UserError
from shared.settings import Settings

Interaction = discord.Interaction[Any]
WRONG_PLACE_S = 10.0  # lifetime of a refusal in a channel where the admins want no lasting messages of the bot
_TYPING_EVERY_S = 8.0  # Discord shows it for ten
TYPING_AFTER_S = 0.4  # most answers come sooner; the request that shows "is typing" would only delay them
SENT = "📬 I sent you a direct message."
NOT_SENT = "I can't send you a direct message: you don't accept any from me."
_SAID_FOR_S = 60.0
_STEP_BACK_S = 0.1
_UNANSWERED_S = 2.0  # a control still unanswered after this is answered here, within Discord's 3 s
_WORD = re.compile(r"[^\W\d_][\w-]+")
_NO_LONGER = {
    discord.InteractionType.component: UserError(
        "This button or menu no longer works: I was restarted or updated.", "Run the command again."
    ),
    discord.InteractionType.modal_submit: UserError(
        "This form no longer works: I was restarted, or it was open for too long.", "Open it again."
    ),
}

log = structlog.get_logger()


async def acknowledge(interaction: Interaction, **options: Any) -> None:
    """Defer (with options of `response.defer`). If that fails, the work is done all the same."""
    # Where Discord refuses, 3 s were over before it came here, or another process of this bot was faster.
    with unless_refused(log.info, "not_acknowledged", interaction_id=interaction.id):
        await interaction.response.defer(**options)


def addressed(send: Send, name: str) -> Send:
    """Return a `send` whose messages begin with the person's name, for where there is no message to reply to."""

    async def send_to(content: str | None = None, **options: Any) -> Any:
        return await send(f"For {name}:" if content is None else f"For {name}:\n{content}", **options)

    return send_to


def channel_of(interaction: Interaction) -> discord.PartialMessageable:
    assert interaction.channel_id is not None
    client = cast(discord.Client, interaction.client)
    return client.get_partial_messageable(interaction.channel_id, guild_id=interaction.guild_id)


def _by_name(interaction: Interaction) -> Send:
    """Posts in the channel once Discord takes no answer to the interaction."""
    return addressed(channel_of(interaction).send, f"**{plain(interaction.user.display_name)}**")


def replying(ctx: Context) -> dict[str, Any]:
    """Return options of a `send`: the answer refers to the message, if it may, and is never posted twice."""
    if ctx.interaction is not None:
        return {}
    may_refer = ctx.guild is None or ctx.bot_permissions.read_message_history
    reference = ctx.message.to_reference(fail_if_not_exists=False) if may_refer else None
    return {"reference": reference, "nonce": f"a-{ctx.message.id}"}


class PatientContext(commands.Context[commands.Bot]):
    """Answers in the channel once Discord takes no answer to the interaction: unknown, or 15 minutes old."""

    _has_answered = False

    async def defer(self, *, ephemeral: bool = False) -> None:
        if self.interaction is not None:
            await acknowledge(self.interaction, ephemeral=ephemeral)

    async def send(self, content: str | None = None, **options: Any) -> discord.Message:
        """Send an answer. Raises UserError if it was private and can't reach the person; discord.HTTPException."""
        if self.interaction is None:
            return await super().send(content, **options)
        if not self.interaction.is_expired():
            try:
                message = await super().send(content, **options)
                self._has_answered = True
                return message
            except DISCORD_ERRORS as error:
                if isinstance(error, TRANSIENT) and (posted := await self._posted()) is not None:
                    self._has_answered = True
                    return posted
                code = code_of(error)
                if code != ALREADY_ANSWERED and code not in TOO_LATE:
                    raise
                log.info("answer_goes_to_the_channel", interaction_id=self.interaction.id, code=code)
        if options.pop("ephemeral", False):
            raise too_late()
        for file in (*(options.get("files") or ()), options.get("file")):
            if file is not None:
                file.reset()
        filled = {name: value for name, value in options.items() if value is not None}
        return cast(discord.Message, await _by_name(self.interaction)(content, **filled))

    async def _posted(self) -> discord.Message | None:
        """Return the first answer if Discord took it although its reply was lost: it must not be posted twice."""
        assert self.interaction is not None
        if (
            not self._has_answered
            and self.interaction.response.type is discord.InteractionResponseType.deferred_channel_message
        ):
            with contextlib.suppress(*DISCORD_ERRORS):
                answer = await self.interaction.original_response()
                return None if answer.flags.loading else answer
        return None


@dataclass(eq=False, repr=False)
class Responder(commands.Cog):
    """Tells people what went wrong."""

    bot: commands.Bot
    settings: Settings
    servers: GuildSettingsStore
    access: Access
    _turns: WeakValueDictionary[int, asyncio.Lock] = field(init=False, default_factory=WeakValueDictionary)

    async def cog_load(self) -> None:
        self.bot.tree.error(self._on_tree_error)

    @commands.Cog.listener()
    async def on_command_error(self, ctx: Context, error: commands.CommandError) -> None:
        unknown = isinstance(error, commands.CommandNotFound)
        if (problem := await self._about_unknown(ctx) if unknown else error) is not None:
            await self._respond(ctx, problem)

    @commands.Cog.listener()
    async def on_interaction(self, interaction: Interaction) -> None:
        """Answer a button, a menu or a form that this run of the bot does not know."""
        if (problem := _NO_LONGER.get(interaction.type)) is None:
            return
        await asyncio.sleep(_UNANSWERED_S)
        if not interaction.response.is_done():
            with contextlib.suppress(discord.InteractionResponded, *DISCORD_ERRORS):  # it was answered elsewhere
                await post_error(interaction.response.send_message, problem, ephemeral=True)

    async def _on_tree_error(self, interaction: Interaction, error: app_commands.AppCommandError) -> None:
        if interaction.command is None:  # Discord still shows a command that this version no longer has
            await self.tell(interaction, error, "unknown")
        else:
            await self._respond(await self.bot.get_context(interaction), error)

    async def _about_unknown(self, ctx: Context) -> Exception | None:
        """Return what to say to an unknown command; None: it is not meant as one, or is another bot's."""
        prefix = await self._prefix(ctx)
        typed = ctx.invoked_with or ""
        meant = ctx.message.content[len(ctx.prefix or "") :].startswith(typed)  # `! wow` is not
        word = meant and _WORD.fullmatch(typed) is not None
        near = nearest_command(typed, self.bot.walk_commands(), prefix) if meant else ""
        if not near and not word and ctx.guild is not None:
            return None
        try:
            await self.access.require_place(ctx.author, ctx.channel)
        except Exception as error:
            return None if isinstance(error, WrongPlace) and not near else error
        remedy = f"Did you mean {near}? " if near else ""
        return UserError(f"There is no command {code(f'{prefix}{typed}')}.", f"{remedy}`{prefix}help` lists them all.")

    async def _prefix(self, ctx: Context) -> str:
        return await self.servers.prefix(ctx.guild.id if ctx.guild is not None else None)

    async def _explain(self, ctx: Context, error: Exception) -> UserError:
        """Return what to tell the person, and log it unless they can mend it."""
        cause = cause_of(error)
        if isinstance(cause, discord.Forbidden) and not is_transient(cause) and ctx.guild is not None:
            try:
                require_permissions(ctx)
            except UserError as missing:
                return missing
        name = "" if ctx.command is None else ctx.command.qualified_name  # a menu's command is no text by itself
        extras = {} if ctx.command is None else ctx.command.extras
        usage, examples = extras.get("usage", name), extras.get("examples", ())
        prefix = await self._prefix(ctx)
        begin = typed_prefix(prefix, self.bot.user)
        shows_example = isinstance(cause, commands.MissingRequiredArgument) and examples
        example = f", as in `{begin}{examples[0]}`" if shows_example else ""
        return explain(cause, name, self.settings, f"Usage: `{begin}{usage}`{example}")

    async def tell(
        self, interaction: Interaction, error: Exception, doing: str = "", view: discord.ui.View | None = None
    ) -> None:
        """Tell one person what went wrong, however the interaction was answered before; `doing`: see `explain`.

        Where Discord takes no answer any more, say it in the channel for a minute, without `view`. Once the bot is
        closed nobody can be told, and what failed is most likely its closed connection.
        """
        if self.bot.is_closed():
            log.info("not_answered_before_the_end", interaction_id=interaction.id)
            return
        problem = explain(error, doing, self.settings)
        if isinstance(problem, AlreadyReported):
            return
        with unless_refused(log.warning, "answer_not_posted", interaction_id=interaction.id):
            try:
                await _tell(interaction, problem, view)
            except discord.HTTPException as late:
                if late.code not in TOO_LATE:
                    raise
                log.info("interaction_too_late", interaction_id=interaction.id, code=late.code)
                await post_error(_by_name(interaction), problem, delete_after=_SAID_FOR_S)

    async def _respond(self, ctx: Context, error: Exception) -> None:
        """Tell whoever gave a command: in the channel, only to them where Discord allows, or directly."""
        if self.bot.is_closed():
            return
        problem = await self._explain(ctx, error)
        if ctx.interaction is not None and not ctx.interaction.is_expired():
            await self.tell(ctx.interaction, problem)
        elif not isinstance(problem, AlreadyReported):
            turn = self._turns.setdefault(ctx.channel.id, asyncio.Lock())
            try:
                async with turn:  # one refusal at a time goes to a channel: many would hold up all answers there
                    await retry(functools.partial(_post, ctx, problem), unless=self.bot.is_closed)
                    # In discord.py a request right after a post overtakes those that wait, and sends them to the end.
                    await asyncio.sleep(_STEP_BACK_S)
            except DISCORD_ERRORS as trouble:
                refusal = code_of(trouble)
                log.warning("answer_not_posted", channel_id=ctx.channel.id, error=type(trouble).__name__, code=refusal)


async def _post(ctx: Context, problem: UserError) -> None:
    """Post an error in a channel where the bot may write, else to whoever gave the command."""
    nonce = {"nonce": f"e-{ctx.message.id}"}
    if may_send(ctx.bot_permissions, ctx.channel):
        gone_after = WRONG_PLACE_S if isinstance(problem, WrongPlace) else None
        try:
            await post_error(ctx.send, problem, delete_after=gone_after, **(replying(ctx) | nonce))
            return
        except discord.Forbidden as error:
            if is_transient(error):
                raise
    if ctx.command is not None or ctx.prefix is None or ctx.prefix.startswith("<@"):  # else it may be another bot's
        await post_error(ctx.author.send, problem, **nonce)


async def _tell(interaction: Interaction, problem: UserError, view: discord.ui.View | None) -> None:
    options: dict[str, Any] = {"ephemeral": True} | ({"view": view} if view is not None else {})
    if not interaction.response.is_done():
        try:
            await post_error(interaction.response.send_message, problem, **options)
            return
        except discord.HTTPException as error:
            if error.code != ALREADY_ANSWERED:
                raise
    elif interaction.response.type is discord.InteractionResponseType.deferred_channel_message:
        await _remove_placeholder(interaction)
    await post_error(interaction.followup.send, problem, **options)


async def _remove_placeholder(interaction: Interaction) -> None:
    """Remove a public "is thinking": what replaces it would be public, too."""
    with contextlib.suppress(discord.NotFound):  # it is gone already
        placeholder = await interaction.original_response()
        if placeholder.flags.loading and not placeholder.flags.ephemeral:
            # As long as it is thinking, the next answer would go into its place, even after it was deleted.
            await placeholder.edit(content="❌", allowed_mentions=NOBODY)
            await placeholder.delete()


class Typing:
    """Shows "is typing" during long work: one sign for each channel, however many wait there."""

    def __init__(self, client: discord.Client) -> None:
        self._client = client
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    @contextlib.asynccontextmanager
    async def shown(self, channel_id: int) -> AsyncIterator[None]:
        sign = asyncio.create_task(self._show(channel_id))
        try:
            yield
        finally:
            sign.cancel()

    async def _show(self, channel_id: int) -> None:
        """Show the sign until cancelled; in one channel, one task at a time shows it."""
        await asyncio.sleep(TYPING_AFTER_S)
        async with self._turns.setdefault(channel_id, asyncio.Lock()):
            # Not cancelled with the sign: after a request that was cancelled while Discord limits the whole bot,
            # discord.py would send nothing any more.
            taken = True
            while taken:
                taken = await asyncio.shield(asyncio.ensure_future(self._show_once(channel_id)))
                await asyncio.sleep(_TYPING_EVERY_S)

    async def _show_once(self, channel_id: int) -> bool:
        try:
            await self._client.get_partial_messageable(channel_id).typing()
        except DISCORD_ERRORS:
            return False
        return True


# ---------------------------------------------------------------------- private answers


def is_elsewhere(ctx: Context) -> bool:
    """Return whether a private answer can't go where the command is: it was typed in a server's channel."""
    return ctx.interaction is None and ctx.guild is not None


async def write_to(user: User, **message: Any) -> bool:
    """Send a direct message; False: the person takes none. Raises discord.HTTPException: Discord is in trouble."""
    try:
        await user.send(**message)
    except discord.HTTPException as error:
        if error.code not in TAKES_NO_MESSAGES:
            raise
        log.info("direct_message_refused", user_id=user.id, code=error.code)
        return False
    return True


async def answer_privately(ctx: Context, **message: Any) -> bool:
    """Answer so that only the person sees it; False: they take no direct messages. Raises discord.HTTPException."""
    if is_elsewhere(ctx):
        return await write_to(ctx.author, **message)
    await ctx.send(**message, ephemeral=True)
    return True


async def note_sent(ctx: Context, notice: str = SENT) -> None:
    """Say in the channel that an answer went to the person, if it did, and nothing about them."""
    if is_elsewhere(ctx):
        with contextlib.suppress(*DISCORD_ERRORS):  # the person has their answer
            await ctx.send(notice)


async def tell_privately(ctx: Context, **message: Any) -> None:
    """Answer so that only the person sees it, and say in the channel that it was sent.

    Raises UserError: they take no direct messages; says how else. Raises discord.HTTPException: the answer was refused.
    """
    if not await answer_privately(ctx, **message):
        name = ctx.command.qualified_name if ctx.command is not None else ""
        raise UserError(NOT_SENT, f"Use `/{name}`: only you see the answer.")
    await note_sent(ctx)
