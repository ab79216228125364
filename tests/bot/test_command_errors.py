"""Each of discord.py's errors that a person can cause has a sentence of its own, and whatever is typed gets one."""

import pytest

from bot.words import code
from playground.places import CHANNEL_IDS, USER_IDS
from tests.bot.live import Live


def test_what_was_typed_is_shown_as_it_is_in_one_line() -> None:
    assert code("a_b*c\n`d`") == "`a_b*c 'd'`"
    assert code("x" * 99) == f"`{'x' * 40}…`"


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
        ("!ping", "no command `!ping`", "**\n`!help` lists them all"),
        ("!help ping", "no command `ping`", "**\n`!help` lists them"),
        ("!help generat", "no command `generat`", "Did you mean `generate`? `!help`"),
        ("!otpout", "no command `!otpout`", "**\n`!help` lists them all"),
        ("!sinc", "no command `!sinc`", "`!help` lists them all"),
        ("!sync", "Only the bot's operator", "Ask them"),
        ("!model delete", "`NAME` is missing", "Usage: `!model delete NAME`"),
        ("!model rename", "`OLD` is missing", "as in `!model rename frankenstein-2 victor`"),
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
        live.slash("ben", command, **options)
        await live.until(lambda words=words: live.whispered("ben", words), words)  # type: ignore[misc]
    assert live.showing("❌") is None


async def test_the_operator_syncs_and_a_thread_is_a_channel(live: Live) -> None:
    assert "slash commands now" in await live.ask("!sync")
    thread = live.world.create_thread(CHANNEL_IDS["library"], "aside", USER_IDS["ada"])
    assert "no command `!frobnicate`" in await live.ask("!frobnicate", channel=thread.id)
