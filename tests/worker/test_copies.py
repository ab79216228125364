"""Checkpoints in a remote store: another host goes on from them, and nothing outlives its training or its words."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from galvanic.model_file import describe
from galvanic.options import TrainOptions
from shared import keys, lifecycle
from shared.connect import connect
from shared.corpora.corpus import pack
from shared.events import Finished, Interrupted, Started
from shared.jobs import TrainJob
from shared.settings import Settings, get_settings
from tests import lives
from tests.factories import changed_settings, place, train_job
from tests.lives import expect
from tests.s3 import S3Server
from tests.worker.channels import Channel, book_job, in_the_middle, train as run_to_its_end
from tests.worker.test_train_jobs import TEXT, train
from tests.worker.texts import babble, corpus as corpus_of
from worker.checkpoints import CheckpointCopies, TextFiles, remove_leftovers
from worker.store import ModelStore
from worker.threads import STOP_FILE_VARIABLE

pytestmark = pytest.mark.slow

OPTIONS = TrainOptions(epochs=3, units=8, random_seed=1)


@pytest.fixture
def client(redis_url: str, s3: tuple[S3Server, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> redis.Redis:
    return connect(changed_settings(monkeypatch, DATA_DIR=tmp_path / "first"))


@contextmanager
def interrupting(monkeypatch: pytest.MonkeyPatch, stop: Path) -> Iterator[None]:
    """In it a worker is told to stop in the second epoch of a training."""
    with monkeypatch.context() as patch:
        patch.setenv(STOP_FILE_VARIABLE, str(stop))
        in_the_middle(patch, stop.touch)
        yield


def copy(settings: Settings, job: TrainJob, attempt: int = 1) -> TextFiles:
    """Let an attempt save a checkpoint, and copy it."""
    files = TextFiles(settings, job)
    files.folder.mkdir(parents=True)
    files.checkpoint.write_text(f"of attempt {attempt}")
    copies = CheckpointCopies(ModelStore(settings), job, files, attempt)
    copies.saved()
    copies.complete()
    return files


def copied(settings: Settings) -> list[str]:
    return ModelStore(settings).names("checkpoints", "directory")


def test_another_host_goes_on(client: redis.Redis, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with interrupting(monkeypatch, tmp_path / "stop"), monkeypatch.context() as patch:
        patch.setattr(ModelStore, "names", lambda *_: pytest.fail("there is nothing to look for yet"))
        train(client, "t-1", options=OPTIONS)
    assert copied(get_settings()) == ["t-1"]
    there = changed_settings(monkeypatch, DATA_DIR=tmp_path / "second")
    event = expect(Finished, train(client, "t-1", options=OPTIONS))
    resumed = [one.resumed for one in lives.told_of(Started, client, "t-1")]
    assert resumed == [False, True]
    assert event.model.epochs == 3
    assert copied(there) == []
    assert list((there.data_dir / "checkpoints").iterdir()) == []


def test_nobody_goes_on_from_words_that_were_withdrawn(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    channel = Channel(get_settings(), client, monkeypatch)
    job = channel.enter()
    with interrupting(monkeypatch, tmp_path / "stop"):
        channel.train(job)
    assert copied(channel.settings) == [job.job_id]
    channel.withdraw()
    there = changed_settings(monkeypatch, DATA_DIR=tmp_path / "second")
    seen: list[list[str]] = []
    in_the_middle(monkeypatch, lambda: seen.append(copied(there)))
    assert isinstance(channel.train(job), Finished)
    assert channel.starts() == [False, False]
    assert seen == [[]]


def test_copies_are_made_while_it_trains(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    put = ModelStore.put

    def putting(*of: Any, **more: Any) -> None:
        made.append(of[1])
        put(*of, **more)

    monkeypatch.setattr(ModelStore, "put", putting)
    settings = changed_settings(monkeypatch, CHECKPOINT_EVERY_S=1)
    options = TrainOptions(epochs=None, minutes=0.05, units=8)
    assert isinstance(train(client, "t-1", babble(3_000), options=options), Finished)
    assert f"checkpoints/t-1/{corpus_of(babble(3_000)).sha256}/checkpoint.safetensors" in made
    assert copied(settings) == []


def test_a_checkpoint_is_copied_once(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    put = ModelStore.put

    def putting(*of: Any) -> None:
        sent.append(of[1])
        put(*of)

    monkeypatch.setattr(ModelStore, "put", putting)
    job, settings = train_job(), get_settings()
    files = TextFiles(settings, job)
    files.folder.mkdir(parents=True)
    files.checkpoint.write_text("of the first epoch")
    copies = CheckpointCopies(ModelStore(settings), job, files, 1)
    copies.saved()
    for _ in range(2):
        copies.complete()  # as when a worker is stopped while its last save is copied
    assert len(sent) == 1
    copies.saved()
    copies.complete()
    assert len(sent) == 2


def test_of_two_hosts_the_later_attempt_counts(s3: tuple[S3Server, str], tmp_path: Path) -> None:
    settings = get_settings()
    store = ModelStore(settings)
    elsewhere = settings.model_copy(update={"data_dir": tmp_path / "x"})
    here, there = copy(settings, train_job()), copy(elsewhere, train_job(), 2)
    CheckpointCopies(store, train_job(), there, 3).bring()
    CheckpointCopies(store, train_job(), here, 3).bring()
    assert here.checkpoint.read_text() == "of attempt 2"


def test_what_a_killed_host_left_goes_with_its_training(client: redis.Redis) -> None:
    settings = get_settings()
    job = TrainJob(job_id="t-1", place=place(), corpus=corpus_of(TEXT), options=OPTIONS)
    for job_id in ("t-1", "t-2"):
        copy(settings, job.model_copy(update={"job_id": job_id}))
    client.hset(keys.job("t-1"), "job", job.model_dump_json())
    remove_leftovers(settings, client)
    assert copied(settings) == ["t-1"], "it is not over; nobody knows the other"
    client.hset(keys.job("t-1"), "state", "over")
    remove_leftovers(settings, client)
    assert copied(settings) == []


@pytest.mark.parametrize("when", ["stopped", "running", "stopping"])
def test_what_was_made_of_a_text_that_was_replaced_is_dropped(
    when: str, client: redis.Redis, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """After a stop, while it runs or as it stops. Nobody goes on from it, here or elsewhere; at once it is gone."""
    job, settings = book_job(client, options=OPTIONS), get_settings()
    text = TEXT.lower()
    corpus = corpus_of(text)

    def replace() -> None:
        script = lifecycle.replace_text(job.model_copy(update={"corpus": corpus}), pack(text), b"", "next")
        assert lives.run(client, script) == (b"3" if when == "stopped" else b"2")
        if when == "stopping":
            (tmp_path / "stop").touch()

    if when != "stopped":
        with monkeypatch.context() as patch:
            patch.setenv(STOP_FILE_VARIABLE, str(tmp_path / "stop"))
            in_the_middle(patch, replace)
            result = run_to_its_end(client, job)
        assert isinstance(result, Interrupted)
    else:
        with interrupting(monkeypatch, tmp_path / "stop"):
            run_to_its_end(client, job)
        assert TextFiles(settings, job).has_checkpoint
        replace()
        remove_leftovers(settings, client)
    assert not TextFiles(settings, job).folder.exists()
    assert copied(settings) == []
    model = expect(Finished, run_to_its_end(client, job)).model
    assert [start.resumed for start in lives.told_of(Started, client, job.job_id)] == [False, False]
    assert model.corpus == corpus
    with ModelStore(settings).reading(model.model_id) as path:
        assert not any(map(str.isupper, describe(path).symbols))
