"""What the engine can do, asked for and shown on Discord: recipes, going on with a model, sampling, mixing."""

from __future__ import annotations

import pytest

from tests.driver.client import Message, text_of
from tests.e2e.acts import TINY, submit
from tests.e2e.system import System, field_of
from tests.e2e.texts import harbour

pytestmark = pytest.mark.whole


def upload(random_seed: int) -> dict[str, bytes]:
    return {"notes.txt": harbour(sentences=80, random_seed=random_seed).encode()}


def learn(system: System, typed: str, name: str, files: dict[str, bytes] | None = None) -> Message:
    card = system.ask(typed, files=files)
    return system.wait_for_card(card, f"`{name}` is now this channel's model")


def only_card(system: System, typed: str) -> Message:
    """The card of a training that need not be run."""
    card = system.ask(typed)
    system.client.click_label(card, "Cancel")
    system.wait_for_card(card, "Cancelled")
    return card


@pytest.fixture(scope="module")
def low(system: System) -> Message:
    """The finished card of a public text's model."""
    return learn(system, f"!train harbour {TINY} --name low", "low")


@pytest.fixture(scope="module")
def private(system: System) -> Message:
    """The finished card of the model of a file that was shown in one channel."""
    return learn(system, f"!train {TINY} --name private", "private", upload(5))


def test_the_card_tells_what_was_chosen(system: System) -> None:
    card = only_card(system, f"!train harbour {TINY} --dropout 0.25 --lr 0.004 --name chosen")
    assert field_of(card, "How") == (
        "character by character · 1 epoch · 1 layer · 32 units · dropout 0.25 · batch 8 · learning rate 0.004"
    )


@pytest.mark.long
def test_whole_words_are_learned_and_written(system: System) -> None:
    card = system.ask("!train --recipe word --epochs 1 --name wordy", files=upload(4))
    assert field_of(card, "How").startswith("word by word")
    finished = system.wait_for_card(card, "`wordy` is now this channel's model")
    assert "bits per character" in field_of(finished, "Unseen text")
    answer = system.ask("!generate the tide --model wordy --length 80")
    written = answer["embeds"][0]["description"].removeprefix("**the tide**")
    assert 0 < len(written.replace("\\", "")) <= 80
    assert "wordy · temperature 0.8" in text_of(answer)


@pytest.mark.long
def test_a_model_goes_on_with_another_text(system: System, low: Message) -> None:
    finished = learn(system, "!train --from low --epochs 1 --name after-low", "after-low", upload(6))
    assert field_of(finished, "Started from") == "`low`"
    assert text_of(system.ask("!generate the fog --model after-low --length 30")).startswith("**the fog**")


def test_more_goes_on_with_the_channels_own_model_and_keeps_it(system: System, low: Message) -> None:
    system.ask("!model use low")
    card = system.ask("!train more --epochs 1")
    assert "continues `low`" in field_of(card, "How")
    finished = system.wait_for_card(card, "`low-2` is now this channel's model")
    assert field_of(finished, "Started from") == "`low`"
    assert "`low`" in text_of(system.ask("!models"))
    assert "continues `low-2`" in field_of(only_card(system, "!train more --epochs 1"), "How")


@pytest.mark.long
def test_an_uploaded_text_is_learned_again_from_redis(system: System, private: Message) -> None:
    card = only_card(system, "!train more --from private --epochs 1")
    assert "Learning notes" in text_of(card)
    assert "continues `private`" in field_of(card, "How")


@pytest.mark.long
def test_what_went_on_from_an_uploaded_text_stays_in_its_channel(system: System, private: Message) -> None:
    learn(system, "!train harbour --from private --epochs 1 --name descendant", "descendant")
    refusal = "No model called `descendant` can be used in this channel"
    assert refusal in text_of(system.ask("!generate the sea --model descendant", channel="library"))
    for typed in ("!train harbour --from descendant", "!train more --from descendant"):
        assert refusal in text_of(system.ask(typed, channel="library"))


@pytest.mark.long
def test_two_models_write_together(system: System, low: Message, private: Message) -> None:
    typed = "!generate the lamp --mix low:0.7, private:0.3 --length 40 --random-seed"
    texts = [system.ask(f"{typed} {seed}") for seed in (3, 3, 4)]
    said = [message["embeds"][0]["description"] for message in texts]
    assert said[0].startswith("**the lamp**")
    assert said[0] == said[1] != said[2]
    assert "low 70 % + private 30 %" in text_of(texts[0])


def test_a_mixture_has_no_voice_that_may_not_be_used(system: System, low: Message, private: Message) -> None:
    answer = text_of(system.ask("!generate the lamp --mix low,private", channel="library"))
    assert "No model called `private` can be used in this channel" in answer


def test_every_way_of_drawing_is_told_at_the_foot(system: System, low: Message) -> None:
    typed = "!generate the rope --model low --top-k 20 --top-p 0.9 --min-p 0.01 --no-guard --length 30"
    assert "top-k 20 · top-p 0.9 · min-p 0.01 · loop guard off" in text_of(system.ask(typed))


def test_a_text_that_shall_stop_with_a_line_is_cut_there(system: System, low: Message) -> None:
    cuts = []
    for seed in (1, 2, 3):
        typed = f"!generate the rope --model low --random-seed {seed} --length"
        whole, cut = (system.ask(f"{typed} {end}")["embeds"][0]["description"] for end in ("400", "260 --stop line"))
        assert whole.startswith(cut)
        cuts.append(whole.removeprefix(cut))
    assert any(rest.startswith("\n") for rest in cuts)


def test_only_the_likeliest_symbol_is_left_by_top_k_1(system: System, low: Message) -> None:
    typed = "!generate the rope --model low --length 40 --top-k 1 --temperature 2 --random-seed"
    first, other = (system.ask(f"{typed} {seed}")["embeds"][0]["description"] for seed in (1, 2))
    assert first == other


def test_the_options_work_as_fields_of_slash_commands(system: System, low: Message) -> None:
    before = system.client.send("slash options follow")["id"]
    fields = {"source": "more", "from": "low", "epochs": 1, "name": "slashed", "advanced": True}
    submit(system, system.client.slash("train", fields), {"lr": "0.001"})
    card = system.client.wait_for(lambda: system.answer_to(before), 60)
    card = system.wait_for_card(card, "continues `low`", timeout=60)
    assert "learning rate 0.001" in field_of(card, "How")
    system.client.click_label(card, "Cancel")
    system.wait_for_card(card, "Cancelled")
    offered = [choice["value"] for choice in system.client.autocomplete("train", "from", "lo")]
    assert "low" in offered
    assert all("lo" in name for name in offered)


def test_help_shows_every_option(system: System) -> None:
    said = text_of(system.ask("!help train"))
    assert all(f"`--{name}`" in said for name in ("recipe", "from", "layers", "encoding", "lr", "keep-licence"))
    assert "--mix" in text_of(system.ask("!help generate"))
