"""Select menus of people, roles and channels, on messages and in forms."""

import pytest

from galvanic.errors import UserError
from tests.driver.client import Message, PlaygroundClient


@pytest.fixture
def menus(bot: PlaygroundClient) -> Message:
    said = bot.send("!menus")
    return bot.wait_for_message(after=said["id"])


def answer(bot: PlaygroundClient, interaction: str, person: str = "ada") -> str:
    return str(bot.wait_for_message(after=interaction, person=person)["content"])


@pytest.mark.parametrize(
    ("menu", "values", "told"),
    [
        ("roles", ["Writers", "Readers"], "Role:Readers Role:Writers"),
        ("roles", [], "nothing"),
        ("channels", ["lab", "cellar"], "AppCommandChannel:cellar AppCommandChannel:lab"),
    ],
)
def test_menu_is_chosen_from(bot: PlaygroundClient, menus: Message, menu: str, values: list[str], told: str) -> None:
    assert answer(bot, bot.select(menus["id"], menu, values)) == told


@pytest.mark.parametrize(
    ("menu", "values", "problem"),
    [
        ("roles", ["Readers", "Writers", "Moderators", "Stewards"], "not choices"),
        ("roles", ["Writers", "Writers"], "not choices"),
        ("channels", [], "not choices"),
        ("roles", ["Guests"], "no role 'Guests'"),
        ("channels", ["atrium"], "no channel 'atrium'"),
        ("channels", ["dm"], "no channel 'dm'"),
        ("nothing", ["lab"], "no such control"),
    ],
)
def test_what_a_menu_does_not_offer(
    bot: PlaygroundClient, menus: Message, menu: str, values: list[str], problem: str
) -> None:
    with pytest.raises(UserError, match=problem):
        bot.select(menus["id"], menu, values)


def test_channel_that_one_does_not_see_cannot_be_chosen(bot: PlaygroundClient, menus: Message) -> None:
    with pytest.raises(UserError, match="no channel 'cellar'"):
        bot.select(menus["id"], "channels", ["cellar"], person="cleo")


def test_thread_is_no_text_channel(bot: PlaygroundClient, menus: Message) -> None:
    bot.create_thread("a corner")
    with pytest.raises(UserError, match="not the kind of channel"):
        bot.select(menus["id"], "channels", ["a corner"])
    bot.delete_channel("a corner")


def test_forged_control_reaches_the_bot(bot: PlaygroundClient, menus: Message) -> None:
    with pytest.raises(UserError, match="no such control"):
        bot.click(menus["id"], "press")
    bot.click(menus["id"], "press", forged=True)
    bot.wait_for(lambda: (bot.message(menus["id"]) or menus)["content"] == "pressed by Ada")
