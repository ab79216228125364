"""Select menus of people, roles and channels, on messages and in forms."""

from __future__ import annotations

from typing import Any

import pytest

from shared.errors import UserError
from tests.driver.client import Message, PlaygroundClient, components, text_of


@pytest.fixture
def menus(bot: PlaygroundClient) -> Message:
    said = bot.send("!menus")
    return bot.wait_for_message(after=said["id"])


def answer(bot: PlaygroundClient, interaction: str, person: str = "ada") -> str:
    return str(bot.wait_for_message(after=interaction, person=person)["content"])


@pytest.mark.parametrize(
    ("menu", "values", "told"),
    [
        ("users", ["ben", "galvanic"], "Member:Galvanic Member:ben"),
        ("users", [], "nothing"),
        ("roles", ["Writers"], "Role:Writers"),
        ("mentionables", ["Writers", "cleo"], "Member:cleo Role:Writers"),
        ("channels", ["lab", "cellar"], "AppCommandChannel:cellar AppCommandChannel:lab"),
    ],
)
def test_menu_is_chosen_from(bot: PlaygroundClient, menus: Message, menu: str, values: list[str], told: str) -> None:
    assert answer(bot, bot.select(menus["id"], menu, values)) == told


def test_ids_do_as_well_as_names(bot: PlaygroundClient, menus: Message) -> None:
    world = bot.world()
    assert answer(bot, bot.select(menus["id"], "users", [world.users["dora"]])) == "Member:dora"
    role = world.guilds["playground"].roles["Readers"]
    assert answer(bot, bot.select(menus["id"], "mentionables", [role])) == "Role:Readers"


@pytest.mark.parametrize(
    ("menu", "values", "problem"),
    [
        ("users", ["ada", "ben", "cleo", "dora"], "not choices"),
        ("users", ["ben", "ben"], "not choices"),
        ("users", ["nobody"], "no member 'nobody'"),
        ("roles", [], "not choices"),
        ("roles", ["Guests"], "no role 'Guests'"),
        ("channels", ["atrium"], "no channel 'atrium'"),
        ("channels", ["dm"], "no channel 'dm'"),
        ("nothing", ["ben"], "no such control"),
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


def test_words_and_defaults_of_a_layout(bot: PlaygroundClient) -> None:
    said = bot.send("!layout")
    message = bot.wait_for_message(after=said["id"])
    assert "Who may **train** here" in text_of(message)
    roles = next(component for component in components(message) if component["type"] == 6)
    writers = bot.world().guilds["playground"].roles["Writers"]
    assert roles["default_values"] == [{"id": writers, "type": "role"}]


def opened(bot: PlaygroundClient) -> str:
    interaction = bot.slash("survey")

    def is_open() -> bool:
        try:
            bot.submit_modal(interaction, {})
        except UserError as error:
            return "empty" in error.problem
        return False

    bot.wait_for(is_open)
    return interaction


def test_form_with_menus_and_a_file(bot: PlaygroundClient) -> None:
    form = opened(bot)
    values: dict[str, Any] = {"where": ["lab", "library"], "how": "Low"}
    sent = bot.submit_modal(form, values, files={"file": ("a.txt", b"four")})
    assert answer(bot, sent) == "AppCommandChannel:lab AppCommandChannel:library Low a.txt:4"


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"where": [], "how": "Low"}, "Where is empty"),
        ({"where": ["lab"], "how": "Shrill"}, "not choices"),
        ({"where": ["atrium"], "how": "Low"}, "no channel 'atrium'"),
        ({"where": ["lab", "library", "tavern"], "how": "Low"}, "not choices"),
    ],
)
def test_form_wrongly_filled_in(bot: PlaygroundClient, values: dict[str, Any], problem: str) -> None:
    form = opened(bot)
    with pytest.raises(UserError, match=problem):
        bot.submit_modal(form, values)


def test_forged_control_reaches_the_bot(bot: PlaygroundClient, menus: Message) -> None:
    with pytest.raises(UserError, match="no such control"):
        bot.click(menus["id"], "press")
    bot.click(menus["id"], "press", forged=True)
    bot.wait_for(lambda: (bot.message(menus["id"]) or menus)["content"] == "pressed by Ada")
