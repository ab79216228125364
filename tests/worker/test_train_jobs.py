"""Train jobs, as they come from Redis: what becomes of them, from which models they go on, when they are given up."""

import errno
import math
import time
from typing import Any, cast
from unittest.mock import Mock

import pytest
import redis

from galvanic import loop, model_file
from galvanic.options import TrainOptions
from galvanic.results import TrainingInterrupted
from shared import keys, lifecycle
from shared.events import Event, Finished, Started
from shared.jobs import ModelRef
from shared.models import ModelFacts
from shared.settings import Settings
from tests import lives
from tests.factories import train_job
from tests.lives import expect, require_failure
from tests.worker.channels import book_job, in_the_middle, interrupt, train as run_to_its_end
from tests.worker.small import save_model, stored
from tests.worker.texts import babble, corpus as corpus_of
from worker import attempt as attempts, hooks, threads
from worker.attempt import Attempt
from worker.checkpoints import TextFiles, job_folder
from worker.jobs import MAX_DEATHS
from worker.training import run_train

pytestmark = pytest.mark.slow

TEXT, OTHER = babble(1_500), babble(1_500, seed=1)
SMALL = TrainOptions(epochs=1, units=8, random_seed=1)


def train(client: redis.Redis, job_id: str, text: str = TEXT, **fields: Any) -> Event:
    """Run a job to its end; its last event."""
    return run_to_its_end(client, book_job(client, job_id, text, **{"options": SMALL, **fields}))


def facts_of(client: redis.Redis, model_id: str) -> ModelFacts:
    return ModelFacts.model_validate_json(cast(bytes, client.get(keys.model(model_id))))


def test_a_model_is_registered_with_what_more_training_needs(client: redis.Redis, settings: Settings) -> None:
    event = expect(Finished, train(client, "t-1"))
    model = facts_of(client, event.model.model_id)
    assert model == event.model
    assert (model.corpus, model.options, model.parent) == (corpus_of(TEXT), SMALL, None)
    assert model.verdict.copy_share is not None
    assert model.file_bytes == stored(settings, model.model_id).stat().st_size > 1_000
    assert client.hgetall(keys.ACTIVE) == {}
    assert list((settings.data_dir / "checkpoints").iterdir()) == []


def test_without_its_parent_a_training_fails(client: redis.Redis, settings: Settings) -> None:
    save_model(stored(settings, "abc"))
    require_failure(train(client, "t-1", parent=ModelRef(model_id="abc", name="abc")), "gone")


