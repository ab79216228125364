"""A file of a model of messages says which, and the import holds to it."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from galvanic.model_file import describe, export
from galvanic.options import TranscriptRef
from shared import keys
from shared.events import Imported
from shared.jobs import MODEL_FILE
from shared.settings import Settings
from shared.transcripts import TranscriptInfo
from tests.factories import record
from tests.lives import expect, require_failure
from tests.worker.hostile import changed
from tests.worker.jobs import PLACE, export_job, exported, imported, run
from tests.worker.small import save_model, stored

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_and_two")]

SOURCE = 77
REF = TranscriptRef(transcript_id="aa11", revision=4, guild_id=PLACE.guild_id, channel_id=SOURCE)
MOST = 10 * 2**20


@pytest.fixture(autouse=True)
def _heard(client: redis.Redis) -> None:
    """The model `one` learned from a transcript that stands where it was read."""
    known(client, REF)
    model = record(model_id="one", name="one", guild_id=PLACE.guild_id, transcripts=(REF,))
    client.set(keys.model("one"), model.model_dump_json())


def known(client: redis.Redis, ref: TranscriptRef, **changes: Any) -> None:
    where = ref.model_dump(include={"transcript_id", "guild_id", "channel_id"})
    info = TranscriptInfo(**where, source_id=ref.channel_id, created_at=0)
    fields: dict[Any, Any] = {"info": info.model_dump_json(), "revision": ref.revision, **changes}
    client.hset(keys.transcript(ref.transcript_id), mapping=fields)


def refused(client: redis.Redis, data: bytes, words: str, **fields: Any) -> None:
    require_failure(imported(client, data, **fields), words)
    assert not client.exists(keys.guild_models(fields.get("place", PLACE).guild_id))


@pytest.mark.parametrize("share", [1, 0.6, 0.5])  # as it is, and packed in two ways
def test_a_marked_file_comes_back_with_its_marks(client: redis.Redis, settings: Settings, share: float) -> None:
    size = len(exported(client))
    answer = expect(Imported, imported(client, exported(client, int(share * size), number=2)))
    assert answer.model.transcripts == (REF,)
    assert answer.model.source_channels == (SOURCE,)
    # Nor does a second way out of the store lose them.
    assert describe(stored(settings, answer.model.model_id)).marks == (REF,)


def test_a_marked_file_is_for_its_server_only(client: redis.Redis) -> None:
    elsewhere = PLACE.model_copy(update={"guild_id": PLACE.guild_id + 1})
    refused(client, exported(client), "another server's channels", place=elsewhere)


@pytest.mark.parametrize("meanwhile", ["withdrawn after it was exported", "no longer know of"])
def test_a_file_of_words_that_were_withdrawn_is_refused(client: redis.Redis, meanwhile: str) -> None:
    data = exported(client)
    if "withdrawn" in meanwhile:
        known(client, REF, revision=REF.revision + 1)
    else:
        client.delete(keys.transcript(REF.transcript_id))
    refused(client, data, meanwhile)


def test_a_file_that_claims_to_be_of_an_open_channel_gets_the_marks_that_are_true(client: redis.Redis) -> None:
    def open_to_all(fields: dict[str, Any]) -> None:
        fields["transcripts"][0]["channel_id"] = PLACE.channel_id

    answer = expect(Imported, imported(client, changed(exported(client), open_to_all)))
    assert answer.model.source_channels == (SOURCE,)


FOREIGN = REF.model_copy(update={"transcript_id": "bb22", "guild_id": PLACE.guild_id + 1})


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ([FOREIGN.model_copy(update={"guild_id": PLACE.guild_id})], "no longer know of"),
        ([REF.model_copy(update={"revision": REF.revision + 1})], "no longer know of"),
        ([REF.model_copy(update={"transcript_id": f"t{number}"}) for number in range(1_000)], "damaged"),
    ],
    ids=["of this server", "a revision that never was", "more than there can be"],
)
def test_false_claims_are_found_out(client: redis.Redis, claims: list[TranscriptRef], words: str) -> None:
    known(client, FOREIGN)

    def claim(fields: dict[str, Any]) -> None:
        fields["transcripts"] = [ref.model_dump() for ref in claims]

    refused(client, changed(exported(client), claim), words)


def test_the_texts_of_a_model_and_of_those_before_it_are_marks_too(client: redis.Redis) -> None:
    def without_list(fields: dict[str, Any]) -> None:
        ref = fields.pop("transcripts")[0]
        heard = {**fields["corpus"], "source": "channel", "transcript": ref}
        other = {**heard, "transcript": {**ref, "transcript_id": "bb22"}}
        fields["corpus"] = heard
        fields["lineage"] = [{"name": "a", "weights_sha256": "0", "corpus": other, "epochs": 1}]

    data = changed(exported(client), without_list)
    refused(client, data, "no longer know of")  # of the second
    known(client, REF.model_copy(update={"transcript_id": "bb22"}))
    answer = expect(Imported, imported(client, data, number=2))
    assert {ref.transcript_id for ref in answer.model.transcripts} == {"aa11", "bb22"}
    assert answer.model.corpus is None  # the file cannot name a text to learn again


def test_a_model_of_words_that_were_withdrawn_is_not_exported(client: redis.Redis) -> None:
    known(client, REF, revision=REF.revision + 1)
    require_failure(run(client, export_job()), "were withdrawn")
    assert not client.exists(keys.artifact("e-1", MODEL_FILE))


def test_a_model_of_no_messages_has_no_marks(client: redis.Redis, tmp_path: Any) -> None:
    save_model(tmp_path / "model")
    export(tmp_path / "model", tmp_path / "file", MOST)
    answer = expect(Imported, imported(client, (tmp_path / "file").read_bytes()))
    assert answer.model.transcripts == ()
