"""Without a privileged intent the bot does what works, and says what does not and who can change it."""

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import discord
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from bot import __main__ as main, words
from bot.app import Galvanic
from playground.places import BOT_ID
from shared.settings import Settings
from tests.bot.ids import LAB
from tests.bot.live import Live, text_of
from tests.driver import BOT_TOKEN
from tests.driver.control import Driver

UNREAD = "Discord doesn't let me read messages ('Message Content Intent' is off)"
OPERATOR = "The bot's operator can turn it on (https://discord.com/developers/applications"
MENTION = f"<@{BOT_ID}>"


@pytest.fixture
def lacks() -> frozenset[str]:
    return frozenset({"message_content"})


async def test_a_mention_is_read_and_a_prefix_is_not(live: Live) -> None:
    typed = live.send("!help train")
    answered = await live.ask(f"{MENTION} help train")
    assert "As a slash command: /train" in answered
    assert "@Galvanic train frankenstein --minutes 20" in answered, "what can be typed"
    assert "!train" not in answered
    told = [one for one in live.world.messages[LAB].values() if one.id > typed.id]
    assert len([one for one in told if one.author_id == BOT_ID]) == 1


async def test_direct_messages_are_read(live: Live) -> None:
    assert "`!help`" in await live.ask("!help", channel=live.dm())


async def test_the_first_page_of_help_has_slash_commands_only(live: Live) -> None:
    shown = await live.ask(f"{MENTION} help")
    assert "`/train source:frankenstein`" in shown
    assert "`/generate seed:the monster`" in shown
    assert "!" not in shown.replace("Galvanic!", "")
    assert "typed after a mention of me" in shown


async def test_a_slash_command_has_no_alias(live: Live) -> None:
    assert "Also typed as `@Galvanic gen`." in await live.ask(f"{MENTION} help generate")


async def test_what_is_missing_is_told_as_it_can_be_typed(live: Live) -> None:
    answered = await live.ask(f"{MENTION} train")
    assert "`/train source:frankenstein`" in answered
    assert "`/train source:more`" in answered
    assert "Usage: `@Galvanic model use NAME [--keep]`, as in `@Galvanic model use" in await live.ask(
        f"{MENTION} model use"
    )
    assert "Did you mean `@Galvanic model info`?" in await live.ask(f"{MENTION} model inf alice")


def commands_shown() -> Iterator[tuple[str, set[str]]]:
    """Those of the bot's messages, each with the fields that it has there."""
    for path in Path(words.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "as_typed":
                command, *fields = node.args[1:]
                if isinstance(command, ast.Constant) and not any(isinstance(one, ast.Starred) for one in fields):
                    names = (one.value for one in fields[::2] if isinstance(one, ast.Constant))
                    yield str(command.value), {str(name).removeprefix("--") for name in names}


async def test_slash_commands_have_the_fields_that_messages_show(live: Live) -> None:
    shown = list(commands_shown())
    assert len(shown) > 20
    for command, names in shown:
        name, *part = command.split()
        slash: Any = live.bot.tree.get_command(name)
        slash = slash.get_command(part[0]) if part else slash
        assert names <= {one.display_name for one in slash.parameters}, command


@pytest.mark.parametrize("person", ["ada", "ben"])
async def test_the_status_says_what_does_not_work(live: Live, person: str) -> None:
    live.slash(person, "status")
    shown = text_of(await live.until(lambda: live.whispered(person, "Status"), "the status"))
    assert UNREAD in shown
    assert OPERATOR in shown


async def test_a_channel_is_not_learned_from_and_nobody_is_asked_to_agree(live: Live) -> None:
    live.bot.settings.channel_training = "opt-in"
    for command, options in (
        ("train", {"source": f"<#{LAB}>"}),
        ("allow-training", {"channel": str(LAB)}),
        ("optin", {}),
    ):
        live.slash("ada", command, **cast(dict[str, Any], options))
        told = await live.until(lambda: live.whispered("ada", "I can't learn from channels"), command)
        assert "Discord doesn't let me read messages" in text_of(told)
        assert OPERATOR in text_of(told)
        live.world.delete_message(LAB, told.id)


# ---------------------------------------------------------------------- connecting


@pytest.mark.parametrize("granted", ["none", "message_content"])
async def test_it_connects_without_what_is_missing(driver: Driver, settings: Settings, granted: str) -> None:
    settings.channel_training, settings.members_intent = "opt-in", True
    settings.discord_token = SecretStr(BOT_TOKEN)
    driver.playground.world.granted = discord.Intents(message_content=granted == "message_content")
    with capture_logs() as logs:
        running = asyncio.create_task(main._run(settings))
        live = Live(cast(Galvanic, None), driver)
        await live.until(lambda: running.done() or driver.playground.gateway.online, "the bot")
        await live.until(lambda: any(entry["event"] == "ready" for entry in logs), "the bot to be ready")
        live.slash("ada", "status")
        shown = text_of(await live.until(lambda: live.whispered("ada", "Status"), "the status"))
        running.cancel()
        await running
    warned = [entry for entry in logs if entry["event"] == "intents_not_granted"]
    missing = ["members"] if granted == "message_content" else ["members", "message_content"]
    assert [entry["intents"] for entry in warned] == [missing]
    assert "Server Members Intent" in shown
    assert (UNREAD in shown) == (granted == "none")
