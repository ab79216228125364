"""A full disk costs no training: what cannot be saved is kept, told, and saved later; an attempt waits for room."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis

from galvanic import checkpoint, model_file
from galvanic.checkpoint import disk_full, when_there_is_room
from galvanic.model_file import load
from galvanic.results import Control, TrainingCancelled, TrainingInterrupted
from galvanic.text import prepare
from galvanic.text.vocabulary import CharVocabulary
from shared import keys
from shared.events import Cancelled, Event, Interrupted, Trouble
from shared.jobs import Job
from shared.settings import Settings
from tests import lives
from tests.factories import train_job
from tests.galvanic.test_train import run
from tests.lives import require_failure
from tests.worker.channels import book_job, interrupt, train
from tests.worker.jobs import picture_job
from tests.worker.texts import Recorder
from worker import attempt, hooks
from worker.checkpoints import TextFiles
from worker.jobs import carry_out
from worker.store import difficulty

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("looks_for_room_often")]


def full(times: int, write: Callable[..., Any], code: int = errno.ENOSPC) -> Callable[..., Any]:
    """`write`, but the disk is full the first times."""
    left = [times]

    def attempt(*arguments: Any, **options: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise OSError(code, "as the test wants it")
        return write(*arguments, **options)

    return attempt


@pytest.mark.parametrize(
    ("asked", "raised"), [("cancel", TrainingCancelled), ("interrupt", TrainingInterrupted)], ids=str
)
def test_who_waits_for_room_can_be_stopped(asked: Control, raised: type[Exception]) -> None:
    hooks = Recorder(lambda _: asked)
    with pytest.raises(raised):
        when_there_is_room(full(1_000, lambda: None), hooks, difficulty)
    assert hooks.troubles == ["disk full"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is always full")
def test_a_text_that_finds_no_room_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.ids").symlink_to("/dev/full")
    monkeypatch.setattr(Path, "unlink", lambda *_args, **_options: None)
    with pytest.raises(OSError, match="No space") as caught:
        prepare("a boat " * 100_000, workdir=tmp_path)
    assert disk_full(caught.value)


def test_text_and_model_wait_for_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed: list[bool] = []
    waits: list[bool] = []
    encode = CharVocabulary.encode

    def on_disk() -> list[Path]:
        return list(tmp_path.glob(".model.*.text"))

    def half(self: CharVocabulary, text: str) -> Any:
        if on_disk() and len(failed) < 2:
            failed.append(True)
            raise OSError(errno.ENOSPC, "as the test wants it")
        return encode(self, text)

    monkeypatch.setattr(CharVocabulary, "encode", half)
    monkeypatch.setattr(model_file, "save", full(2, model_file.save))

    def asked(_: int) -> None:
        waits.append(bool(on_disk()))

    hooks = Recorder(asked)
    assert run("char", tmp_path / "model", hooks, epochs=1).epochs == 1
    assert hooks.troubles == ["disk full", None] * 2
    assert not any(waits[: 2 * checkpoint._ASKS]), "half a text takes no room meanwhile"
    assert load(tmp_path / "model")[0].recipe == "char"


def test_half_a_file_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save(tmp_path, {"a": np.zeros(3)}, {"at": 1})
    monkeypatch.setattr(os, "fsync", full(1, lambda _: None))
    with pytest.raises(OSError, match="as the test"):
        checkpoint.save(tmp_path, {"a": np.ones(3)}, {"at": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]
    assert (checkpoint.load(tmp_path) or pytest.fail("gone"))[1] == {"at": 1}


@pytest.mark.parametrize("code", [errno.EROFS, errno.ESTALE], ids=errno.errorcode.get)
def test_a_finished_model_waits_for_a_store_that_takes_nothing(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(shutil, "copyfile", full(2, shutil.copyfile, code))
    assert train(client, book_job(client)).kind == "finished"
    assert [event.what for event in lives.told_of(Trouble, client, "t-1")] == ["store away", None]


def test_what_cannot_wait_says_why_it_failed(client: redis.Redis) -> None:
    job = book_job(client)
    carry_out(job, lives.take(client, "t-1"), full(1, lambda: None))
    require_failure(lives.newest(client, "t-1"), "disk is full")


@pytest.mark.parametrize(
    ("job", "remedy"), [(picture_job(), "tell the bot's operator"), (train_job(), "Try fewer units")], ids=str
)
def test_a_lack_of_memory_is_told_with_what_helps_that_kind_of_job(client: redis.Redis, job: Job, remedy: str) -> None:
    def work() -> Event:
        raise MemoryError

    lives.enter(client, job)
    carry_out(job, lives.take(client, job.job_id), work)
    assert remedy in require_failure(lives.newest(client, job.job_id), "ran out of memory").remedy


@pytest.mark.parametrize("asked", ["cancel", "stop"])
def test_it_hears_what_it_is_asked_meanwhile(
    asked: str, client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = book_job(client)
    interrupt(job, monkeypatch)
    monkeypatch.setattr(attempt, "write_text", full(10_000, lambda *_: None))
    files = TextFiles(settings, job)
    if asked == "cancel":
        client.set(keys.job_control(job.job_id), "cancel")
        assert isinstance(train(client, job), Cancelled)
        assert not files.folder.parent.exists()
    else:
        monkeypatch.setattr(hooks, "stop_requested", lambda: True)
        assert isinstance(train(client, job), Interrupted)
        assert files.checkpoint.exists()
