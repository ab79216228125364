"""The card of a training from its first word to the buttons under the finished model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

import pytest

from shared import keys
from tests.driver.client import Message, pictures_of, text_of
from tests.e2e.acts import (
    EPHEMERAL,
    answered,
    labels,
    press,
    pressed,
    restart_bot,
    slash,
    submit,
    training_of,
)
from tests.e2e.system import TRAIN_S, System, field_of
from tests.registered import put, stored

LONG = "!train python-docs --minutes 5 --units 64"


def learning(system: System, typed: str = LONG, **where: str) -> Message:
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
    return system.wait_for_card(card, "`kept` is now this channel's model", timeout=60)


@pytest.mark.whole
@pytest.mark.long
def test_before_it_begins_the_card_tells_what_will_be_used(system: System) -> None:
    running = learning(system)
    card = system.ask("!train harbour --epochs 2 --layers 1 --units 32")
    card = system.wait_for_card(card, "next in line, begins in", timeout=60)
    assert field_of(card, "How") == "character by character · 2 epochs · 1 layer · 32 units"
    assert re.fullmatch(r"[\d,]+ characters", field_of(card, "Text"))
    assert re.match(r"about|under|known once", field_of(card, "Takes"))
    assert re.search(r"\d+ cores? of \w", field_of(card, "Runs on"))
    assert "I'm cancelling it" in pressed(system, running, "Cancel")
    system.wait_for_card(running, "Cancelled", timeout=60)
    system.wait_for_card(card, "is now this channel's model")


def test_finish_now_keeps_the_best_so_far(system: System, kept: Message) -> None:
    assert "finished on request in epoch" in field_of(kept, "Training")
    assert re.match(r"\d\.\d\d bits per character, lower is better \(a Markov bot", field_of(kept, "Unseen text"))
    assert "the text itself" in field_of(kept, "Known words")
    assert len(pictures_of(kept)) == 1
    assert labels(kept) == ["Generate", "Train more", "Use here", "Samples"]
    written = system.ask("!generate the class --model kept --length 40")
    assert text_of(written).startswith("**the class**")


def test_slash_commands_train_and_finish(system: System) -> None:
    card = slash(system, "train", {"source": "python-docs", "name": "slashed"}, person="dora")
    system.wait_for_card(card, "characters/s")
    answer = slash(system, "finish", {"job": training_of(card)}, person="dora")
    assert answer["flags"] & EPHEMERAL
    assert "best so far is kept" in text_of(answer)
    finished = system.wait_for_card(card, "`slashed` is now this channel's model", timeout=60)
    assert "already ended" in text_of(slash(system, "finish", {"job": training_of(finished)}, person="dora"))


def test_generate_under_the_card_opens_a_form(system: System, kept: Message) -> None:
    interaction = system.client.click_label(kept, "Generate", person="dora")
    before = system.client.send("a form follows")["id"]
    # Left empty it begins with a random line of the text.
    submit(system, interaction, {}, person="dora")
    answer = answered(system, before, "an answer to the form")
    assert re.search(r"^\*\*.+\*\*", text_of(answer), re.MULTILINE)
    assert re.search(r"kept · temperature 0\.[678] · min-p", text_of(answer))


@pytest.mark.whole
@pytest.mark.long
def test_train_more_goes_on_as_long_as_before(system: System, kept: Message) -> None:
    card = press(system, kept, "Train more", person="dora")
    assert field_of(card, "How") == "character by character · continues `kept` · at most 5 minutes"
    # It is hers now, by her own rights: Ben, whose model it goes on from, may not end it.
    assert "isn't yours" in pressed(system, card, "Cancel", person="ben")
    system.wait_for_card(card, "characters/s")
    pressed(system, card, "Finish now", person="dora")
    finished = system.wait_for_card(card, "`kept-2` is now this channel's model", timeout=60)
    assert field_of(finished, "Started from") == "`kept`"


def test_use_here_chooses_the_model(system: System, kept: Message) -> None:
    system.ask("!train harbour --epochs 1 --layers 1 --units 32 --name other")
    system.client.wait_for(lambda: "`other` is now" in text_of(system.client.messages()[-1]), 120)
    assert "`kept`" in pressed(system, kept, "Use here", person="ben")
    assert "kept · " in text_of(system.ask("!generate the list --length 20"))


def changed(system: System, name: str, fields: Mapping[str, object]) -> dict[str, object]:
    """Change fields of a model's record; as they were before."""
    guild_id = int(system.client.world().guild_id)
    with system.redis as client:
        model_id = cast(bytes, client.hget(keys.guild_models(guild_id), name)).decode()
        before = stored(client, model_id)
        assert before is not None
        put(client, before.model_copy(update=fields))
    return {field: getattr(before, field) for field in fields}


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"scope": "channel", "channel_id": 5}, "can no longer be used in this channel"),
        ({"corpus": None}, "`kept` was imported, and its text isn't one that I can get again"),
    ],
)
def test_train_more_says_why_it_cannot(system: System, kept: Message, fields: dict[str, object], refusal: str) -> None:
    before = changed(system, "kept", fields)
    try:
        assert refusal in pressed(system, kept, "Train more", person="dora")
        if "scope" in fields:
            assert refusal in pressed(system, kept, "Use here", person="dora")
    finally:
        changed(system, "kept", before)


@pytest.mark.whole  # what it shows is how fast the engine really is
def test_the_card_never_contradicts_itself_on_its_way(system: System) -> None:
    seen: list[Message] = []
    card = system.ask("!train python-docs --minutes 0.3 --units 64 --name honest")

    def over() -> bool:
        shown = system.client.message(card["id"])
        if shown is not None and (not seen or text_of(shown) != text_of(seen[-1])):
            seen.append(shown)
        return shown is not None and "is now this channel's model" in text_of(shown)

    system.client.wait_for(over, TRAIN_S, "the end of the training")
    waiting = [one for one in seen if _has(one, "Takes")]
    assert {field_of(one, "Takes") for one in waiting} == {"at most 0.3 minutes"}
    running = [one for one in seen if _has(one, "Time left")]
    lefts = [field_of(one, "Time left") for one in running]
    assert lefts[0] == "estimating…"
    known = [int(left.removeprefix("at most ").removesuffix(" s")) for left in lefts if left.endswith(" s")]
    assert known == sorted(known, reverse=True)
    assert all(left <= 18 for left in known)
    assert all(left in ("estimating…", "a moment") or left.endswith(" s") for left in lefts)
    done = [int(found) for one in running for found in re.findall(r"\*\*(\d+) %\*\*", text_of(one))]
    assert done == sorted(done)
    assert all(field_of(one, "Epoch").isdecimal() for one in running), "nobody knows how many there will be"


def _has(message: Message, name: str) -> bool:
    return any(field["name"] == name for field in message["embeds"][0].get("fields", []))
