"""Direct messages and threads: what works there, and what is refused kindly."""

import re

import pytest

from tests.bot.ids import BEN
from tests.bot.live import Live


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("!help", "learns to write"),
        ("!help train", "!train frankenstein"),
        ("!status", "no worker"),
        ("!catalogue", "frankenstein"),
        # What needs a server.
        ("hello", "I work in servers; `!help` shows what I can do here"),
        ("<@1297000000000000031> hello", "I chat in servers"),
        ("!models", "`/help`"),
    ],
)
async def test_some_commands_need_no_server_and_of_others_it_is_told_what_works(
    live: Live, typed: str, words: str
) -> None:
    assert words in await live.ask(typed, person="ben", channel=live.dm())


@pytest.mark.parametrize("typed", ["!frobnicate", "!!!"])
async def test_an_unknown_command_is_answered_once(live: Live, typed: str) -> None:
    dm = live.dm()
    sent = live.send(typed, person="ben", channel=dm)
    await live.answered(sent)
    await live.handled()
    answers = [message for message in live.world.messages[dm].values() if message.id > sent.id]
    assert len(answers) == 1
    assert f"no command `{typed}`" in str(answers[0].embeds)


def direct(live: Live) -> set[str]:
    return {command.name for command in live.bot.commands if command.extras.get("direct") and not command.hidden}


async def test_help_shows_what_works_there_and_that_the_rest_needs_a_server(live: Live) -> None:
    said = await live.ask("!help", person="ben", channel=live.dm())
    shown = set(re.findall(r"^`!([\w-]+)`", said, re.MULTILINE))
    assert shown == direct(live)
    assert "Everything else works in a server" in said
    menu = next(message for message in live.world.messages[live.dm()].values() if message.components)
    options = {option["value"] for option in menu.components[0]["components"][0]["options"]}
    assert options == direct(live)
    assert "works in servers only" in await live.ask("!help generate", person="ben", channel=live.dm())
    assert "works in servers only" not in await live.ask("!help generate", person="ben")


async def test_every_command_gives_one_answer_there(live: Live) -> None:
    dm = live.dm()
    for name in sorted(command.qualified_name for command in live.bot.walk_commands()):
        said = await live.ask(f"!{name} x", person="ben", channel=dm)
        assert "Something went wrong" not in said, name
        if name.split()[0] not in direct(live):
            assert "works in servers, not in direct messages" in said, name
        await live.handled()  # some answers have a second message, which is not that of the next command


async def test_slash_commands_are_offered_there_only_if_they_work_there(live: Live) -> None:
    offered = {entry["name"].split()[0] for entry in live.acts.commands(BEN, live.dm())}
    assert offered == direct(live)
    for name in sorted(offered):
        record = live.slash("ben", name, live.dm())
        await live.until(lambda record=record: record.message_id, f"an answer to /{name}")  # type: ignore[misc]
