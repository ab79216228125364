"""Trainings on a channel's messages: only words that still stand are learned."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import redis

from shared import keys
from shared.events import Cancelled, Finished, Interrupted, Sample
from shared.settings import Settings
from shared.transcripts import TranscriptInfo, revision_of
from tests import lives
from tests.factories import CHANNEL, GUILD
from tests.lives import expect, require_failure
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
    in_the_middle,
    interrupt,
    keep,
    known,
    learned,
    messages,
    starts,
    train,
    transcribed,
    withdraw,
)
from worker import channel_text, hooks
from worker.events import JobEvents, Superseded
from worker.files import JobFiles
from worker.training import run_train

pytestmark = pytest.mark.slow


def test_a_channel_is_learned(client: redis.Redis, settings: Settings, info: TranscriptInfo) -> None:
    job = channel_job(info, replaces="an-old-one")
    (settings.data_dir / "checkpoints" / "t-0").mkdir(parents=True)  # of a job that nobody knows any more
    model = learned(client, job)
    assert model.transcripts == (info.ref(0),)
    assert model.source_channels == (CHANNEL,)
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
    event = expect(Finished, train(client, job))
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
        told_before.extend(lives.told_of(Sample, client, "t-1"))
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
    told = lives.told_of(Sample, client, "t-1")
    assert told
    assert told_before[0] not in told
    assert model.epochs == SMALL.epochs
    assert client.llen(keys.HISTORY) == 1


def test_who_withdraws_as_it_ends_makes_it_begin_anew(
    client: redis.Redis, settings: Settings, info: TranscriptInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last samples are written after the last step."""
    from galvanic.training import _Training

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
    require_failure(train(client, enter(client, channel_job(info))), "no longer kept")
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
    job = enter(client, channel_job(info))
    interrupt(job, monkeypatch)
    files = JobFiles(settings, job.job_id)
    assert files.checkpoint.exists()
    assert not files.text.exists()
    assert isinstance(lives.newest(client, job.job_id), Interrupted)
    if meanwhile is not None:
        meanwhile(settings, info)
    event = expect(Finished, train(client, job))
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
        patch.setattr(JobEvents, "enter", killed)
        run_train(*lives.message(client, job.job_id))
    assert len(list((settings.data_dir / "models").iterdir())) == 1
    checkpoint = JobFiles(settings, job.job_id).checkpoint
    checkpoint.mkdir(exist_ok=True)
    for author in (ANN, BEN):
        withdraw(settings, info, author)
    require_failure(train(client, job), "too short")
    assert list((settings.data_dir / "models").iterdir()) == []
    assert not lives.told_of(Sample, client, job.job_id)


def test_samples_of_an_attempt_that_left_nothing_else_are_dropped(client: redis.Redis, info: TranscriptInfo) -> None:
    job = enter(client, channel_job(info))
    killed = lives.take(client, job.job_id)
    killed.publish(Sample(epoch=7, text="words that were withdrawn since"))
    assert isinstance(train(client, job), Finished)
    told = [event.epoch for event in lives.told_of(Sample, client, job.job_id)]
    assert told
    assert 7 not in told


def test_a_checkpoint_of_words_that_nobody_knows_is_not_gone_on_with(
    client: redis.Redis, settings: Settings, info: TranscriptInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = enter(client, channel_job(info))
    interrupt(job, monkeypatch)
    JobFiles(settings, job.job_id).learned.write_text("{}", "utf-8")
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


def test_it_can_be_cancelled_while_it_waits(client: redis.Redis, settings: Settings, info: TranscriptInfo) -> None:
    withdraw(settings, info, purge=False)
    client.set(keys.job_control("t-1"), "cancel")
    assert isinstance(train(client, enter(client, channel_job(info))), Cancelled)


def test_another_servers_messages_are_not_there(client: redis.Redis, settings: Settings) -> None:
    foreign = transcribed(settings, guild_id=GUILD + 1)
    job = channel_job(foreign, corpus=channel_corpus(foreign.ref(0).model_copy(update={"guild_id": GUILD})))
    require_failure(train(client, enter(client, job)), "no longer kept")
