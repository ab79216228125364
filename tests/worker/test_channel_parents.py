"""What a model heard of channels goes on into the models that start from it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared import keys
from shared.events import Finished
from shared.jobs import TrainJob
from shared.models import ModelRecord
from tests.factories import GUILD, record
from tests.lives import expect, require_failure
from tests.worker.channels import SMALL, Channel, book_job, in_the_middle
from tests.worker.small import save_model, stored

pytestmark = pytest.mark.slow

AS_BEFORE = SMALL.model_copy(update={"units": None})


def heard(channel: Channel) -> ModelRecord:
    """A model in store and registry that learned a channel."""
    save_model(stored(channel.settings, "m-0"))
    model = record(model_id="m-0", transcripts=(channel.info.ref(0),))
    channel.client.set(keys.model("m-0"), model.model_dump_json())
    return model


def public(channel: Channel, parent: ModelRecord) -> TrainJob:
    """Going on from a model, on a text that is nobody's."""
    return book_job(channel.client, "t-2", options=AS_BEFORE, parent=parent.ref)


@pytest.mark.long
def test_what_an_ancestor_heard_is_in_the_model(channel: Channel) -> None:
    parent = heard(channel)
    child = expect(Finished, channel.train(public(channel, parent))).model
    assert child.transcripts == parent.transcripts
    other = channel.another()
    more = other.learned(job_id="t-3", parent=child.ref, options=AS_BEFORE)
    assert more.transcripts == (channel.info.ref(0), other.info.ref(0))


@pytest.mark.parametrize("happens", [Channel.withdraw, Channel.delete_message])
def test_a_model_that_learned_withdrawn_words_is_not_gone_on_from(
    channel: Channel, happens: Callable[[Channel], None]
) -> None:
    parent = heard(channel)
    happens(channel)
    require_failure(channel.train(public(channel, parent)), "have since been withdrawn")


def test_who_withdraws_from_the_model_to_start_from_ends_the_training(channel: Channel) -> None:
    parent = heard(channel)
    in_the_middle(channel.patch, channel.withdraw)
    require_failure(channel.train(public(channel, parent)), "have since been withdrawn")
    assert not channel.client.exists(keys.guild_models(GUILD))
