"""A person types `!train` and `!generate`, and the card fills while they watch."""

from __future__ import annotations

import re

import pytest

from tests.driver.client import Message, pictures_of, text_of
from tests.e2e.acts import labels, lasting, slash
from tests.e2e.system import TRAIN_S, System, field_of
from tests.e2e.texts import harbour

pytestmark = [pytest.mark.keeps, pytest.mark.whole]


@pytest.fixture(scope="module")
def trained(system: System) -> Message:
    """The finished card of a model of the harbour text."""
    card = system.ask("!train harbour --epochs 4")
    return system.wait_for_card(card, "is now this channel's model")


def test_the_finished_card_shows_losses_samples_and_a_curve(system: System, trained: Message) -> None:
    assert "`harbour`" in text_of(trained)
    assert re.match(r"\d\.\d\d bits per character, lower is better", field_of(trained, "Unseen text"))
    for number in (1, 2, 3):
        assert len(field_of(trained, f"Sample {number}")) > 20
    (curve,) = pictures_of(trained)
    assert system.client.fetch(curve).startswith(b"\x89PNG")
    assert labels(trained) == ["Generate", "Train more", "Use here", "Samples"]


def test_the_card_fills_while_the_model_learns(system: System) -> None:
    card = system.ask(f"!train harbour {lasting(0.25)} --name watched")
    seen: set[str] = set()

    def finished() -> bool:
        message = system.client.message(card["id"])
        assert message is not None
        text = text_of(message)
        seen.update(word for word in ("Queued", "Reading", "Training", "Sample after epoch") if word in text)
        if "🧠 **Training**" in text:
            assert labels(message) == ["Finish now", "Cancel", "Samples"]
        return "is now this channel's model" in text

    system.client.wait_for(finished, TRAIN_S, "the end of the training")
    assert {"Queued", "Training", "Sample after epoch"} <= seen
    times = system.client.edit_times(card["id"])
    assert len(times) >= 4
    # The bot waits two seconds between two edits. How long each takes to get here varies, so all of them are counted.
    assert len(times) - 2 <= (times[-1] - times[0]) / 2


def test_generate_continues_the_seed_with_the_channels_model(system: System, trained: Message) -> None:
    answer = system.ask("!generate the tide --length 80")
    (embed,) = answer["embeds"]
    assert embed["description"].startswith("**the tide**")
    # It ends with its last sentence behind the first quarter.
    assert 80 // 4 <= len(embed["description"].removeprefix("**the tide**").replace("\\", "")) <= 90
    assert answer["message_reference"]["message_id"]


def test_the_random_seed_makes_a_text_repeatable(system: System, trained: Message) -> None:
    ask = "!generate the fog --model harbour --length 60 --random-seed"
    texts = [system.ask(f"{ask} {seed}")["embeds"][0]["description"] for seed in (5, 5, 6)]
    assert texts[0] == texts[1] != texts[2]


def test_both_commands_work_as_slash_commands(system: System, trained: Message) -> None:
    answer = slash(system, "generate", {"seed": "my sister", "length": 40, "model": "harbour"})
    assert answer["embeds"][0]["description"].startswith("**my sister**")


def test_an_uploaded_file_is_learned_and_stays_in_its_channel(system: System) -> None:
    before = system.client.send("an upload follows")["id"]
    data = harbour(random_seed=2).encode("utf-16")
    system.client.slash("train", {"epochs": 1, "name": "uploaded"}, files={"file": ("My Diary.txt", data)})
    card = system.client.wait_for(lambda: system.answer_to(before), 60)
    system.wait_for_card(card, "`uploaded` is now this channel's model")
    elsewhere = system.ask("!generate the sea --model uploaded", channel="library")
    assert "No model called `uploaded` can be used in this channel" in text_of(elsewhere)


@pytest.mark.long
def test_the_classic_recipe_learns_and_writes_by_argmax(system: System) -> None:
    text = harbour(sentences=60, random_seed=4).encode()
    card = system.ask("!train --recipe classic --epochs 1 --units 32 --name old", files={"tiny.txt": text})
    finished = system.wait_for_card(card, "is now this channel's model")
    assert "no part was kept apart" in field_of(finished, "Its own text")
    first, again = (system.ask("!generate the lamp --model old --length 30") for _ in range(2))
    assert first["embeds"][0]["description"] == again["embeds"][0]["description"]
    assert "temperature 0 " in text_of(first)
    window = system.ask("!generate --from-corpus --model old --length 30")
    assert len(window["embeds"][0]["description"]) > 100
