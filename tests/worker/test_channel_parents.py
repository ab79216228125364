"""What a model heard of channels goes on into the models that start from it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from shared import keys
from shared.corpora import pack
from shared.jobs import TrainJob
from shared.models import ModelRecord
from shared.settings import Settings
from shared.transcripts import TranscriptInfo
from tests.factories import GUILD, record
from tests.lives import require_failure
from tests.worker.channels import (
    SMALL,
    channel_job,
    delete_message,
    enter,
    in_the_middle,
    learned,
    train,
    transcribed,
    withdraw,
)
from tests.worker.small import save_model, stored
from tests.worker.texts import babble, corpus
from worker.attempt import oldest

pytestmark = pytest.mark.slow


def heard(client: redis.Redis, settings: Settings, info: TranscriptInfo) -> ModelRecord:
    """A model in store and registry that learned a transcript."""
    save_model(stored(settings, "m-0"))
    model = record(model_id="m-0", transcripts=(info.ref(0),))
    client.set(keys.model("m-0"), model.model_dump_json())
    return model


def public(client: redis.Redis, parent: ModelRecord, job_id: str = "t-2") -> TrainJob:
    """Going on from a model, on a text that is nobody's."""
    text = babble(1_500)
    client.set(keys.corpus(corpus(text).sha256), pack(text))
    info = channel_job(
        TranscriptInfo(transcript_id="x", guild_id=1, channel_id=1, source_id=1, asked_by=1, created_at=0)
    )
    options = SMALL.model_copy(update={"units": None})
    return info.model_copy(update={"job_id": job_id, "corpus": corpus(text), "options": options, "parent": parent.ref})


@pytest.mark.long
def test_what_an_ancestor_heard_is_in_the_model(client: redis.Redis, settings: Settings, info: TranscriptInfo) -> None:
    parent = heard(client, settings, info)
    child = learned(client, public(client, parent))
    assert child.transcripts == parent.transcripts
    other = transcribed(settings)
    more = channel_job(other, "t-3", parent=child.ref, options=SMALL.model_copy(update={"units": None}))
    assert learned(client, more).transcripts == (info.ref(0), other.ref(0))


def test_of_two_revisions_the_older_one_counts(info: TranscriptInfo) -> None:
    other = info.ref(5).model_copy(update={"transcript_id": "other"})
    for known in (3, 7):
        assert set(oldest((info.ref(known), other, info.ref(5)))) == {info.ref(min(known, 5)), other}
    assert oldest(()) == ()


@pytest.mark.parametrize("happens", [withdraw, delete_message])
def test_a_model_that_learned_withdrawn_words_is_not_gone_on_from(
    happens: Callable[[Settings, TranscriptInfo], None], client: redis.Redis, settings: Settings, info: TranscriptInfo
) -> None:
    parent = heard(client, settings, info)
    happens(settings, info)
    require_failure(train(client, enter(client, public(client, parent))), "withdrawn since")


def test_who_withdraws_from_the_model_to_start_from_ends_the_training(
    client: redis.Redis, settings: Settings, info: TranscriptInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = heard(client, settings, info)
    in_the_middle(monkeypatch, lambda: withdraw(settings, info))
    require_failure(train(client, enter(client, public(client, parent))), "withdrawn since")
    assert not client.exists(keys.guild_models(GUILD))


def test_the_model_to_start_from_may_be_gone_when_it_begins_anew(
    client: redis.Redis, settings: Settings, info: TranscriptInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = heard(client, settings, transcribed(settings))

    def happens() -> None:
        client.delete(keys.model(parent.model_id))
        withdraw(settings, info)

    in_the_middle(monkeypatch, happens)
    job = channel_job(info, "t-3", parent=parent.ref, options=SMALL.model_copy(update={"units": None}))
    require_failure(train(client, enter(client, job)), "is gone")
