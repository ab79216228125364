"""Several trainings at once: who is next, who may have how many, who ends which, and what is told of them."""

from collections.abc import Iterator

import pytest

from shared import keys
from tests.driver.client import Message, text_of
from tests.e2e.acts import (
    EPHEMERAL,
    TINY,
    end_trainings,
    pressed,
    rest,
    slash,
    training_of,
)
from tests.e2e.system import QUICKEST, System, started

TIMED = "!train harbour --minutes 1"
"""Of one that ends with its time it is known when those behind it begin."""


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system with small quotas and a long cooldown."""
    limits = {"TRAIN_JOBS_PER_USER": "2", "TRAIN_JOBS_PER_SERVER": "3", "SERVER_DISK_MB": "1"}
    yield from started(tmp_path_factory.mktemp("strict"), QUICKEST, TRAIN_COOLDOWN_S="600", **limits)


@pytest.fixture(scope="module")
def stopped(strict: System) -> System:
    """The same with no train worker, so that trainings wait, from the first test that needs that to the last."""
    strict.stop_part("train")
    return strict


@pytest.fixture
def idle(stopped: System) -> Iterator[System]:
    """A system without a train worker, which has no training afterwards."""
    yield stopped
    end_all(stopped)


def end_all(system: System) -> None:
    end_trainings(system)
    rest(system)


def train(system: System, typed: str = "!train harbour", **where: str) -> Message:
    """Begin a training, whatever the cooldown."""
    rest(system)
    card = system.ask(f"{typed} {TINY}" if "--minutes" not in typed else typed, **where)
    assert "Learning" in text_of(card), text_of(card)
    system.wait_for_card(card, "job t-", timeout=60, **where)
    return card


def said(system: System, typed: str, **where: str) -> str:
    return text_of(system.ask(typed, timeout=60, **where))


def test_nobody_has_more_than_the_quotas_allow(strict: System) -> None:
    running = train(strict, "!train python-docs --minutes 5")
    strict.wait_for_card(running, "Training", "Epoch")
    try:
        train(strict, TIMED, person="ben")
        second = train(strict, TIMED, person="ben")
        rest(strict)
        before = len(strict.client.messages())
        refusal = said(strict, "!train harbour", person="ben")
        assert "You already have 2 trainings waiting or running here" in refusal
        assert "`!jobs` lists them" in refusal
        refusal = text_of(slash(strict, "train", {"source": "harbour"}, person="dora"))
        assert "This server already has 3 trainings waiting or running, the most it may have." in refusal
        assert len(strict.client.messages()) - before <= 4  # no card was left behind
        with strict.redis as client:
            assert client.keys("cooldown:train:*") == []  # what is refused costs nothing
        assert "Learning" in text_of(train(strict, person="ben", channel="atrium"))
        said(strict, f"!cancel {training_of(second)}", person="ben")
        train(strict, person="ben")
    finally:
        end_all(strict)


def test_a_full_store_takes_no_more_models(idle: System) -> None:
    record = idle.add_model("bulky", current=False, file_bytes=2_000_000)
    rest(idle)
    try:
        refusal = said(idle, "!train harbour")
        assert "take 2.0 MB, and 1 MB is the most" in refusal
        assert "`!model delete NAME`" in refusal
    finally:
        with idle.redis as client:
            client.delete(keys.model(record.model_id))
            client.hdel(keys.guild_models(record.guild_id), "bulky")


def test_those_who_may_end_a_training_that_waits(idle: System) -> None:
    open_one, hidden = train(idle, person="ben"), train(idle, person="ben", channel="cellar")
    assert "can't send messages" in pressed(idle, open_one, "Cancel", person="cleo"), "she may only read there"
    assert "isn't yours" in said(idle, f"!finish {training_of(open_one)}", person="cleo", channel="library")
    # Neither a moderator who can't see the channel nor another server learns that there is one.
    for where in ({"person": "dora"}, {"person": "ben", "channel": "atrium"}):
        assert "There is no training" in said(idle, f"!cancel {training_of(hidden)}", **where)
    assert "There is no training" in said(idle, "!cancel t-12")
    assert "There is no training" in said(idle, "!finish nonsense")

    offered = [choice["value"] for choice in idle.client.autocomplete("cancel", "job", "", person="ben")]
    assert offered == [training_of(open_one), training_of(hidden)]
    assert [choice["value"] for choice in idle.client.autocomplete("finish", "job", "", person="dora")] == offered[:1]
    assert idle.client.autocomplete("finish", "job", "", person="cleo", channel="library") == []
    assert idle.client.autocomplete("cancel", "job", "zebra", person="ben") == []

    assert "hasn't started" in pressed(idle, open_one, "Finish now", person="ben")
    assert "hasn't started" in said(idle, f"!finish {training_of(open_one)}", person="ben")
    assert "no samples yet" in pressed(idle, open_one, "Samples", person="cleo")
    assert "Cancelled" in pressed(idle, open_one, "Cancel", person="dora")
    idle.wait_for_card(open_one, "Cancelled", "Nothing was kept", timeout=60)
    assert "already ended" in said(idle, f"!cancel {training_of(open_one)}", person="ben")
    answer = slash(idle, "cancel", {"job": training_of(hidden)}, person="ben", channel="cellar")
    assert "Cancelled before it started." in text_of(answer)
    assert answer["flags"] & EPHEMERAL
    idle.wait_for_card(hidden, "Cancelled", timeout=60, channel="cellar")
    assert "No training is waiting or running here" in said(idle, "!jobs")
