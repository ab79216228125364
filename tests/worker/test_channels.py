"""Trainings on a channel's messages: only words that still stand are learned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.events import Finished, Interrupted, Sample
from tests import lives
from tests.factories import CHANNEL, GUILD
from tests.lives import expect, require_failure
from tests.worker.channels import (
    ANN,
    BEN,
    RAIN,
    SMALL,
    SNOW,
    Channel,
    channel_corpus,
    in_the_middle,
    interrupt,
    messages,
)
from worker.files import JobFiles

pytestmark = pytest.mark.slow


def test_a_channel_is_learned(channel: Channel) -> None:
    checkpoints = channel.settings.data_dir / "checkpoints"
    (checkpoints / "t-0").mkdir(parents=True)  # of a job that nobody knows any more
    job = channel.job()
    model = channel.learned()
    assert model.transcripts == (channel.info.ref(0),)
    assert model.source_channels == (CHANNEL,)
    text = "".join(f"{line.text}\n" for author in (ANN, BEN) for line in messages(author))
    assert model.corpus == job.corpus.model_copy(update={"chars": len(text)})
    assert model.corpus_chars == len(text)
    assert {RAIN, SNOW} <= channel.known(model)
    assert list(checkpoints.iterdir()) == []


def test_a_training_that_waited_learns_what_is_left(channel: Channel) -> None:
    job = channel.enter()
    channel.withdraw()
    event = expect(Finished, channel.train(job))
    assert [ref.revision for ref in event.model.transcripts] == [channel.now.now]
    assert SNOW not in channel.known(event.model)
    assert channel.starts() == [(False, None)]


def test_who_withdraws_while_it_trains_makes_it_begin_anew(channel: Channel) -> None:
    told_before: list[Sample] = []

    def happens() -> None:
        told_before.extend(lives.told_of(Sample, channel.client, "t-1"))
        channel.withdraw()

    in_the_middle(channel.patch, happens)
    model = channel.learned()
    assert channel.now.now >= channel.now.withdrawn > 0
    assert [ref.revision for ref in model.transcripts] == [channel.now.now]
    assert not channel.is_stale(model)
    assert channel.known(model) & {RAIN, SNOW} == {RAIN}
    assert channel.starts() == [(False, None), (False, "withdrawn")]
    # What was written with their words is not told any more.
    assert told_before
    told = lives.told_of(Sample, channel.client, "t-1")
    assert told
    assert told_before[0] not in told
    assert model.epochs == SMALL.epochs


def test_who_withdraws_as_it_ends_makes_it_begin_anew(channel: Channel) -> None:
    """The last samples are written after the last step."""
    from galvanic.training import _Training

    save = _Training._save
    times: list[int] = []

    def saving(self: Any, *arguments: Any) -> None:
        save(self, *arguments)
        times.append(1)
        if len(times) == 1:
            channel.withdraw()

    channel.patch.setattr(_Training, "_save", saving)
    model = channel.learned()
    assert len(times) == 2
    assert SNOW not in channel.known(model)
    assert len(list((channel.settings.data_dir / "models").iterdir())) == 1


def test_a_message_deleted_while_it_trains_leaves_it_be(channel: Channel) -> None:
    in_the_middle(channel.patch, channel.delete_message)
    model = channel.learned()
    assert channel.starts() == [(False, None)]
    assert model.transcripts == (channel.info.ref(0),)
    assert channel.is_stale(model)


def test_a_transcript_that_is_forgotten_ends_the_training(channel: Channel) -> None:
    in_the_middle(channel.patch, lambda: channel.keep(lambda store: store.forget(channel.info.transcript_id)))
    require_failure(channel.train(channel.enter()), "no longer kept")
    assert list((channel.settings.data_dir / "checkpoints").iterdir()) == []


@pytest.mark.parametrize(
    ("meanwhile", "expected", "learns"),
    [
        (lambda _: None, [(True, None)], {RAIN, SNOW}),
        (Channel.withdraw, [(False, "withdrawn")], {RAIN}),
        (Channel.delete_message, [(True, None), (False, "changed")], {RAIN, SNOW}),
    ],
)
def test_what_was_interrupted_goes_on_only_with_the_same_words(
    channel: Channel, meanwhile: Callable[[Channel], None], expected: list[tuple[bool, str | None]], learns: set[str]
) -> None:
    job = channel.enter()
    interrupt(job, channel.patch)
    files = JobFiles(channel.settings, job.job_id).of(job)
    assert files.checkpoint.exists()
    assert not files.text.exists()
    assert isinstance(lives.newest(channel.client, job.job_id), Interrupted)
    meanwhile(channel)
    event = expect(Finished, channel.train(job))
    assert channel.starts()[1:] == expected
    assert channel.known(event.model) & {RAIN, SNOW} == learns
    assert not channel.is_stale(event.model)


def test_another_servers_messages_are_not_there(channel: Channel) -> None:
    foreign = channel.another(guild_id=GUILD + 1)
    claimed = channel_corpus(foreign.info.ref(0).model_copy(update={"guild_id": GUILD}))
    require_failure(foreign.train(foreign.enter(corpus=claimed)), "no longer kept")
