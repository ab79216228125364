"""One way to answer a command, a button, a form or a mention in time, whatever goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any, cast
from weakref import WeakValueDictionary

import discord
import structlog
from discord.ext import commands

from bot.background import DISCORD_ERRORS, TRANSIENT, is_transient, retry
from bot.errors import (
    ALREADY_ANSWERED,
    TAKES_NO_MESSAGES,
    TOO_LATE,
    AlreadyReported,
    WrongPlace,
    explain,
    post_error,
    too_late,
)
from bot.servers.access import may_send
from bot.types import Context, Send, User
from bot.words import NOBODY, plain
from galvanic.errors import UserError
from shared.settings import Settings

Interaction = discord.Interaction[Any]
WRONG_PLACE_S = 10.0
"""How long a refusal stays in a channel where the admins want no lasting messages of the bot."""
TYPING_AFTER_S = 0.4
"""Most answers come sooner; the request that shows "is typing" would only delay them."""
SENT = "📬 I sent you a direct message."
NOT_SENT = "I can't send you a direct message: you don't take any from me."
_SAID_FOR_S = 60.0
_STEP_BACK_S = 0.1

log = structlog.get_logger()


async def acknowledge(interaction: Interaction, **options: Any) -> None:
    """Defer (with options of `response.defer`). If that fails, the work is done all the same."""
    try:
        await interaction.response.defer(**options)
    except DISCORD_ERRORS as error:
        # 3 s were over before it came here, or another process of this bot was faster.
        log.info("not_acknowledged", interaction_id=interaction.id, error=type(error).__name__)


def addressed(send: Send, name: str) -> Send:
    """A `send` whose messages begin with whom they are for, where there is no message to reply to."""

    async def send_to(content: str | None = None, **options: Any) -> Any:
        return await send(f"For {name}:" if content is None else f"For {name}:\n{content}", **options)

    return send_to


def replying(ctx: Context) -> dict[str, Any]:
    """Options of a `send` with which an answer refers to the message, if it may, and is never posted twice."""
    if ctx.interaction is not None:
        return {}
    may_refer = ctx.guild is None or ctx.bot_permissions.read_message_history
    reference = ctx.message.to_reference(fail_if_not_exists=False) if may_refer else None
    return {"reference": reference, "nonce": f"a-{ctx.message.id}"}


class PatientContext(commands.Context[commands.Bot]):
    """Answers in the channel once Discord takes no answer to the interaction: unknown, or 15 minutes old."""

    async def defer(self, *, ephemeral: bool = False) -> None:
        if self.interaction is not None:
            await acknowledge(self.interaction, ephemeral=ephemeral)

    async def send(self, content: str | None = None, **options: Any) -> discord.Message:
        """Raises UserError: it was private, and Discord offers no way to that person now; discord.HTTPException."""
        if self.interaction is None:
            return await super().send(content, **options)
        if not self.interaction.is_expired():
            try:
                return await super().send(content, **options)
            except DISCORD_ERRORS as error:
                if isinstance(error, TRANSIENT) and (posted := await self._posted()) is not None:
                    return posted
                code = getattr(error, "code", None)
                if code != ALREADY_ANSWERED and code not in TOO_LATE:
                    raise
                log.info("answer_goes_to_the_channel", interaction_id=self.interaction.id, code=code)
        if options.pop("ephemeral", False):
            raise too_late()
        for file in (*(options.get("files") or ()), options.get("file")):
            if file is not None:
                file.reset()
        send = addressed(self.channel.send, f"**{plain(self.author.display_name)}**")
        given = {name: value for name, value in options.items() if value is not None}
        return cast(discord.Message, await send(content, **given))

    async def _posted(self) -> discord.Message | None:
        """The answer, if Discord took it although its reply was lost: it must not be posted twice."""
        assert self.interaction is not None
        if self.interaction.response.type is not discord.InteractionResponseType.deferred_channel_message:
            return None
        with contextlib.suppress(*DISCORD_ERRORS):
            answer = await self.interaction.original_response()
            return None if answer.flags.loading else answer
        return None


class Responder:
    """`refused` is told of each command that was answered with an error."""

    def __init__(self, settings: Settings, refused: Callable[[Context], None] = lambda _: None) -> None:
        self._settings = settings
        self._refused = refused
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    def explain(self, error: BaseException, doing: str, usage: str = "") -> UserError:
        return explain(error, doing, self._settings, usage)

    async def tell(self, interaction: Interaction, problem: UserError, view: discord.ui.View | None = None) -> None:
        """Tell one person what went wrong, however the interaction was answered before.

        Where Discord takes no answer any more, say it in the channel for a minute, without `view`.
        """
        if isinstance(problem, AlreadyReported):
            return
        try:
            try:
                await _tell(interaction, problem, view)
            except discord.HTTPException as error:
                if error.code not in TOO_LATE:
                    raise
                log.info("interaction_too_late", interaction_id=interaction.id, code=error.code)
                await _tell_in_channel(interaction, problem)
        except DISCORD_ERRORS as error:
            log.warning("answer_not_posted", interaction_id=interaction.id, error=type(error).__name__)

    async def respond(self, ctx: Context, problem: UserError) -> None:
        """Tell whoever gave a command: in the channel, only to them where Discord allows, or directly."""
        if isinstance(problem, AlreadyReported):
            self._refused(ctx)
            return
        by_message = ctx.interaction is None  # an interaction has a way of its own
        turn = self._turns.setdefault(ctx.channel.id, asyncio.Lock()) if by_message else asyncio.Lock()
        try:
            async with turn:  # one refusal at a time goes to a channel: many at once would hold up all answers there
                await retry(functools.partial(self._respond, ctx, problem), unless=ctx.bot.is_closed)
                self._refused(ctx)
                if by_message:
                    # In discord.py a request right after a post overtakes those that wait, and sends them to the end.
                    await asyncio.sleep(_STEP_BACK_S)
        except DISCORD_ERRORS as error:
            code = getattr(error, "code", None)
            log.warning("answer_not_posted", channel_id=ctx.channel.id, error=type(error).__name__, code=code)

    async def _respond(self, ctx: Context, problem: UserError) -> None:
        if ctx.interaction is not None and not ctx.interaction.is_expired():
            await self.tell(ctx.interaction, problem)
            return
        nonce = {"nonce": f"e-{ctx.message.id}"}
        if may_send(ctx.bot_permissions, ctx.channel):
            gone_after = WRONG_PLACE_S if isinstance(problem, WrongPlace) else None
            try:
                await post_error(ctx.send, problem, delete_after=gone_after, **(replying(ctx) | nonce))
                return
            except discord.Forbidden as error:
                if is_transient(error):
                    raise
        if ctx.command is not None or ctx.prefix is None or is_mention(ctx.prefix):  # else it may be another bot's
            await post_error(ctx.author.send, problem, **nonce)


def is_mention(prefix: str | None) -> bool:
    return prefix is not None and prefix.startswith("<@")


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


async def _tell_in_channel(interaction: Interaction, problem: UserError) -> None:
    assert interaction.channel_id is not None
    client = cast(discord.Client, interaction.client)
    channel = client.get_partial_messageable(interaction.channel_id, guild_id=interaction.guild_id)
    send = addressed(channel.send, f"**{plain(interaction.user.display_name)}**")
    await post_error(send, problem, delete_after=_SAID_FOR_S)


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
        self._waiting: Counter[int] = Counter()
        self._tasks: dict[int, asyncio.Task[None]] = {}

    @contextlib.asynccontextmanager
    async def shown(self, channel_id: int) -> AsyncIterator[None]:
        self._waiting[channel_id] += 1
        if channel_id not in self._tasks:
            self._tasks[channel_id] = asyncio.create_task(self._show(channel_id))
        try:
            yield
        finally:
            self._waiting[channel_id] -= 1
            if not self._waiting[channel_id]:
                del self._waiting[channel_id]
                self._tasks.pop(channel_id).cancel()

    async def _show(self, channel_id: int) -> None:
        await asyncio.sleep(TYPING_AFTER_S)
        with contextlib.suppress(*DISCORD_ERRORS):
            async with self._client.get_partial_messageable(channel_id).typing():
                await asyncio.Event().wait()


# ------------------------------------------- answers that are one person's own business


def is_elsewhere(ctx: Context) -> bool:
    """Whether a private answer goes to another place than the command, which was typed in a channel."""
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
    """Answer so that only the person sees it; False: they take no direct messages.

    Raises discord.HTTPException: Discord did not take the answer.
    """
    if is_elsewhere(ctx):
        return await write_to(ctx.author, **message)
    await ctx.send(**message, ephemeral=True)
    return True


async def note_sent(ctx: Context, said: str = SENT) -> None:
    """Say in the channel that an answer went to the person, if it did, and nothing about them."""
    if is_elsewhere(ctx):
        with contextlib.suppress(*DISCORD_ERRORS):  # the person has their answer
            await ctx.send(said)


async def tell_privately(ctx: Context, **message: Any) -> None:
    """`answer_privately`, then `note_sent`.

    Raises UserError: they take no direct messages; says how else. Raises discord.HTTPException: the answer was refused.
    """
    if not await answer_privately(ctx, **message):
        name = ctx.command.qualified_name if ctx.command is not None else ""
        raise UserError(NOT_SENT, f"Use `/{name}`: only you see the answer.")
    await note_sent(ctx)
