"""Models leave as files and come back as files; what anybody may send harms nobody."""

import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import redis

from galvanic.errors import UserError
from galvanic.model_file import describe, load
from galvanic.units import MEGABYTE
from shared import keys
from shared.events import Generated, Imported
from shared.jobs import MODEL_FILE
from shared.models import ModelFacts
from shared.settings import Settings
from tests.factories import changed_settings
from tests.lives import expect, require_failure
from tests.worker.hostile import changed
from tests.worker.jobs import PLACE, export_job, exported, generate_job, import_job, imported, run
from tests.worker.small import ids, stored
from worker import transfer
from worker.store import ModelStore

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_and_two")]

MIB = 2**20


def test_an_exported_model_is_the_same_when_imported(client: redis.Redis, settings: Settings) -> None:
    client.hset(keys.channel(PLACE.channel_id), "model", "two")
    data = exported(client)
    assert 0 < client.ttl(keys.artifact("e-1", MODEL_FILE)) <= 600
    answer = expect(Imported, imported(client, data, name="harbour"))
    record = answer.model
    assert (record.name, record.imported, record.parent) == ("harbour", True, None)
    assert (record.corpus_title, record.corpus_chars, record.verdict.train_loss) == ("Made up", 1_000, 1)
    assert record.file_bytes == stored(settings, record.model_id).stat().st_size
    assert record.model_id not in ("one", "two")
    assert answer.notes
    # In the registry, but not the channel's current model; and the file is gone.
    assert client.hgetall(keys.guild_models(PLACE.guild_id)) == {b"harbour": record.model_id.encode()}
    assert ModelFacts.model_validate_json(client.get(keys.model(record.model_id)) or b"") == record
    assert client.hget(keys.channel(PLACE.channel_id), "model") == b"two"
    assert not client.exists(keys.artifact("i-1", MODEL_FILE))
    first, second = (
        run(client, generate_job(number, model_id=model_id, random_seed=1, length=60))
        for number, model_id in enumerate(("one", record.model_id))
    )
    assert isinstance(first, Generated)
    assert isinstance(second, Generated)
    assert first.text == second.text


def test_names_that_are_taken_or_foreign_become_valid_ones(client: redis.Redis) -> None:
    data = exported(client)
    title = "T\u202eitle\n" * 100

    def hostile(fields: dict[str, Any]) -> None:
        fields["corpus"] |= {"name": "../../Ünïcode NAME `x` @everyone " * 5, "title": title, "source": "catalogue"}
        fields["corpus"] |= {"licence": "l" * 10_000}
        fields["options"] = {"name": "x" * 10_000}

    names: list[str] = []
    for number, file in enumerate([data, data, changed(data, hostile)]):
        answer = expect(Imported, imported(client, file, number))
        names.append(answer.model.name)
    assert names == ["made-up", "made-up-2", "unicode-name-x-everyone-unicode"]
    assert len(answer.model.corpus_title) <= 100
    assert answer.model.corpus_title.isprintable()
    corpus = answer.model.corpus
    assert corpus is not None
    # No hash of a text that lies in Redis for somebody else.
    assert (corpus.sha256, corpus.name) == ("", names[-1])
    assert len(answer.model.model_dump_json()) < 2_000


def test_a_file_that_is_gone_or_too_large_is_refused(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    data = exported(client)
    require_failure(run(client, import_job(1)), "has expired")
    changed_settings(monkeypatch, IMPORT_MAX_MB=len(data) / MEGABYTE / 2)
    large = require_failure(imported(client, data, 2), " MB")
    assert "IMPORT_MAX_MB" in large.remedy


def test_a_model_that_the_channel_cannot_take_is_refused(client: redis.Redis) -> None:
    answer = require_failure(run(client, export_job(most_bytes=5_000)), " MB")
    assert "--units" in answer.remedy
    assert not client.exists(keys.artifact("e-1", MODEL_FILE))


def test_a_page_is_of_no_messages_and_as_large_as_the_channel_takes(client: redis.Redis, settings: Settings) -> None:
    assert b"<h1>one</h1>" in exported(client, page=True)
    require_failure(run(client, export_job(most_bytes=5_000, number=2, page=True)), "page takes")
    stored(settings, "one").write_bytes(marked(exported(client, number=3), "aa11"))
    require_failure(run(client, export_job(number=4, page=True)), "people's messages")


def test_what_is_imported_counts_against_the_servers_room(client: redis.Redis, settings: Settings) -> None:
    data = exported(client)
    first = expect(Imported, imported(client, data, 1))
    size = first.model.file_bytes
    require_failure(imported(client, data, 2, disk_bytes=2 * size - 1), "this server's models take")
    assert set(ids(ModelStore(settings))) == {"one", "two", first.model.model_id}
    assert isinstance(imported(client, data, 3, disk_bytes=2 * size), Imported)


def test_a_server_imports_no_more_models_than_it_may_have(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "MOST_MODELS", 1)
    data = exported(client)
    assert isinstance(imported(client, data, 1), Imported)
    refusal = require_failure(imported(client, data, 2), "has 1 model, and 1 is the most")
    assert "/model delete" in refusal.remedy


def test_other_files_are_refused(client: redis.Redis) -> None:
    for number, content in enumerate((b"", b"MZ\x90", b"PK\x03\x04", b"import os\n")):
        answer = imported(client, content, number, file_name="holiday photo.safetensors")
        require_failure(answer, MODEL_FILE)  # in whose place the bot puts the file's name


def test_a_long_description_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    header = b'{"__metadata__": {"galvanic": "' + b" " * 10 * MIB + b'"}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="isn't an exported model"):
            load(path, 25 * MIB)
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()


# ---------------------------------------------------------------------- the readings that a file names


def marked(data: bytes, *readings: str) -> bytes:
    """A model's file: the model learned the first of these readings, its ancestors the others."""

    def mark(fields: dict[str, Any]) -> None:
        texts = [{**fields["corpus"], "source": "channel", "reading": reading} for reading in readings]
        fields["corpus"] = texts[0]
        fields["lineage"] = [
            {"name": "a", "weights_sha256": str(number), "corpus": text, "epochs": 1}
            for number, text in enumerate(texts[1:])
        ]

    return changed(data, mark)


@pytest.mark.parametrize("share", [1, 0.6, 0.5])  # as it is, and packed in two ways
def test_a_marked_file_keeps_its_marks_and_is_not_imported(
    client: redis.Redis, settings: Settings, share: float
) -> None:
    path = stored(settings, "one")
    path.write_bytes(marked(exported(client), "aa11", "bb22", "aa11"))
    data = exported(client, number=2, most_bytes=int(share * path.stat().st_size) if share < 1 else 10 * MIB)
    target = settings.data_dir / "again"
    target.write_bytes(data)
    assert describe(target).readings == ("aa11", "bb22")
    require_failure(imported(client, data), "members' messages")
    assert not client.exists(keys.guild_models(PLACE.guild_id))


def test_more_readings_than_there_can_be_are_refused(client: redis.Redis) -> None:
    data = marked(exported(client), *(f"r{number}" for number in range(1_000)))
    require_failure(imported(client, data), "damaged")


@pytest.mark.parametrize("reading", ["", "../etc", "r" * 33])
def test_a_reading_has_a_plain_name(client: redis.Redis, reading: str) -> None:
    require_failure(imported(client, marked(exported(client), reading)), "damaged")
