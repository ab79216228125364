"""Each of discord.py's errors that a person can cause has a sentence of its own, and whatever is typed gets one."""

from __future__ import annotations

from typing import cast

import pytest
from discord.ext import commands
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.admin.cog_errors import Errors
from bot.escape import code
from playground.places import CHANNEL_IDS, USER_IDS
from tests.bot.live import Live
from tests.bot.offline import context


def test_what_was_typed_is_shown_as_it_is_in_one_line() -> None:
    assert code("a_b*c\n`d`") == "`a_b*c 'd'`"
    assert code("x" * 99) == f"`{'x' * 40}…`"


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
        problem = await cog.unknown(ctx)
        assert problem is None or "no command" in problem.problem
    except commands.CommandError as error:  # anything else would be met with silence
        problem = await cog.explain(ctx, error)
        assert "Something went wrong" not in problem.problem
        assert len(str(problem)) < 1_000


@pytest.mark.parametrize(
    "typed",
    [
        "!cancel don’t",
        '!model use "a',
        '!train it’s a "book',
        "!generate the sea’s “edge --length many",
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
        ("!halp", "no command `!halp`", "Did you mean `!help`?"),
        ("!Modles", "no command `!Modles`", "`!models`"),
        ("!sinc", "no command `!sinc`", "`!help` lists them all"),
        ("!sync", "Only the bot's operator", "Ask them"),
        ("!model delete", "`NAME` is missing", "Usage: `!model delete NAME`"),
    ],
)
async def test_what_is_said(live: Live, typed: str, problem: str, remedy: str) -> None:
    said = await live.ask(typed, person="ben")
    assert problem in said
    assert remedy in said


async def test_errors_of_slash_commands_are_for_the_person_alone(live: Live) -> None:
    for command, options, words in (
        ("generate", {"seed": "the sea", "model": "nosuch"}, "No model called `nosuch`"),
        ("cancel", {"job": "t-1"}, "There is no training `t-1`"),
        ("help", {"command": "nosuch"}, "There is no command `nosuch`"),
    ):
        live.acts.slash(USER_IDS["ben"], CHANNEL_IDS["lab"], command, options, {})
        await live.until(lambda words=words: live.whispered("ben", words), words)  # type: ignore[misc]
    assert live.showing("❌") is None


async def test_the_operator_syncs_and_a_thread_is_a_channel(live: Live) -> None:
    assert "slash commands now" in await live.ask("!sync")
    thread = live.world.create_thread(CHANNEL_IDS["library"], "aside", USER_IDS["ada"])
    assert "no command `!frobnicate`" in await live.ask("!frobnicate", channel=thread.id)
