"""The log of a training, read as its readers do: by `csv`, and by TensorBoard."""

import csv
import math
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

import galvanic
from galvanic.results import Hooks, Measurement, TrainingInterrupted
from galvanic.training_log import TABLE, TrainingLog
from tests.galvanic.test_train import TEXT, run
from tests.worker.texts import Recorder

pytestmark = pytest.mark.slow


class _Killed(Exception):
    """In place of a signal that ends the process."""


class _DieAfter(Hooks):
    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    def measured(self, event: Measurement) -> None:
        if event.epoch > self._epoch:
            raise _Killed


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / TABLE).open(newline="") as file:
        return list(csv.DictReader(file))


def _events(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder), {"tensors": 0})
    events.Reload()
    return events


def _steps(folder: Path, tag: str) -> list[int]:
    return [event.step for event in _events(folder).Tensors(tag)]


def test_a_resumed_training_logs_each_epoch_once_and_a_new_one_begins_anew(tmp_path: Path) -> None:
    out, place, folder = tmp_path / "model", tmp_path / "checkpoint", tmp_path / "new" / "logs"
    stopping = Recorder(lambda _: "interrupt" if stopping.samples and stopping.samples[-1].epoch else None)
    with pytest.raises(TrainingInterrupted):
        run("char", out, TrainingLog(stopping, folder), checkpoint=place, epochs=4)
    with pytest.raises(_Killed):  # after it logged two epochs that its checkpoint lacks
        run("char", out, TrainingLog(_DieAfter(3), folder), checkpoint=place, epochs=4)
    assert [row["epoch"] for row in _rows(folder)] == ["1", "2", "3"]
    with (folder / TABLE).open("a") as table:
        table.write("1,1")  # half a row, as a full disk leaves it
    result = run("char", out, TrainingLog(Hooks(), folder), checkpoint=place, epochs=4)
    rows = _rows(folder)
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4]
    for row, point in zip(rows, result.curve, strict=True):
        assert (float(row["loss"]), float(row["val_loss"])) == (point.train_loss, point.heldout_loss)
    steps = [int(row["step"]) for row in rows]
    assert steps == sorted(set(steps))
    for tag in ("epoch", "loss", "val_loss", "learning_rate", "chars_per_second", "seconds"):
        assert _steps(folder, tag) == steps
    assert _steps(folder, "sample")[:2] == [0, steps[0]]
    text = _events(folder).Tensors("sample")[-1].tensor_proto.string_val[0].decode()
    assert all(line.startswith("    ") for line in text.split("\n"))

    galvanic.train(TEXT, epochs=1, units=8, log_dir=folder, progress=False)
    assert [row["epoch"] for row in _rows(folder)] == ["1"]
    assert len(_steps(folder, "loss")) == 1
    assert all(math.isfinite(float(value)) for value in _rows(folder)[0].values())


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / TABLE).write_bytes(b"day,degr\xe9s\n1,20\n")
    for folder, problem in ((tmp_path / "file", "can't be written into"), (tmp_path, "not the log of a training")):
        with pytest.raises(galvanic.UserError, match=problem):
            galvanic.train(TEXT, epochs=1, log_dir=folder, progress=False)
    assert (tmp_path / TABLE).read_bytes() == b"day,degr\xe9s\n1,20\n"
