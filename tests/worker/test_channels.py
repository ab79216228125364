"""Trainings on a channel's text: it is learned as it is in Redis, kept with no model, and gone when it isn't needed."""

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import redis

from galvanic.generate import load_model
from galvanic.model_file import load
from galvanic.ngrams import FREE, ORDERS
from galvanic.options import TrainOptions
from galvanic.request import WriteRequest
from shared import keys
from shared.events import Finished, Interrupted, Sample
from shared.lifecycle import give_up
from shared.settings import Settings
from tests import lives
from tests.factories import train_job
from tests.galvanic.test_companion import passages
from tests.lives import expect, require_failure
from tests.worker.channels import ANN, BEN, RAIN, SMALL, SNOW, Channel, book_job, in_the_middle, interrupt, messages
from tests.worker.small import stored
from worker.checkpoints import TextFiles, job_folder, remove_leftovers, text_folder
from worker.store import ModelStore, StoreAway

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
    model_id: Any = channel.client.hget(keys.job("t-1"), "model_id")
    return (model_id or b"").decode()


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


@pytest.mark.parametrize("text", [b"not zlib", zlib.compress(b"\xff\xfe\xfd")])
def test_a_training_whose_text_is_damaged_ends(text: bytes, channel: Channel) -> None:
    job = channel.enter()
    channel.client.set(keys.job_text(job.job_id), text)
    require_failure(channel.train(job), "Something went wrong in the worker")


def test_a_training_on_a_book_needs_no_authors(channel: Channel) -> None:
    expect(Finished, channel.train(book_job(channel.client)))


# ---------------------------------------------------------------------- its words

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
