"""The card of a training from its first word to the buttons under the finished model."""

import re
from typing import Any

import pytest

from tests.driver.client import Message, pictures_of, text_of
from tests.e2e.acts import (
    labels,
    lasting,
    press,
    pressed,
    restart_bot,
)
from tests.e2e.system import System, field_of

pytestmark = pytest.mark.whole

LONG = f"!train harbour {lasting(5)}"


def learning(system: System, typed: str = LONG, **where: Any) -> Message:
    """The card of a training that has learned something."""
    card = system.ask(typed, timeout=60, **where)
    system.wait_for_card(card, "characters/s", **where)
    return card


@pytest.fixture(scope="module")
def kept(system: System) -> Message:
    """The card of a training that was finished early, by its button, after the bot was restarted."""
    card = learning(system, f"{LONG} --name kept", person="ben")
    card = system.wait_for_card(card, "Sample after epoch", person="ben")
    assert labels(card) == ["Finish now", "Cancel", "Samples"]
    restart_bot(system)
    assert "can't send messages" in pressed(system, card, "Finish now", person="cleo"), "she may only read there"
    samples = pressed(system, card, "Samples", person="cleo")
    assert "**After epoch 1" in samples
    assert "best so far is kept" in pressed(system, card, "Finish now", person="ben")
    return system.wait_for_card(card, "`kept` is now this channel's model")


def test_finish_now_keeps_the_best_so_far(system: System, kept: Message) -> None:
    assert "finished on request" in field_of(kept, "Training")
    assert re.match(r"\d\.\d\d bits per character, lower is better \(a Markov bot", field_of(kept, "Unseen text"))
    assert "(unseen text " in field_of(kept, "Known words")
    assert len(pictures_of(kept)) == 1
    assert labels(kept) == ["Generate", "Train more", "Use here", "Samples"]
    written = system.ask("!generate the tide --model kept --length 40")
    assert text_of(written).startswith("**the tide**")


def test_train_more_goes_on_as_long_as_before(system: System, kept: Message) -> None:
    card = press(system, kept, "Train more", person="dora")
    assert field_of(card, "How").startswith("character by character · continues `kept`")
    assert "at most 5 minutes" in field_of(card, "How")
    # It is hers now, by her own rights: Ben, whose model it goes on from, may not end it.
    assert "isn't yours" in pressed(system, card, "Cancel", person="ben")
    system.wait_for_card(card, "characters/s")
    pressed(system, card, "Finish now", person="dora")
    finished = system.wait_for_card(card, "`kept-2` is now this channel's model")
    assert field_of(finished, "Started from") == "`kept`"
