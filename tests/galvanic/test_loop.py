"""The training loop, around a learner that learns one number: it ends, goes back, saves and goes on as it should."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from galvanic import checkpoint
from galvanic.errors import UserError
from galvanic.learners import Learner
from galvanic.loop import Loop, Record
from galvanic.pace import Pace
from galvanic.plan import make_plan
from galvanic.results import Control, CurvePoint, Sample, TrainingCancelled, TrainingInterrupted, best_point
from galvanic.text import prepare
from tests.worker.texts import Recorder, babble

pytestmark = pytest.mark.slow

PREPARED = prepare(babble(1_000))
PLAN = make_plan("char", len(PREPARED.vocabulary), PREPARED.learned).model_copy(update={"schedule": "constant"})
STEPS, RATE = 4, PLAN.learning_rate


class Numbers(Learner):
    """Each step adds to its number, which the losses fall with; in the `astray`th step it is lost."""

    def __init__(self, astray: int = 0, heldout: float | None = None) -> None:
        self.plan, self.prepared, self.steps = PLAN, PREPARED, STEPS
        self.number = np.ones(1, np.float32)
        self.rates: list[float] = []
        self._astray = astray
        self._given = heldout

    def begin_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def step(self, index: int, rate: float) -> tuple[float, int]:
        loss = float(3 / self.number[0])
        self.rates.append(rate)
        self.number = self.number + np.float32(rate * (1 + index + self.epoch))
        if len(self.rates) == self._astray:
            self.number = np.full(1, np.nan, np.float32)
        return loss, 10

    def heldout(self, poll: Callable[[], object]) -> float | None:
        poll()
        return float(3.5 / self.number[0]) if self._given is None else self._given

    def weights(self) -> dict[str, Any]:
        return {"number": self.number.copy()}

    def set_weights(self, weights: dict[str, Any]) -> None:
        self.number = weights["number"].copy()

    def state(self) -> dict[str, Any]:
        return self.weights()

    def restore(self, state: dict[str, Any]) -> None:
        self.set_weights(state)


def write(_: object, point: CurvePoint) -> Sample:
    losses = {"train_loss": point.train_loss, "heldout_loss": point.heldout_loss}
    return Sample(epoch=point.epoch, text=f"text {point.epoch}", **losses)


def made(
    learner: Numbers,
    hooks: Recorder | None = None,
    folder: Path | None = None,
    record: dict[str, Any] | None = None,
    *,
    epochs: int = 3,
    minutes: float | None = None,
    checkpoint_s: float = 60.0,
) -> Loop:
    begun = Record.model_validate(record) if record else Record(identity={}, plan=PLAN)
    pace = Pace(PLAN, STEPS, epochs, minutes, begun.at)
    return Loop(learner, pace, hooks or Recorder(), learner.heldout, write, folder, begun, checkpoint_s)


def stuck() -> Numbers:
    """A learner whose rate is lowered twice, as nothing gets better."""
    learner = Numbers(heldout=3.0)
    learner.plan = PLAN.model_copy(update={"schedule": "plateau"})
    return learner


def asked(answer: Control, after: int) -> Recorder:
    return Recorder(lambda times: answer if times > after else None)


def test_it_learns_to_its_end_and_keeps_the_best() -> None:
    learner, hooks = Numbers(), Recorder()
    one = made(learner, hooks)
    assert one.run() == "done"
    assert [point.epoch for point in one.record.curve] == [1, 2, 3]
    assert best_point(one.record.curve).epoch == 3
    np.testing.assert_array_equal(one.best["number"], learner.number)
    assert [sample.text for sample in hooks.samples] == ["text 1"]  # the others come within seconds


def test_a_long_epoch_is_shown_midway_and_learned_as_without(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, hooks = made(Numbers()), Recorder()
    plain.run()
    monkeypatch.setattr("galvanic.loop.MIDWAY_SAMPLE_S", 0.0)
    monkeypatch.setattr("galvanic.loop._MIDWAY_PAUSE", 0)
    one = made(Numbers(), hooks)
    one.run()
    assert one.record.curve == plain.record.curve
    np.testing.assert_array_equal(one.best["number"], plain.best["number"])
    shown = [(sample.epoch, sample.midway) for sample in hooks.samples]
    assert shown[: STEPS + 1] == [(1, True)] * (STEPS - 1) + [(2, True)] * 2, "an epoch's end comes within seconds"
    losses = [sample.heldout_loss for sample in hooks.samples if sample.heldout_loss is not None]
    assert len(losses) == len(shown)
    assert losses == sorted(losses, reverse=True)
    progress = next(event for event in hooks.progressed if event.doing == "sampling")
    assert (progress.epoch, progress.step, progress.heldout_loss) == (1, 1, losses[0])
    hooks = Recorder()
    soon = made(Numbers(), hooks)
    monkeypatch.setattr(soon.pace, "remaining", lambda: 20.0)
    soon.run()
    assert not any(sample.midway for sample in hooks.samples), "the last one comes soon"


def test_it_ends_when_it_is_told_to() -> None:
    with pytest.raises(TrainingCancelled):
        made(Numbers(), asked("cancel", 3)).run()
    one = made(Numbers(), asked("finish", 2))
    assert one.run() == "finish"
    assert [point.epoch for point in one.record.curve] == [1]
    none = made(Numbers(), asked("finish", 0))
    assert none.run() == "finish"
    assert (none.record.curve, list(none.best)) == ([], ["number"])
    assert made(Numbers(), minutes=1e-9).run() == "time"


def test_no_progress_stops_early() -> None:
    one = made(Numbers(heldout=3.0), epochs=20)
    assert one.run() == "early"
    assert one.record.at.epoch == 6
    assert best_point(one.record.curve).epoch == 1
    # Not while the table says all of it: the network has yet to come.
    assert made(Numbers(heldout=0.1), epochs=20).run() == "done"


def test_where_nothing_gets_better_it_goes_back_and_on_at_a_lower_rate() -> None:
    one = made(stuck(), epochs=100)
    assert one.run() == "early"
    assert one.record.at.epoch == 16, "one epoch that brought something, and three times five of four steps each"
    assert one.record.at.rate_share == pytest.approx(0.4**2)
    for before, after in ((6, 7), (11, 12)):
        losses = {point.epoch: point.train_loss for point in one.record.curve}
        assert losses[after] > losses[before], "it went back"
    better = Numbers()
    better.plan = stuck().plan
    goes_on = made(better, epochs=20)
    assert goes_on.run() == "done"
    assert goes_on.record.at.rate_share == 1


@pytest.mark.parametrize("astray", [STEPS + 1, 2 * STEPS])  # a step finds it out, or the judgement of the epoch
def test_a_loss_that_is_no_number_ends_the_training_with_the_best_before(astray: int) -> None:
    whole, one = made(Numbers(), epochs=1), made(Numbers(astray), epochs=5)
    whole.run()
    assert one.run() == "done"
    assert one.record.curve == whole.record.curve
    assert one.best == whole.best
    (note,) = one.record.notes
    assert "stopped being a number in epoch 2" in note


@pytest.mark.parametrize("astray", [1, STEPS])
def test_a_training_whose_first_epoch_has_no_loss_fails(astray: int) -> None:
    with pytest.raises(UserError, match="no longer a number"):
        made(Numbers(astray)).run()


def test_a_checkpoint_of_before_is_gone_on_with() -> None:
    """It names how often a training went back, at half the rate each time."""
    learner = Numbers()
    assert made(learner, record={"identity": {}, "plan": PLAN, "at": {"strays": 1, "rate_share": 0.5}}).run() == "done"
    assert set(learner.rates) == {RATE / 2}


def test_checkpoints_come_with_time_and_none_of_lost_weights(tmp_path: Path) -> None:
    seen: list[int] = []
    arrays: list[Any] = []

    def look(_: int) -> None:
        saved = checkpoint.load(tmp_path)
        seen.append(saved[1]["at"]["total_steps"] if saved else -1)
        arrays.extend(saved[0].values() if saved else [])

    with pytest.raises(UserError, match="no longer a number"):
        made(Numbers(3), Recorder(look), tmp_path, epochs=1, checkpoint_s=0.0).run()
    assert seen[:3] == [-1, 1, 2]
    assert all(np.isfinite(array).all() for array in arrays)


@pytest.mark.parametrize(
    ("learner", "epochs", "after"),
    [
        *((Numbers, 3, after) for after in range(1, 3 * (STEPS + 1))),
        *((stuck, 100, after) for after in (6 * (STEPS + 1) - 1, 6 * (STEPS + 1), 7 * (STEPS + 1), 12 * (STEPS + 1))),
    ],
)
def test_an_interrupted_training_ends_as_an_uninterrupted_one(
    learner: Callable[[], Numbers], epochs: int, after: int, tmp_path: Path
) -> None:
    whole = made(learner(), epochs=epochs)
    ended = whole.run()
    with pytest.raises(TrainingInterrupted):
        made(learner(), asked("interrupt", after), tmp_path, epochs=epochs).run()
    arrays, record = checkpoint.load(tmp_path) or pytest.fail("no checkpoint")
    again = made(learner(), None, tmp_path, record, epochs=epochs)
    again.restore(arrays)
    assert again.run() == ended
    assert again.record.curve == whole.record.curve
    np.testing.assert_array_equal(again.best["number"], whole.best["number"])


def test_the_clock_runs_over_all_attempts(tmp_path: Path) -> None:
    with pytest.raises(TrainingInterrupted):
        made(Numbers(), asked("interrupt", 3), tmp_path, minutes=1).run()
    arrays, record = checkpoint.load(tmp_path) or pytest.fail("no checkpoint")
    assert record["at"]["seconds"] > 0
    one = made(Numbers(), record={**record, "at": {**record["at"], "seconds": 1_000.0}}, minutes=1)
    one.restore(arrays)
    assert one.run() == "time"
    assert one.record.at.seconds >= 1_000
    assert one.record.at.epoch == 1


def test_a_full_disk_costs_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left, save, hooks = [3], checkpoint.save, Recorder()

    def full(*arguments: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise OSError(errno.ENOSPC, "as the test wants it")
        save(*arguments)

    monkeypatch.setattr(checkpoint, "save", full)
    assert made(Numbers(), hooks, tmp_path, checkpoint_s=0.0).run() == "done"
    assert hooks.troubles == ["disk full", None]
    assert hooks.saves > 0
    assert checkpoint.load(tmp_path) is not None
    left[0] = 1
    monkeypatch.setattr(errno, "ENOSPC", errno.EIO)
    with pytest.raises(OSError, match="as the test"):
        made(Numbers(), hooks, tmp_path, checkpoint_s=0.0).run()
