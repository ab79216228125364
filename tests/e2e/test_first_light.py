"""A person types `!train` and `!generate`, and the card fills while they watch."""

import re

import pytest

from tests.driver.client import Message, pictures_of, text_of
from tests.e2e.acts import answered, labels, lasting
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
    for number in (1, 2):
        assert len(field_of(trained, f"Sample {number}")) > 20
    (curve,) = pictures_of(trained)
    assert system.client.fetch(curve).startswith(b"\x89PNG")
    assert labels(trained) == ["Generate", "Train more", "Use here", "Samples"]


def test_the_card_fills_while_the_model_learns(system: System) -> None:
    card = system.ask(f"!train harbour {lasting(0.5)} --name watched")
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


def test_an_uploaded_file_is_learned_and_stays_in_its_channel(system: System) -> None:
    before = system.client.send("an upload follows")["id"]
    data = harbour(random_seed=2).encode("utf-16")
    tiny = {"epochs": 1, "layers": 1, "units": 32, "batch": 8}
    system.client.slash("train", {**tiny, "name": "uploaded"}, files={"file": ("My Diary.txt", data)})
    card = answered(system, before, "the card", "training t-")
    system.wait_for_card(card, "`uploaded` is now this channel's model")
    elsewhere = system.ask("!generate the sea --model uploaded", channel="library")
    assert "No model called `uploaded` can be used in this channel" in text_of(elsewhere)
