"""What the bot may not do in a channel is named, and nothing else, where it can be said."""

import discord
import pytest

from bot.servers import access
from galvanic.errors import UserError
from playground.places import BOT_ID
from tests.bot.live import Live, text_of
from tests.bot.members import LAB

pytestmark = pytest.mark.usefixtures("worker")


@pytest.mark.parametrize("typed", ["!help", "!models", "!generate the sea", "!model use nosuch", f"<@{BOT_ID}> hello"])
async def test_without_send_messages_a_command_is_answered_directly(live: Live, typed: str) -> None:
    await live.deny("send_messages")
    live.send(typed)
    told = text_of(await live.directly("ada", "❌"))
    if typed.startswith("!model use"):
        assert "No model called" in told
    else:
        assert "I'm missing permissions in #lab: Send Messages.**" in told
    assert not live.shown("")


@pytest.mark.parametrize("command", ["help", "models"])
async def test_without_send_messages_a_slash_command_works(live: Live, command: str) -> None:
    await live.deny("send_messages", "embed_links")
    before = len(live.world.messages[LAB])
    live.slash("ada", command)
    answer = await live.until(
        lambda: next((one for one in list(live.world.messages[LAB].values())[before:] if one.embeds), None),
        "the answer",
    )
    assert "❌" not in text_of(answer)


async def test_without_embeds_it_says_so_in_plain_text(live: Live) -> None:
    await live.deny("embed_links")
    for typed in ("!help", "!models", "!frobnicate", "!settings", "!status"):
        answer = await live.answered(live.send(typed))
        assert (answer.embeds, "❌" in answer.content) == ([], True)


async def test_another_bots_command_is_not_answered_directly(live: Live) -> None:
    await live.deny("send_messages")
    live.send("!frobnicate")
    await live.handled()
    assert not live.shown("", channel=live.dm("ada"))


@pytest.mark.parametrize(
    ("have", "named"),
    [
        (discord.Permissions.none(), "View Channel"),
        (discord.Permissions(view_channel=True), "Send Messages"),
        (
            discord.Permissions(view_channel=True, send_messages=True, attach_files=True),
            "Embed Links, Read Message History",
        ),
    ],
)
def test_only_what_is_surely_missing_is_named(have: discord.Permissions, named: str) -> None:
    with pytest.raises(UserError) as refused:
        access.require_all(have, None)
    assert refused.value.problem.endswith(f": {named}.")


async def test_a_second_file_is_not_passed_over(live: Live) -> None:
    files = dict.fromkeys(("one.txt", "two.txt"), b"the sea " * 500)
    assert "You attached 2 files" in await live.ask("!model import", files=files)
