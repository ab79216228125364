"""A channel's words are kept with no model, and go from Redis and the disk when they are no longer needed."""

from pathlib import Path
from unittest.mock import Mock

import pytest
import redis

from galvanic.generate import load_model
from galvanic.model_file import load
from galvanic.ngrams import FREE, ORDERS
from galvanic.options import TrainOptions
from galvanic.request import WriteRequest
from shared import keys
from shared.settings import Settings
from tests.factories import train_job
from tests.galvanic.test_companion import passages
from tests.worker.channels import ANN, BEN, SNOW, Channel, messages
from tests.worker.small import stored
from worker.checkpoints import job_folder, remove_leftovers, text_folder
from worker.store import ModelStore, StoreAway

pytestmark = pytest.mark.slow

CLEO = 410_000_000_000_000_073


@pytest.mark.parametrize("recipe", ["char", "word", "classic"])
def test_no_message_is_kept_with_a_model(recipe: str, channel: Channel) -> None:
    options = TrainOptions.model_validate({"recipe": recipe, "epochs": 1, "units": 8, "random_seed": 1})
    path = stored(channel.settings, channel.learned(options=options).model_id)
    author = load_model(path)
    _, _, windows, companion = load(path)
    assert (companion is None) == (recipe == "classic")
    assert companion is None or companion.order <= FREE[recipe], "these two say nothing that three members say"
    assert {author.vocabulary.decode(window).strip() for window in windows} == {""}
    data = path.read_bytes()
    for line in (*messages(ANN), *messages(BEN)):
        said = line.text[2:40]
        ids = author.vocabulary.encode(said if recipe != "classic" else said.split(". ")[0].lower().strip("."))
        assert said.encode() not in data
        for kind in ("u1", "u2", "i4"):
            assert ids.astype(kind).tobytes() not in data
    for author_id in (ANN, BEN):
        assert str(author_id).encode() not in data

    written = author.generate("", 30, random_seed=3, from_corpus=True)
    assert written.seed.strip() == ""
    assert "keeps nothing of the text" in written.notes[0]
    request = WriteRequest(seed="", length=30, random_seed=3, from_line=True)
    line_begun, again = author.generate_batch([request, request])
    assert not isinstance(line_begun, Exception)
    assert line_begun.seed.strip() == ""
    assert line_begun.text
    assert not line_begun.notes
    assert line_begun == type(line_begun)(**{**vars(again), "seconds": line_begun.seconds})


def test_a_passage_stands_while_lines_of_three_members_have_it(channel: Channel) -> None:
    """Ann and Ben say the same words, Cleo some of them; then Ben withdraws."""
    cleos = [line._replace(author_id=CLEO) for line in messages(ANN, 20)]
    said = {ANN: messages(ANN), BEN: messages(BEN), CLEO: [line._replace(text=line.text[:20]) for line in cleos]}
    three = channel.another(lines=[line for lines in said.values() for line in lines])
    for job_id, longest in (("t-1", ORDERS["char"]), ("t-2", FREE["char"])):
        path = stored(three.settings, three.learned(job_id=job_id).model_id)
        companion, vocabulary = load(path)[3], load_model(path).vocabulary
        assert companion is not None
        assert companion.order == longest
        for passage in map(vocabulary.decode, passages(companion.arrays, len(vocabulary))):
            assert len(passage) <= FREE["char"] or all(
                any(passage in f"\n{line.text}\n" for line in lines) for lines in said.values()
            )
        three.lines = [line for line in three.lines if line.author_id != BEN]
    assert SNOW not in vocabulary.symbols


def test_what_ended_jobs_left_on_the_disk_is_removed(client: redis.Redis, settings: Settings) -> None:
    def left(job_id: str) -> Path:
        folder = job_folder(settings, job_id)
        (folder / "text").mkdir(parents=True)
        (folder / "text" / "text.txt").write_text("words", "utf-8")
        return folder

    remove_leftovers(settings, client)  # there is no such folder yet
    strangers = Path(ModelStore(settings).where) / "checkpoints" / "README"
    strangers.parent.mkdir(parents=True)
    strangers.write_text("not ours", "utf-8")
    over, unknown, running = left("t-1"), left("t-2"), left("t-3")
    client.hset(keys.job("t-1"), mapping={"job": "{}", "state": "over"})
    client.hset(keys.job("t-3"), "job", "{}")
    remove_leftovers(settings, client)
    assert (over.exists(), unknown.exists(), running.exists(), strangers.exists()) == (False, False, True, True)


def test_words_go_from_the_disk_also_while_the_store_is_away(
    client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = train_job()
    current, before = (job_folder(settings, job.job_id) / name for name in (text_folder(job), "before"))
    over, damaged = (job_folder(settings, job_id) / "text" for job_id in ("t-over", "t-damaged"))
    for folder in (current, before, over, damaged):
        folder.mkdir(parents=True)
    client.hset(keys.job(job.job_id), "job", job.model_dump_json())
    client.set(keys.job("t-damaged"), "of another type")
    with monkeypatch.context() as patch:
        for method in ("names", "remove_folder", "delete"):
            patch.setattr(ModelStore, method, Mock(side_effect=StoreAway("away")))
        remove_leftovers(settings, client)
    assert (current.exists(), before.exists(), over.exists()) == (True, False, False)
    remove_leftovers(settings, client)
    assert not over.parent.exists(), "it was kept to find the copies by"
