"""An admin changes the settings with the panel; members notice, and it lasts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.driver.client import Message, text_of
from tests.e2e.acts import restart_bot, submit
from tests.e2e.system import System

PANEL = "galvanic:settings:"


@pytest.fixture
def panel(system: System) -> Iterator[Message]:
    """The panel, as Ada opens it; everything is reset afterwards."""
    yield system.ask("<@1297000000000000031> settings")
    shown = system.ask("<@1297000000000000031> settings")
    system.client.click(shown["id"], PANEL + "reset")
    system.wait_for_card(shown, "Reset all settings?", timeout=60)
    system.client.click(shown["id"], PANEL + "reset-all")
    system.wait_for_card(shown, "Settings of", timeout=60)


def fill(system: System, panel: Message, what: str, **values: str) -> None:
    """Open a form of the panel and send it."""
    submit(system, system.client.click(panel["id"], PANEL + what), values)


def test_the_panel_works_and_the_settings_last_beyond_a_restart(system: System, panel: Message) -> None:
    system.client.select(panel["id"], PANEL + "train_roles", ["Moderators"])
    system.wait_for_card(panel, "Members with <@&", timeout=60)
    fill(system, panel, "prefix", prefix="?")
    system.wait_for_card(panel, "`?help`", timeout=60)
    restart_bot(system)
    refused = text_of(system.ask("?train harbour", person="ben"))
    assert "You can't train models" in refused
    assert "**Moderators**" in refused
    # The panel that the last run posted still works.
    system.client.select(panel["id"], PANEL + "train_roles", [])
    changed = system.client.wait_for(lambda: _without(system, panel, "Members with <@&"), 60, "everyone again")
    assert "`?help`" in text_of(changed)
    assert "What should I learn?" in text_of(system.ask("?train", person="ben"))


def _without(system: System, card: Message, words: str) -> Message | None:
    message = system.client.message(card["id"])
    return message if message is not None and words not in text_of(message) else None
