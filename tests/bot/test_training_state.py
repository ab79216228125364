"""A training's events add up to what its card shows."""

from __future__ import annotations

import pytest

from bot.train.state import TrainingState
from shared.events import Cancelled, Event, Failed, Interrupted, Queued, Started
from tests.factories import finished, progress


def fold(*events: Event) -> TrainingState:
    return TrainingState.of(events)


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([], "queued"),
        ([Queued()], "queued"),
        ([Queued(), Started(worker="w")], "reading"),
        ([Started(worker="w"), progress()], "training"),
        ([Started(worker="w"), progress(), Interrupted()], "interrupted"),
        ([Started(worker="w"), progress(), Interrupted(), Started(worker="w", resumed=True)], "reading"),
        ([Started(worker="w"), finished()], "finished"),
        ([Started(worker="w"), Failed(problem="p")], "failed"),
        ([Queued(), Cancelled()], "cancelled"),
    ],
)
def test_state_follows_the_last_event(events: list[Event], state: str) -> None:
    assert fold(*events).state == state


def test_nothing_changes_after_the_end() -> None:
    view = fold(Queued(), Cancelled(), Started(worker="w"), finished())
    assert view.state == "cancelled"
    assert view.finished is None


def test_progress_of_an_interrupted_training_stays_visible() -> None:
    view = fold(Started(worker="w"), progress(step=7), Interrupted(), Started(worker="w", resumed=True))
    assert view.progress is not None
    assert view.progress.step == 7
    assert view.resumed