def test_a_training_outlives_the_model_that_it_started_from(
    client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = expect(Finished, train(client, "t-1")).model
    job = book_job(client, "t-2", OTHER, parent=parent.ref, options=SMALL.model_copy(update={"epochs": 3}))
    interrupt(job, monkeypatch)
    client.delete(keys.model(parent.model_id))
    stored(settings, parent.model_id).unlink()
    child = expect(Finished, run_to_its_end(client, job)).model
    assert (child.parent, child.epochs) == (parent.name, 4)
    assert [start.resumed for start in lives.told_of(Started, client, "t-2")] == [False, True]


def test_trouble_costs_nothing_that_was_learned_unless_it_stays(
    client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its next attempt goes on from the checkpoint; what has none is told at once."""
    import galvanic.training

    job = book_job(client, options=SMALL.model_copy(update={"epochs": 3}))
    interrupt(job, monkeypatch)

    def broken(*_: Any, **__: Any) -> None:
        raise OSError(errno.EIO, "the disk has trouble")

    monkeypatch.setattr(galvanic.training, "train", broken)
    monkeypatch.setattr(attempts, "PAUSES_S", {})
    for _ in range(MAX_DEATHS - 1):
        assert run_to_its_end(client, job).kind == "interrupted"
        assert TextFiles(settings, job).has_checkpoint
    client.hset(keys.job(job.job_id), "deaths", "0")  # as after a stop in order
    assert run_to_its_end(client, job).kind == "interrupted"
    assert not TextFiles(settings, job).text.exists(), "it may be another host's now"
    client.hset(keys.job(job.job_id), "deaths", f"{MAX_DEATHS - 1}")
    for last in (job, book_job(client, "t-2", options=SMALL)):
        require_failure(run_to_its_end(client, last), "Something went wrong in the worker")
        assert not job_folder(settings, last.job_id).exists()


def test_a_new_checkpoint_begins_a_new_row(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is cut off now and then gets through; a training that dies at the same place is given up."""
    broken = Mock(side_effect=RuntimeError)
    monkeypatch.setattr(attempts, "PAUSES_S", {})
    monkeypatch.setattr(loop, "CHECKPOINT_BETWEEN_EPOCHS_S", 0.0)
    job = book_job(client, options=SMALL.model_copy(update={"epochs": 3}))
    client.hset(keys.job(job.job_id), "deaths", f"{MAX_DEATHS - 1}")
    with monkeypatch.context() as patch:
        in_the_middle(patch, broken)
        assert run_to_its_end(client, job).kind == "interrupted"
    monkeypatch.setattr(model_file, "check_weights", broken)  # after its last checkpoint, which is saved each time
    for deaths in (b"1", b"2"):
        assert run_to_its_end(client, job).kind == "interrupted"
        assert client.hget(keys.job(job.job_id), "deaths") == deaths


@pytest.mark.parametrize("end", ["cancelled", "interrupted"])
def test_after_trouble_again_and_again_an_attempt_waits_and_can_be_ended(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    job = book_job(client, options=SMALL)
    client.hset(keys.job(job.job_id), "deaths", "2")
    if end == "cancelled":
        client.set(keys.job_control(job.job_id), "cancel")
    else:
        monkeypatch.setattr(hooks, "stop_requested", lambda: True)
    assert run_to_its_end(client, job).kind == end
    assert lives.told_of(Started, client, job.job_id) == []


def test_after_trouble_again_and_again_an_attempt_is_made_when_it_has_waited(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "PAUSES_S", {2: 0.01})
    job = book_job(client, options=SMALL)
    client.hset(keys.job(job.job_id), "deaths", "2")
    assert run_to_its_end(client, job).kind == "finished"


def test_a_request_to_finish_before_the_first_step_waits_for_it(client: redis.Redis) -> None:
    client.set(keys.job_control("t-1"), "finish")
    event = expect(Finished, train(client, "t-1", options=TrainOptions(epochs=300, units=8)))
    assert event.stopped == "finish"
    # Of a network that has learned nothing it would be that of guessing at random.
    assert event.model.verdict.train_loss < 0.98 * math.log(len(set(TEXT)))


def test_an_attempt_whose_training_was_taken_away_stops_before_its_first_step(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a machine stood still: Redis let the training wait again before this one told anything."""
    monkeypatch.setattr(threads, "RENEW_S", 0.01)
    run, steps = Attempt.run, []

    def stood_still(attempt: Attempt) -> Any:
        job_events, held = attempt._job_events, attempt._lease
        monkeypatch.setattr(job_events, "publish", lambda event: steps.append(event.kind))
        requeue = lifecycle.requeue("t-1", job_events.attempt, job_events.nonce, "died", "next")
        assert lives.run(client, requeue) == b"2"
        while not held.lost:
            time.sleep(0.01)
        return run(attempt)

    monkeypatch.setattr(Attempt, "run", stood_still)
    assert train(client, "t-1").kind == "interrupted"
    assert set(steps) <= {"started", "progress"}
    assert client.hget(keys.job("t-1"), "state") == b"waiting"


def test_a_training_that_is_cancelled_as_it_is_interrupted_leaves_nothing(
    client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import galvanic.training

    job = book_job(client, options=SMALL)

    def stopped(*_: Any, **__: Any) -> None:
        client.set(keys.job_control(job.job_id), "cancel")
        raise TrainingInterrupted

    monkeypatch.setattr(galvanic.training, "train", stopped)
    assert run_to_its_end(client, job).kind == "cancelled"
    assert not job_folder(settings, job.job_id).exists()


def test_a_training_that_kills_its_worker_again_and_again_is_given_up(client: redis.Redis) -> None:
    job = train_job()
    lives.enter(client, job)
    for _ in range(MAX_DEATHS):
        lives.take(client, job.job_id)
    run_train(*lives.message(client, job.job_id))
    require_failure(lives.newest(client, job.job_id), f"in trouble {MAX_DEATHS} times")
