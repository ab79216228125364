"""Each of discord.py's errors that a person can cause has a sentence of its own, and whatever is typed gets one."""

import pytest

from bot.words import code
from playground.places import ANNEX_ID
from tests.bot.channels import Away, model_of
from tests.bot.ids import ADA, ATRIUM, LIBRARY
from tests.bot.live import Live


def test_what_was_typed_is_shown_as_it_is_in_one_line() -> None:
    assert code("a_b*c\n`d`") == "`a_b*c 'd'`"
    assert code("x" * 99) == f"`{'x' * 40}…`"


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
        ("!model delete", "`NAME` is missing", "Usage: `!model delete NAME`"),
        ("!model rename", "`OLD` is missing", "as in `!model rename frankenstein-2 victor`"),
        *(
            (typed, "There is no model here yet", "!train frankenstein")
            for typed in ("!models", "!model", "!model info")
        ),
        ("!model rename a b c", "more words than this command takes", "!model rename OLD NEW"),
        ("!persona del mary", "I don't know `del` here", "Usage: `!persona [add CALL [MODEL] [NAME]|remove CALL]`"),
        ("!talk mary victor 99", "A talk has 2 to 12 texts", "as in `!talk mary victor 6`"),
        ("!talk mary victor many", "can't read the words after this command", "`!talk FIRST SECOND [TURNS]|stop`"),
        ("!model dlete walrus", "", "Did you mean `!model delete`?"),
        ("!model nonsense", "It has `delete`, `export`", ""),
        ("!train frankenstien", "There is no text called `frankenstien`", "Did you mean `frankenstein`"),
        ("!train", "What should I learn?", "!catalogue"),
        ("!train python-docs --from nosuch", "No model called `nosuch`", "!models"),
        ("!train more --layers 2", "keeps its network", "Leave out `--layers`"),
        ("!generate the sea --from-corpus", "so it can't use your words", "Leave out the words"),
        ("!generate the sea --mix a,b --model c", "don't go together", "Leave out one"),
        ("!cancel t-1", "There is no training `t-1`", "bottom of its card"),
        ("!surprise", "Which text should I look at?", "reply to a message"),
        (f"!surprise {'x' * 1_001}", "1,001 characters", "Use a part"),
        ("!compare", "Which words should I continue?", "!compare the sea"),
        ("!compare the sea --temperatures 0.5", "names only one", "--temperatures 0.4,0.8,1.2"),
        ("!compare the sea --temperatures 0.5,3", "`3` in `--temperatures`", "from 0 to 2"),
        ("!compare the sea --temperatures 1,2,0,1.1,1.2,1.3,1.4", "names 7", "2 to 6"),
        ("!compare the sea --models tides,tides", "names `tides` twice", "once"),
        ("!compare the sea --models tides,alice --temperatures 1,2", "don't go together", "leave out"),
        ("!compare the sea --length 5000", "`--length` is 5000", "1 to 800"),
        ("!generate the sea --mix tides,wordy", "`word` model, which can't be mixed", "recipe `char`"),
    ],
)
async def test_what_is_said(live: Live, typed: str, problem: str, remedy: str) -> None:
    for name in ("tides", "wordy") if "tides" in typed else ():
        model_of(live, name, recipe="word" if name == "wordy" else "char")
    said = await live.ask(typed, person="ben")
    assert problem in said
    assert remedy in said


async def test_without_redis_commands_say_so_and_work_again_later(live: Live) -> None:
    redis = Away(live)
    redis.gone = True
    for typed in ("!generate the sea", "!train python-docs", "!models"):
        assert "I can't reach my memory right now" in await live.ask(typed)
    assert "Redis" in await live.ask("!status")
    redis.gone = False
    assert "There is no model here yet" in await live.ask("!models")


async def test_errors_of_slash_commands_are_for_the_person_alone(live: Live) -> None:
    for command, options, words in (
        ("generate", {"seed": "the sea", "model": "nosuch"}, "No model called `nosuch`"),
        ("cancel", {"training": "t-1"}, "There is no training `t-1`"),
        ("help", {"command": "nosuch"}, "There is no command `nosuch`"),
    ):
        live.slash("ben", command, **options)
        await live.until(lambda words=words: live.whispered("ben", words), words)  # type: ignore[misc]
    assert live.showing("❌") is None


async def test_in_a_server_without_the_bot_slash_commands_say_so(live: Live) -> None:
    tree = live.bot.tree
    assert all(command.to_dict(tree)["integration_types"] == [0] for command in tree.get_commands()), "of servers alone"
    live.bot._connection._guilds.pop(ANNEX_ID)
    live.slash("ada", "generate", ATRIUM)
    await live.until(lambda: live.whispered("ada", "not a member of this server", channel=ATRIUM), "the reason")


async def test_a_thread_is_a_channel(live: Live) -> None:
    thread = live.world.create_thread(LIBRARY, "aside", ADA)
    assert "no command `!frobnicate`" in await live.ask("!frobnicate", channel=thread.id)
