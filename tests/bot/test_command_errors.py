"""Each of discord.py's errors that a person can cause has a sentence of its own, and whatever is typed gets one."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any, Literal, cast

import discord
import pytest
from discord import app_commands
from discord.ext import commands
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.cogs.errors import Errors
from bot.commands import command_errors
from bot.escape import code
from bot.options import checks
from bot.write.cog_generate import GenerateFlags
from tests.bot.live import Live
from tests.bot.offline import context

USAGE = "Usage: `!train TEXT`"
FLAG = GenerateFlags.get_flags()["length"]
PARAMETER = commands.Parameter("words", inspect.Parameter.KEYWORD_ONLY, annotation=str)
BUCKET: Any = commands.BucketType.user
CAUSED: dict[type[Exception], Exception] = {
    type(error): error
    for error in (
        commands.MissingRequiredArgument(PARAMETER),
        commands.MissingRequiredAttachment(PARAMETER),
        commands.TooManyArguments("x"),
        commands.BadArgument("x"),
        commands.UserInputError("x"),
        commands.ObjectNotFound("x"),
        commands.MemberNotFound("x"),
        commands.GuildNotFound("x"),
        commands.UserNotFound("x"),
        commands.MessageNotFound("x"),
        commands.ChannelNotReadable(SimpleNamespace(mention="#x")),  # type: ignore[arg-type]
        commands.ChannelNotFound("x"),
        commands.ThreadNotFound("x"),
        commands.BadColourArgument("x"),
        commands.RoleNotFound("x"),
        commands.BadInviteArgument("x"),
        commands.EmojiNotFound("x"),
        commands.PartialEmojiConversionFailure("x"),
        commands.GuildStickerNotFound("x"),
        commands.ScheduledEventNotFound("x"),
        commands.SoundboardSoundNotFound("x"),
        commands.BadBoolArgument("x"),
        commands.BadTimestampArgument("x"),
        commands.RangeError(5, minimum=1, maximum=4),
        commands.BadUnionArgument(PARAMETER, (int, discord.Member), []),
        commands.BadLiteralArgument(PARAMETER, ("a", "b"), [], "x"),
        commands.ArgumentParsingError("x"),
        commands.UnexpectedQuoteError("'"),
        commands.InvalidEndOfQuotedStringError("'"),
        commands.ExpectedClosingQuoteError("'"),
        commands.FlagError("x"),
        commands.TooManyFlags(FLAG, ["1", "2"]),
        commands.BadFlagArgument(FLAG, "x", ValueError()),
        commands.MissingRequiredFlag(FLAG),
        commands.MissingFlagArgument(FLAG),
        commands.CheckFailure("x"),
        commands.CheckAnyFailure([], []),
        commands.PrivateMessageOnly(),
        commands.NoPrivateMessage(),
        commands.NotOwner("x"),
        commands.DisabledCommand("x"),
        commands.CommandOnCooldown(commands.Cooldown(1, 9), 3.0, BUCKET),
        commands.MaxConcurrencyReached(1, BUCKET),
        commands.MissingRole("x"),
        commands.BotMissingRole("x"),
        commands.MissingAnyRole(["x", "y"]),
        commands.BotMissingAnyRole(["x"]),
        commands.NSFWChannelRequired(SimpleNamespace(id=1)),  # type: ignore[arg-type]
        commands.MissingPermissions(["manage_guild"]),
        commands.BotMissingPermissions(["embed_links"]),
        app_commands.CheckFailure("x"),
        app_commands.NoPrivateMessage(),
        app_commands.MissingRole("x"),
        app_commands.MissingAnyRole(["x", "y"]),
        app_commands.MissingPermissions(["manage_guild"]),
        app_commands.BotMissingPermissions(["embed_links"]),
        app_commands.CommandOnCooldown(app_commands.Cooldown(1, 9), 3.0),
        app_commands.TransformerError("x", discord.AppCommandOptionType.integer, app_commands.Transformer()),  # type: ignore[arg-type]
        app_commands.CommandNotFound("x", []),
    )
}
NOT_THE_PERSONS = {
    commands.CommandInvokeError,
    commands.HybridCommandError,
    commands.ConversionError,
    commands.CommandNotFound,  # answered by the nearest command
    checks.Refused,
    app_commands.CommandInvokeError,
    app_commands.CommandAlreadyRegistered,
    app_commands.CommandLimitReached,
    app_commands.CommandSyncFailure,
    app_commands.TranslationError,
    app_commands.CommandSignatureMismatch,  # made of a command: below
    app_commands.MissingApplicationID,
}


def below(kind: type[Exception]) -> set[type[Exception]]:
    return {kind for child in kind.__subclasses__() for kind in (child, *below(child))}


def test_no_error_of_the_library_is_forgotten() -> None:
    every = below(commands.CommandError) | below(app_commands.AppCommandError)
    ours = {kind for kind in every if kind.__module__.startswith(("discord.", "bot."))}
    assert ours - NOT_THE_PERSONS - set(CAUSED) == set()


@pytest.mark.parametrize("error", CAUSED.values(), ids=lambda error: f"{type(error).__module__}.{type(error).__name__}")
def test_each_has_a_sentence_and_a_remedy(error: Exception) -> None:
    problem = command_errors.explain(error, USAGE)
    assert problem is not None
    assert problem.problem.endswith(".")
    assert problem.remedy
    assert "object at 0x" not in str(problem)


def test_the_sentences_are_specific() -> None:
    said = [str(command_errors.explain(error, USAGE)) for error in CAUSED.values()]
    shared = {
        str(command_errors.explain(CAUSED[kind], USAGE))
        for kind in (
            commands.BadArgument,
            commands.ArgumentParsingError,
            commands.CheckFailure,
            commands.BotMissingRole,
        )
    }
    others = [text for text in said if text not in shared]
    twins = {text for text in others if others.count(text) > 1}
    # A slash command's error says the same as that of a prefix command; emojis have two errors.
    assert all(others.count(text) == 2 for text in twins)


def test_what_was_typed_is_shown_as_it_is_in_one_line() -> None:
    assert code("a_b*c\n`d`") == "`a_b*c 'd'`"
    assert code("x" * 99) == f"`{'x' * 40}…`"


def test_kinds_in_plain_words() -> None:
    parameter = commands.Parameter("what", inspect.Parameter.KEYWORD_ONLY, annotation=Literal["a", "b"])
    problem = command_errors.explain(commands.BadLiteralArgument(parameter, ("a", "b"), [], "soup"), USAGE)
    assert str(problem) == "`WHAT` can't be `soup`. Choose `a` or `b`."
    union = command_errors.explain(commands.BadUnionArgument(PARAMETER, (int, discord.Member), []), USAGE)
    assert "a whole number or a member" in str(union)


TYPED = """
train generate model use models cancel help settings status catalogue more frankenstein --length --from --temperature
--mix --no-guard --epochs --stop -- --x -1 0 9999999999999999999 1e9 nan inf a:0.7,b:0.3 ' " ’ “ » ``` ~~ || @everyone
<@1297000000000000022> <#1> <@&2>
"""
WORDS = st.sampled_from([*TYPED.split(), "\\", "\u200b", "\u202e"])
LINES = st.lists(WORDS | st.text(max_size=12), max_size=9).map(" ".join)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(line=LINES, name=st.sampled_from(["", "train ", "generate ", "model ", "model use ", "cancel ", "help "]))
async def test_whatever_is_typed_is_understood_or_explained(live: Live, line: str, name: str) -> None:
    cog = cast("Errors", live.bot.get_cog("Errors"))
    ctx = await context(live.bot, f"!{name}{line}"[:2_000])
    try:
        if ctx.command is None:
            raise commands.CommandNotFound
        await ctx.command.prepare(ctx)
        if isinstance(ctx.command, commands.Group) and (part := ctx.command.get_command(ctx.view.get_word())):
            ctx.command = part
            ctx.view.skip_ws()
            await part.prepare(ctx)
    except commands.CommandNotFound:
        problem = await cog._unknown(ctx)
        assert problem is None or "no command" in problem.problem
    except commands.CommandError as error:  # anything else would be met with silence
        problem = await cog.explain(ctx, error)
        assert "Something went wrong" not in problem.problem
        assert len(str(problem)) < 1_000


@pytest.mark.parametrize(
    "typed",
    [
        "!cancel don’t",
        "!model use “half open",
        '!model use "a',
        "!model use a'b",
        "!help 'what",
        '!train it’s a "book',
        "!generate the sea’s “edge --length many",
        "!generate --length",
        "!train --",
        "!frobnicate `x` @everyone",
        "!help " + "x" * 1_900,
        "!" + "x" * 1_900,
        "<@1297000000000000031> hepl",
    ],
)
async def test_it_is_answered_over_sockets(live: Live, typed: str) -> None:
    said = await live.ask(typed)
    assert "Something went wrong" not in said
    assert "quotation mark" not in said
    assert len(said) > 10


@pytest.mark.parametrize("typed", ["!!!", "! wow", "!?", "!", "!...", "! that was nice", "!5", "wow!"])
async def test_what_is_no_command_is_left_alone(live: Live, typed: str) -> None:
    sent = live.send(typed)
    await live.handled()
    assert live.answer(sent) is None


@pytest.mark.parametrize(
    ("typed", "problem", "remedy"),
    [
        ("!frobnicate", "no command `!frobnicate`", "`!help` lists them all"),
        ("!halp", "no command `!halp`", "Did you mean `!help`?"),
        ("!Modles", "no command `!Modles`", "`!models`"),
        ("!sinc", "no command `!sinc`", "`!help` lists them all"),
        ("!cancel", "You have no training here", "`!jobs` lists"),
        ("!model delete", "`NAME` is missing", "Usage: `!model delete NAME`"),
        ("!model use", "`NAME` is missing", "Usage: `!model use NAME`"),
    ],
)
async def test_what_is_said(live: Live, typed: str, problem: str, remedy: str) -> None:
    said = await live.ask(typed)
    assert problem in said
    assert remedy in said
