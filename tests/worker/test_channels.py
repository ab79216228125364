"""Trainings on a channel's messages: only words that still stand are learned, and none are kept with a model."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from shared import keys
from shared.connect import connect
from shared.corpora import pack
from shared.events import Cancelled, Event, Failed, Finished, Interrupted, Sample, Started
from shared.jobs import TrainJob, TrainOptions
from shared.models import ModelRecord
from shared.settings import Settings, get_settings
from shared.transcripts import TranscriptInfo, revision_of
from tests.factories import CHANNEL, GUILD
from tests.worker.channels import (
    ANN,
    BEN,
    RAIN,
    SMALL,
    SNOW,
    channel_corpus,
    channel_job,
    delete_message,
    enter,
    events_of,
    keep,
    messages,
    transcribed,
    withdraw,
)
from tests.worker.conftest import babble, corpus
from worker.jobs import lease
from worker.jobs.job_errors import HandBack
from worker.jobs.job_files import JobFiles, remove_leftovers
from worker.jobs.joblog import JobLog, Superseded
from worker.model.folder import load
from worker.model.generate import load_model
from worker.model.learners import StreamsLearner
from worker.model.request import WriteRequest
from worker.store import ModelStore
from worker.training import channel_text, hooks
from worker.training.attempt import _transcripts
from worker.training.train_job import run_train


@pytest.fixture
def client(settings: Settings) -> redis.Redis:
    return connect(settings)


@pytest.fixture
def info(settings: Settings) -> TranscriptInfo:
    return transcribed(settings)


def train(client: redis.Redis, job: TrainJob) -> Event:
    """Run a job that was entered to its end; its last event."""
    run_train(job.model_dump(mode="json"), "tag")
    return events_of(client, keys.job_events(job.job_id))[-1]


def learned(client: redis.Redis, job: TrainJob) -> ModelRecord:
    event = train(client, enter(client, job))
    assert isinstance(event, Finished), event
    return event.model


def known(settings: Settings, model: ModelRecord) -> set[str]:
    """The characters that a model has learned."""
    folder = ModelStore(settings).fetch(model.model_id)
    return set("".join(json.loads((folder / "model.json").read_text("utf-8"))["symbols"]))


def starts(client: redis.Redis, job_id: str = "t-1") -> list[tuple[bool, str | None]]:
    """Whether each start of a job resumed it, and why it began anew."""
    found = events_of(client, keys.job_events(job_id))
    return [(event.resumed, event.anew) for event in found if isinstance(event, Started)]


def in_the_middle(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None], at: int | None = None) -> None:
    """Let something happen once while a training runs: in its second epoch, or before its nth step."""
    monkeypatch.setattr(hooks, "POLL_EVERY_S", 0.0)
    step = StreamsLearner.step
    seen: list[int] = []

    def stepping(self: StreamsLearner, index: int, rate: float) -> tuple[float, int]:
        seen.append(index)
        if len(seen) == (self.steps + 1 if at is None else at):
            happens()
        return step(self, index, rate)

    monkeypatch.setattr(StreamsLearner, "step", stepping)


def test_a_channel_is_learned(client: redis.Redis, settings: Settings, info: TranscriptInfo) -> None:
    job = channel_job(info, replaces="an-old-one")
    (settings.data_dir / "checkpoints" / "t-0").mkdir(parents=True)  # of a job that nobody knows any more
    model = learned(client, job)
    assert model.transcripts == (info.ref(0),)
    assert model.heard == (CHANNEL,)
    assert model.scope == "guild"  # who could read the channel is asked at each use
    assert model.replaces == "an-old-one"
    assert client.hget(keys.channel(job.place.channel_id), "model") is None, "another may have been chosen there"
    text = "".join(f"{line.text}\n" for author in (ANN, BEN) for line in messages(author))
    assert model.corpus == job.corpus.model_copy(update={"chars": len(text)})
    assert model.corpus_chars == len(text)
    assert {RAIN, SNOW} <= known(settings, model)
    assert list((settings.data_dir / "checkpoints").iterdir()) == []


def test_a_training_that_waited_learns_what_is_left(
    client: redis.Redis, settings: Settings, info: TranscriptInfo
) -> None:
    job = enter(client, channel_job(info))
    withdraw(settings, info)
    event = train(client, job)
    assert isinstance(event, Finished)
    now = revision_of(client, info.transcript_id)
    assert now is not None
    assert [ref.revision for ref in event.model.transcripts] == [now.now]
    assert SNOW not in known(settings, event.model)
    assert starts(client) == [(False, None)]


def test_who_withdraws_while_it_trains_makes_it_begin_anew(
    client: redis.Redis, settings: Settings, info: TranscriptInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_before: list[Sample] = []

    def happens() -> None:
        told_before.extend(e for e in events_of(client, keys.job_events("t-1")) if isinstance(e, Sample))
        withdraw(settings, info)

    in_the_middle(monkeypatch, happens)
    model = learned(client, channel_job(info))
    now = revision_of(client, info.transcript_id)
    assert now is not None
    assert now.now >= now.withdrawn > 0
    assert [ref.revision for ref in model.transcripts] == [now.now]
    assert not model.is_stale({info.transcript_id: now})
    assert known(settings, model) & {RAIN, SNOW} == {RAIN}
    assert starts(client) == [(False, None), (False, "withdrawn")]
    # What was written with their words is not told any more.
    assert told_before
    told = [event for event in events_of(client, keys.job_events("t-1")) if isinstance(event, Sample)]
    assert told
    assert told_before[0] not in told
    assert model.epochs == SMALL.epochs
    assert client.llen(keys.HISTORY) == 1


def test_who_withdraws_as_it_ends_makes_it_begin_anew(
    client: redis.Redis, settings: Settings, info: TranscriptInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last samples are written after the last step."""
    from worker.model.train import _Training

    save = _Training._save
    times: list[int] = []

    def saving(self: Any, *arguments: Any) -> None:
        save(self, *arguments)
        times.append(1)
        if len(times) == 1:
            withdraw(settings, info)

    monkeypatch.setattr(_Training, "_save", saving)
    model = learned(client, channel_job(info))
    assert len(times) == 2
    assert SNOW not in known(settings, model)
    assert len(list((settings.data_dir / "models").iterdir())) == 1


