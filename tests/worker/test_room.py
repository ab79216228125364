"""A full disk costs no training: what cannot be saved is kept, told, and saved later."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors

from shared.errors import UserError
from tests.worker.conftest import Recorder
from tests.worker.test_train import run, save_after_each_step
from worker.model import checkpoint, folder, loop, room
from worker.model.folder import load
from worker.model.results import Control, TrainingCancelled, TrainingInterrupted
from worker.model.room import told_by_system, when_there_is_room


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "AGAIN_S", 0.02)
    monkeypatch.setattr(room, "_ASK_EVERY_S", 0.01)
    monkeypatch.setattr(loop, "CHECKPOINT_AGAIN_S", 0.0)


def full(times: int, write: Callable[..., Any], code: int = errno.ENOSPC) -> Callable[..., Any]:
    """`write`, but the disk is full the first times."""
    left = [times]

    def attempt(*arguments: Any, **options: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise OSError(code, "as the test wants it")
        return write(*arguments, **options)

    return attempt


def test_a_training_goes_on_without_its_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_after_each_step(monkeypatch)
    monkeypatch.setattr(checkpoint, "save", full(3, checkpoint.save))
    hooks = Recorder()
    result = run("char", tmp_path / "model", hooks, checkpoint=tmp_path / "checkpoint")
    assert result.epochs == 2
    assert hooks.troubles == ["disk full", None]
    assert checkpoint.load(tmp_path / "checkpoint") is not None


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_model_waits_for_room(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "save", full(2, folder.save, code))
    hooks = Recorder()
    run("char", tmp_path / "model", hooks)
    assert hooks.troubles == ["disk full", None]
    assert load(tmp_path / "model")[0].recipe == "char"


def test_another_error_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "save", full(1, folder.save, errno.EACCES))
    with pytest.raises(PermissionError):
        run("char", tmp_path / "model")


@pytest.mark.parametrize(
    ("asked", "raised"), [("cancel", TrainingCancelled), ("interrupt", TrainingInterrupted)], ids=str
)
def test_who_waits_for_room_can_be_stopped(asked: Control, raised: type[Exception]) -> None:
    hooks = Recorder(lambda _: asked)
    with pytest.raises(raised):
        when_there_is_room(full(1_000, lambda: None), hooks)
    assert hooks.troubles == ["disk full"]


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PATIENCE_S", 0.05)
    with pytest.raises(UserError, match="disk is full, and nobody made room"):
        when_there_is_room(full(1_000, lambda: None), Recorder())


def test_what_safetensors_puts_into_words_is_an_error_of_the_system_again() -> None:
    said = "Error while serializing: I/O error: No space left on device (os error 28)"
    with pytest.raises(OSError, match="No space") as caught, told_by_system():
        raise safetensors.SafetensorError(said)
    assert caught.value.errno == errno.ENOSPC
    with pytest.raises(safetensors.SafetensorError), told_by_system():
        raise safetensors.SafetensorError("Error while deserializing header")


def test_half_a_file_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    checkpoint.save(tmp_path, {"a": np.zeros(3)}, {"at": 1})
    monkeypatch.setattr(checkpoint.os, "fsync", full(1, lambda _: None))
    with pytest.raises(OSError, match="as the test"):
        checkpoint.save(tmp_path, {"a": np.ones(3)}, {"at": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]
    assert (checkpoint.load(tmp_path) or pytest.fail("gone"))[1] == {"at": 1}
