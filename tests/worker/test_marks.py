"""A file of a model of messages names the readings that it learned, and the import tells the bot."""

from typing import Any

import pytest
import redis

from galvanic.model_file import describe, export
from shared.events import Imported
from shared.settings import Settings
from tests.lives import expect, require_failure
from tests.worker.hostile import changed
from tests.worker.jobs import exported, imported
from tests.worker.small import save_model, stored

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_and_two")]

MOST = 10 * 2**20


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
def test_a_marked_file_comes_back_with_its_marks(client: redis.Redis, settings: Settings, share: float) -> None:
    data = marked(exported(client), "aa11", "bb22", "aa11")
    answer = expect(Imported, imported(client, data))
    assert answer.model.file_readings == ("aa11", "bb22")
    assert answer.model.corpus is None, "the file cannot name a text to learn again"
    path = stored(settings, answer.model.model_id)
    target = settings.data_dir / "again"
    export(path, target, int(share * path.stat().st_size) if share < 1 else MOST)
    assert describe(target).readings == ("aa11", "bb22"), "nor does a second way out of the store lose them"


def test_more_readings_than_there_can_be_are_refused(client: redis.Redis) -> None:
    data = marked(exported(client), *(f"r{number}" for number in range(1_000)))
    require_failure(imported(client, data), "damaged")


@pytest.mark.parametrize("reading", ["", "../etc", "r" * 33])
def test_a_reading_has_a_plain_name(client: redis.Redis, reading: str) -> None:
    require_failure(imported(client, marked(exported(client), reading)), "damaged")


def test_a_model_of_no_messages_has_no_marks(client: redis.Redis, tmp_path: Any) -> None:
    save_model(tmp_path / "model")
    export(tmp_path / "model", tmp_path / "file", MOST)
    answer = expect(Imported, imported(client, (tmp_path / "file").read_bytes()))
    assert answer.model.file_readings == ()