def test_a_message_deleted_while_it_trains_leaves_it_be(
    client: redis.Redis, settings: Settings, info: TranscriptInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_middle(monkeypatch, lambda: delete_message(settings, info))
    model = learned(client, channel_job(info))
    assert starts(client) == [(False, None)]
    assert model.transcripts == (info.ref(0),)
    now = revision_of(client, info.transcript_id)
    assert now is not None
    assert model.is_stale({info.transcript_id: now})


def test_a_transcript_that_is_forgotten_ends_the_training(
    client: redis.Redis, settings: Settings, info: TranscriptInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_middle(monkeypatch, lambda: keep(settings, lambda store: store.forget(info.transcript_id)))
    event = train(client, enter(client, channel_job(info)))
    assert isinstance(event, Failed)
    assert "no longer kept" in event.problem
    assert list((settings.data_dir / "checkpoints").iterdir()) == []


@pytest.mark.parametrize(
    ("meanwhile", "expected", "learns"),
    [
        (None, [(True, None)], {RAIN, SNOW}),
        (withdraw, [(False, "withdrawn")], {RAIN}),
        (delete_message, [(True, None), (False, "changed")], {RAIN, SNOW}),
    ],
)
def test_what_was_interrupted_goes_on_only_with_the_same_words(
    meanwhile: Callable[[Settings, TranscriptInfo], None] | None,
    expected: list[tuple[bool, str | None]],
    learns: set[str],
    client: redis.Redis,
    settings: Settings,
    info: TranscriptInfo,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopping: list[bool] = []
    monkeypatch.setattr(hooks, "stop_requested", lambda: bool(stopping))
    in_the_middle(monkeypatch, lambda: stopping.append(True))
    job = enter(client, channel_job(info))
    with pytest.raises(HandBack):
        run_train(job.model_dump(mode="json"), "tag")
    files = JobFiles.of(settings, job.job_id)
    assert files.checkpoint.exists()
    assert not files.text.exists()
    assert isinstance(events_of(client, keys.job_events(job.job_id))[-1], Interrupted)
    if meanwhile is not None:
        meanwhile(settings, info)
    stopping.clear()
    event = train(client, job)
    assert isinstance(event, Finished)
    assert starts(client)[1:] == expected
    assert known(settings, event.model) & {RAIN, SNOW} == learns
    now = revision_of(client, info.transcript_id)
    assert now is not None
    assert not event.model.is_stale({info.transcript_id: now})


def test_a_model_that_was_saved_and_never_entered_goes_with_the_words(
    client: redis.Redis, settings: Settings, info: TranscriptInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker was killed just then, and what is left of the words is too short for another one."""

    def killed(*_: Any, **__: Any) -> None:
        raise Superseded

    job = enter(client, channel_job(info))
    with monkeypatch.context() as patch:
        patch.setattr(JobLog, "enter", killed)
        run_train(job.model_dump(mode="json"), "tag")
    assert len(list((settings.data_dir / "models").iterdir())) == 1
    checkpoint = JobFiles.of(settings, job.job_id).checkpoint
    checkpoint.mkdir(exist_ok=True)
    for author in (ANN, BEN):
        withdraw(settings, info, author)
    event = train(client, job)
    assert isinstance(event, Failed)
    assert "too short" in event.problem
    assert list((settings.data_dir / "models").iterdir()) == []
    assert not [event for event in events_of(client, keys.job_events(job.job_id)) if isinstance(event, Sample)]


def test_samples_of_an_attempt_that_left_nothing_else_are_dropped(client: redis.Redis, info: TranscriptInfo) -> None:
    job = enter(client, channel_job(info))
    killed = JobLog(client, job.job_id)
    killed.begin()
    killed.publish(Sample(epoch=7, text="words that were withdrawn since"))
    assert isinstance(train(client, job), Finished)
    told = [event.epoch for event in events_of(client, keys.job_events(job.job_id)) if isinstance(event, Sample)]
    assert told
    assert 7 not in told


def test_a_checkpoint_of_words_that_nobody_knows_is_not_gone_on_with(
    client: redis.Redis, settings: Settings, info: TranscriptInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping: list[bool] = []
    monkeypatch.setattr(hooks, "stop_requested", lambda: bool(stopping))
    in_the_middle(monkeypatch, lambda: stopping.append(True))
    job = enter(client, channel_job(info))
    with pytest.raises(HandBack):
        run_train(job.model_dump(mode="json"), "tag")
    JobFiles.of(settings, job.job_id).learned.write_text("{}", "utf-8")
    stopping.clear()
    assert isinstance(train(client, job), Finished)
    assert starts(client)[1:] == [(False, "withdrawn")]


def test_it_waits_for_words_to_be_taken_out(
    client: redis.Redis, settings: Settings, info: TranscriptInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    withdraw(settings, info, purge=False)
    monkeypatch.setattr(channel_text, "LOOK_EVERY_S", 0.05)
    waited = threading.Event()
    go_on = hooks.JobHooks.go_on

    def waiting(self: hooks.JobHooks) -> None:
        go_on(self)
        waited.set()

    monkeypatch.setattr(hooks.JobHooks, "go_on", waiting)

    def purge() -> None:
        assert waited.wait(60)
        keep(settings, lambda store: store.purge(info.transcript_id))

    thread = threading.Thread(target=purge)
    thread.start()
    model = learned(client, channel_job(info))
    thread.join()
    assert SNOW not in known(settings, model)


def test_it_does_not_wait_for_ever(
    client: redis.Redis, settings: Settings, info: TranscriptInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    withdraw(settings, info, purge=False)
    monkeypatch.setattr(channel_text, "PURGED_WITHIN_S", 0.0)
    event = train(client, enter(client, channel_job(info)))
    assert isinstance(event, Failed)
    assert "have yet to be taken out" in event.problem


def test_it_can_be_cancelled_while_it_waits(client: redis.Redis, settings: Settings, info: TranscriptInfo) -> None:
    withdraw(settings, info, purge=False)
    client.set(keys.job_control("t-1"), "cancel")
    assert isinstance(train(client, enter(client, channel_job(info))), Cancelled)


def test_what_is_left_may_be_too_short(client: redis.Redis, settings: Settings, info: TranscriptInfo) -> None:
    withdraw(settings, info)
    withdraw(settings, info, ANN)
    event = train(client, enter(client, channel_job(info)))
    assert isinstance(event, Failed)
    assert "too short" in event.problem
    assert "0 characters" in event.problem


def test_another_servers_messages_are_not_there(client: redis.Redis, settings: Settings) -> None:
    foreign = transcribed(settings, guild_id=GUILD + 1)
    job = channel_job(foreign, corpus=channel_corpus(foreign.ref(0).model_copy(update={"guild_id": GUILD})))
    event = train(client, enter(client, job))
    assert isinstance(event, Failed)
    assert "no longer kept" in event.problem


# ---------------------------------------------------------------------- models to start from


def public(client: redis.Redis, parent: ModelRecord, job_id: str = "t-2") -> TrainJob:
    """Going on from a model, on a text that is nobody's."""
    text = babble(1_500)
    client.set(keys.corpus(corpus(text).sha256), pack(text))
    info = channel_job(
        TranscriptInfo(transcript_id="x", guild_id=1, channel_id=1, source_id=1, asked_by=1, created_at=0)
    )
    options = SMALL.model_copy(update={"units": None})
    return info.model_copy(update={"job_id": job_id, "corpus": corpus(text), "options": options, "parent": parent.ref})


def test_what_an_ancestor_heard_is_in_the_model(client: redis.Redis, settings: Settings, info: TranscriptInfo) -> None:
    parent = learned(client, channel_job(info))
    child = learned(client, public(client, parent))
    assert child.transcripts == parent.transcripts
    other = transcribed(settings)
    more = channel_job(other, "t-3", parent=child.ref, options=SMALL.model_copy(update={"units": None}))
    assert learned(client, more).transcripts == (info.ref(0), other.ref(0))


def test_of_two_revisions_the_older_one_counts(info: TranscriptInfo) -> None:
    def model(revision: int) -> Any:
        return ModelRecord.model_construct(transcripts=(info.ref(revision),))

    now = channel_corpus(info.ref(5))
    assert _transcripts(now, model(3)) == (info.ref(3),)
    assert _transcripts(now, model(7)) == (info.ref(5),)
    assert _transcripts(now, None) == (info.ref(5),)
    assert _transcripts(corpus("x"), None) == ()


@pytest.mark.parametrize("happens", [withdraw, delete_message])
def test_a_model_that_learned_withdrawn_words_is_not_gone_on_from(
    happens: Callable[[Settings, TranscriptInfo], None],
    client: redis.Redis,
    settings: Settings,
    info: TranscriptInfo,
) -> None:
    parent = learned(client, channel_job(info))
    happens(settings, info)
    event = train(client, enter(client, public(client, parent)))
    assert isinstance(event, Failed)
    assert "withdrawn since" in event.problem


def test_who_withdraws_from_the_model_to_start_from_ends_the_training(
    client: redis.Redis, settings: Settings, info: TranscriptInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = learned(client, channel_job(info))
    in_the_middle(monkeypatch, lambda: withdraw(settings, info))
    event = train(client, enter(client, public(client, parent)))
    assert isinstance(event, Failed)
    assert "withdrawn since" in event.problem
    assert client.hvals(keys.guild_models(GUILD)) == [parent.model_id.encode()]


def test_the_model_to_start_from_may_be_gone_when_it_begins_anew(
    client: redis.Redis, settings: Settings, info: TranscriptInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = learned(client, public(client, learned(client, channel_job(transcribed(settings), "t-0"))))

    def happens() -> None:
        client.delete(keys.model(parent.model_id))
        withdraw(settings, info)

    in_the_middle(monkeypatch, happens)
    job = channel_job(info, "t-3", parent=parent.ref, options=SMALL.model_copy(update={"units": None}))
    event = train(client, enter(client, job))
    assert isinstance(event, Failed)
    assert "is gone" in event.problem


# ---------------------------------------------------------------------- what is kept


@pytest.mark.parametrize("recipe", ["char", "word", "classic"])
def test_no_message_is_kept_with_a_model(
    recipe: str, client: redis.Redis, settings: Settings, info: TranscriptInfo
) -> None:
    options = TrainOptions.model_validate({"recipe": recipe, "epochs": 1, "units": 8, "random_seed": 1})
    model = learned(client, channel_job(info, options=options))
    folder = ModelStore(settings).fetch(model.model_id)
    author = load_model(folder)
    _, _, windows = load(folder)
    assert {author.vocabulary.decode(window).strip() for window in windows} == {""}
    files = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert len(files) == 2
    for line in (*messages(ANN), *messages(BEN)):
        said = line.text[2:40]
        ids = author.vocabulary.encode(said if recipe != "classic" else said.split(". ")[0].lower().strip("."))
        for data in files.values():
            assert said.encode() not in data
            for kind in ("u1", "u2", "i4"):
                assert ids.astype(kind).tobytes() not in data
    for author_id in (ANN, BEN):
        assert str(author_id).encode() not in files["model.json"]

    written = author.generate("", 30, random_seed=3, from_corpus=True)
    assert written.seed.strip() == ""
    assert "keeps none of the messages" in written.notes[0]
    request = WriteRequest("", 30, random_seed=3, from_line=True)
    line_begun, again = author.generate_batch([request, request])
    assert not isinstance(line_begun, Exception)
    assert line_begun.seed.strip() == ""
    assert line_begun.text
    assert not line_begun.notes
    assert line_begun == type(line_begun)(**{**vars(again), "seconds": line_begun.seconds})


@pytest.mark.parametrize(("days", "kept"), [("0", False), ("0.5", True)])
def test_the_words_stay_as_long_as_is_set(
    days: str,
    kept: bool,
    client: redis.Redis,
    settings: Settings,
    info: TranscriptInfo,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CHANNEL_CORPUS_DAYS", days)
    get_settings.cache_clear()
    text = keys.transcript_text(info.transcript_id)
    first, second = (enter(client, channel_job(info, f"t-{number}")) for number in (1, 2))
    assert isinstance(train(client, first), Finished)
    assert client.exists(text)  # the other one has yet to read them
    assert isinstance(train(client, second), Finished)
    for key in (text, keys.transcript_index(info.transcript_id)):
        assert bool(client.exists(key)) == kept
        assert not kept or 0 < client.pttl(key) <= 43_200_000  # type: ignore[operator]


def test_words_are_renewed_while_a_training_holds_them(
    client: redis.Redis, settings: Settings, info: TranscriptInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEW_S", 0.01)
    names = (keys.transcript_text(info.transcript_id), keys.transcript_index(info.transcript_id))
    for name in names:
        client.expire(name, 5)
    with lease.Lease(client, "tag", channel_job(info), "t-1", 5_000):
        while min(client.ttl(name) for name in names) <= 5:  # type: ignore[type-var]
            time.sleep(0.01)


def test_what_ended_jobs_left_on_the_disk_is_removed(client: redis.Redis, settings: Settings) -> None:
    def left(job_id: str) -> Path:
        files = JobFiles.of(settings, job_id)
        files.folder.mkdir(parents=True)
        files.text.write_text("words", "utf-8")
        return files.folder

    remove_leftovers(settings, client)  # there is no such folder yet
    over, unknown, running = left("t-1"), left("t-2"), left("t-3")
    client.hset(keys.job("t-1"), mapping={"job": "{}", "over": "1"})
    client.hset(keys.job("t-3"), "job", "{}")
    remove_leftovers(settings, client)
    assert (over.exists(), unknown.exists(), running.exists()) == (False, False, True)


def test_words_that_cannot_be_removed_from_the_disk_are_told_of(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = JobFiles.of(settings, "t-1")
    files.discard()
    files.folder.mkdir(parents=True)
    files.text.write_text(RAIN, "utf-8")

    def refuses(*_: object, **__: object) -> None:
        raise PermissionError("the disk is read-only")

    with capture_logs() as logs, monkeypatch.context() as patched:
        patched.setattr(os, "unlink", refuses)
        files.discard()
    assert [entry["folder"] for entry in logs if entry["event"] == "files_not_removed"] == [str(files.folder)]
    files.discard()
    assert not files.folder.exists()
