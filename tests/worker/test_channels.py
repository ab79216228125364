"""Trainings on a channel's text: it is learned as it is in Redis, and nothing made of another one lasts."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from shared import keys
from shared.events import Finished, Interrupted, Sample
from shared.lifecycle import give_up
from tests import lives
from tests.lives import expect, require_failure
from tests.worker.channels import RAIN, SMALL, SNOW, Channel, book_job, in_the_middle, interrupt
from worker.checkpoints import TextFiles

pytestmark = pytest.mark.slow


def test_a_channel_is_learned_and_its_text_goes(channel: Channel) -> None:
    checkpoints = channel.settings.data_dir / "checkpoints"
    job = channel.enter()
    model = expect(Finished, channel.train(job)).model
    assert job.corpus.language == ""
    assert model.corpus == job.corpus.model_copy(update={"language": "en"})
    assert model.corpus_chars == len(channel.text)
    assert {RAIN, SNOW} <= channel.known(model)
    assert list(checkpoints.iterdir()) == []
    assert not channel.client.exists(keys.job_text(job.job_id), keys.job_authors(job.job_id))


def test_its_model_says_nothing_of_people(channel: Channel) -> None:
    job = channel.enter(author_id=0)
    record = json.loads(channel.client.hget(keys.job(job.job_id), "job") or b"{}")
    assert (record["reading"], record["parent_readings"]) == (None, [])
    model = expect(Finished, channel.train(job)).model
    told = json.loads(channel.client.get(keys.model(model.model_id)) or b"{}")
    assert (told["author_id"], told["file_readings"]) == (0, [])


@pytest.mark.parametrize("end", ["fails", "is given up"])
def test_however_it_ends_the_text_goes(channel: Channel, end: str) -> None:
    job = channel.enter()
    if end == "fails":
        channel.patch.setattr("galvanic.training.train", _fail)
        lives.require_failure(channel.train(job), "")
    else:
        lives.run(channel.client, give_up(job.job_id, "{}"))
    assert not channel.client.exists(keys.job_text(job.job_id), keys.job_authors(job.job_id))


def _fail(*_: Any, **__: Any) -> None:
    raise RuntimeError


def test_a_training_that_waited_learns_what_is_left(channel: Channel) -> None:
    job = channel.enter()
    channel.withdraw()
    event = expect(Finished, channel.train(job))
    assert SNOW not in channel.known(event.model)
    assert channel.starts() == [False]


def test_who_withdraws_while_it_trains_makes_it_begin_anew(channel: Channel) -> None:
    told_before: list[Sample] = []

    def happens() -> None:
        told_before.extend(lives.told_of(Sample, channel.client, "t-1"))
        channel.withdraw()

    in_the_middle(channel.patch, happens)
    job = channel.enter()
    channel.train(job)  # superseded
    assert not channel.client.exists(keys.model(_model_id(channel)))
    model = expect(Finished, channel.train(job)).model
    assert channel.known(model) & {RAIN, SNOW} == {RAIN}
    # What was written with their words is not told any more.
    assert told_before
    told = lives.told_of(Sample, channel.client, "t-1")
    assert told
    assert told_before[0] not in told
    assert model.epochs == SMALL.epochs


def _model_id(channel: Channel) -> str:
    return (channel.client.hget(keys.job("t-1"), "model_id") or b"").decode()


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
    job = channel.enter()
    channel.train(job)
    model = expect(Finished, channel.train(job)).model
    assert len(times) == 2
    assert SNOW not in channel.known(model)
    assert len(list((channel.settings.data_dir / "models").iterdir())) == 1


@pytest.mark.parametrize(
    ("meanwhile", "resumes", "learns"), [(lambda _: None, True, {RAIN, SNOW}), (Channel.withdraw, False, {RAIN})]
)
def test_what_was_interrupted_goes_on_only_with_the_same_words(
    channel: Channel, meanwhile: Callable[[Channel], None], resumes: bool, learns: set[str]
) -> None:
    job = channel.enter()
    interrupt(job, channel.patch)
    files = TextFiles(channel.settings, job)
    assert files.checkpoint.exists()
    assert not files.text.exists()
    assert isinstance(lives.newest(channel.client, job.job_id), Interrupted)
    meanwhile(channel)
    event = expect(Finished, channel.train(job))
    assert channel.starts()[-1] is resumes
    assert channel.known(event.model) & {RAIN, SNOW} == learns


def test_a_training_whose_text_is_gone_ends(channel: Channel) -> None:
    job = channel.enter()
    channel.client.delete(keys.job_text(job.job_id))
    require_failure(channel.train(job), "has expired")


def test_a_training_on_a_book_needs_no_authors(channel: Channel) -> None:
    expect(Finished, channel.train(book_job(channel.client)))
