"""Texts, comparisons, heat maps, quizzes, cards and deletions, from the message to what is told."""

import io
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from celery.worker.request import Request
from PIL import Image
from structlog.testing import capture_logs

from galvanic import model_file
from galvanic.generate import load_model
from galvanic.options import STARTER
from shared import keys
from shared.events import Compared, Failed, Generated, Pictured, Quizzed, Surprised
from shared.jobs import LOSS_FILE, SURPRISE_FILE, Job, MixPart, ModelRef, QuizJob, Variant
from shared.metrics import JOBS
from shared.settings import Settings
from tests import lives
from tests.factories import examples, record
from tests.lives import expect, require_failure
from tests.worker.jobs import (
    PLACE,
    compare_job,
    generate_job,
    picture_job,
    run,
    surprise_job,
)
from tests.worker.small import LETTERS, save_model, stored
from worker import serve, warm
from worker.handlers import HANDLERS, Handler
from worker.jobs import JobContext
from worker.serve import TrainingRequest
from worker.store import ModelStore, StoreAway, delete_files

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_and_two")]


def _variants(*of: tuple[str, float | None]) -> Sequence[Variant]:
    return tuple(Variant(model_id=name, name=name, temperature=temperature) for name, temperature in of)


def _picture(client: redis.Redis, job_id: str, name: str) -> Image.Image:
    data = cast(bytes, client.get(keys.artifact(job_id, name)))
    return Image.open(io.BytesIO(data), formats=["PNG"])


def test_each_variant_gets_what_it_would_get_alone(client: redis.Redis) -> None:
    variants = _variants(("one", 0.2), ("two", 0.8), ("one", 1.5), ("two", None))
    answer = expect(Compared, run(client, compare_job(variants=variants, random_seed=5)))
    assert answer.random_seed == 5
    assert answer.seed == "the boat"
    for number, (variant, text) in enumerate(zip(variants, answer.texts, strict=True)):
        options = {"model_id": variant.model_id, "temperature": variant.temperature, "random_seed": 5, "length": 60}
        alone = expect(Generated, run(client, generate_job(number, **options)))
        assert (text.model_name, text.temperature, text.text) == (variant.name, alone.temperature, alone.text)
        assert not text.problem


def test_a_variant_that_fails_leaves_the_others(client: redis.Redis) -> None:
    answer = expect(Compared, run(client, compare_job(variants=_variants(("gone", 0.3), ("one", 0.7)))))
    gone, there = answer.texts
    assert "gone from the model store" in gone.problem
    assert (gone.text, gone.temperature) == ("", 0.3)
    assert 1 <= len(there.text) <= 60


def test_a_comparison_of_which_nothing_comes_fails(client: redis.Redis) -> None:
    require_failure(run(client, compare_job(variants=_variants(("one", 0.3), ("two", 0.7)), seed="123")), "knows none")


def test_a_surprise_is_the_score_of_the_text(client: redis.Redis, settings: Settings) -> None:
    text = "the boat\nÉ waits. \U0001f600"
    answer = expect(Surprised, run(client, surprise_job(text)))
    model = warm.WarmModels(settings).use(1, "one", lambda model: model)
    assert answer.nats_per_char == pytest.approx(model.score(text).nats_per_char)
    assert answer.chars == len(text)
    assert {char for char, _ in answer.most} >= {"É", "\U0001f600"}
    assert [cost for _, cost in answer.most] == sorted((cost for _, cost in answer.most), reverse=True)
    assert any("never seen" in note for note in answer.notes)
    assert _picture(client, "s-1", SURPRISE_FILE).width > 400


def test_a_surprise_is_without_custom_emoji(client: redis.Redis, settings: Settings) -> None:
    known, unknown = "<:pog:123456789012345678>", "<:ok:123456789012345679>"
    save_model(stored(settings, "emoji"), [*LETTERS, known])
    answer = expect(Surprised, run(client, surprise_job(f"a {known}b{unknown}", "emoji")))
    assert answer.chars == len("a b")
    alone = expect(Failed, run(client, surprise_job(known, "emoji").model_copy(update={"job_id": "s-2"})))
    assert alone.problem == "The text to score is empty."


def test_a_card_tells_what_the_folder_knows(client: redis.Redis) -> None:
    answer = expect(Pictured, run(client, picture_job(name="harbour")))
    facts = dict(answer.facts)
    assert facts["Network"] == "1 LSTM layer of 24 units"
    assert facts["Its own text"].endswith("no part was kept apart to test it on")
    assert _picture(client, "p-1", LOSS_FILE).size == (800, 500), "the curve alone"


@pytest.mark.parametrize("job", [job for job, _ in examples(PLACE, ("gone", "gone")) if hasattr(job, "model")])
def test_a_model_that_is_gone_is_told(client: redis.Redis, job: Job) -> None:
    require_failure(run(client, job), "gone from the model store")


@pytest.mark.parametrize("damage", [lambda file: b"", lambda file: file[: len(file) // 2]], ids=["empty", "half"])
def test_a_damaged_file_is_told_and_its_cause_logged(
    client: redis.Redis, settings: Settings, damage: Callable[[bytes], bytes]
) -> None:
    path = stored(settings, "one")
    path.write_bytes(damage(path.read_bytes()))
    with capture_logs() as logs:
        require_failure(run(client, generate_job(1)), "This model's file is damaged.")
    (logged,) = (entry for entry in logs if entry["event"] == "model_not_loaded")
    assert (logged["model_id"], logged["log_level"]) == ("one", "error")
    assert "Error" in logged["cause"]


def test_the_files_of_deleted_models_go_but_not_what_a_registry_has(client: redis.Redis, settings: Settings) -> None:
    client.set(keys.model("two"), record(model_id="two").model_dump_json())
    client.sadd(keys.DELETING, "one", "two", "../outside", "gone", b"\xff")
    for _ in range(2):
        delete_files(client, ModelStore(settings))
    assert not stored(settings, "one").exists()
    assert stored(settings, "two").exists()
    assert client.smembers(keys.DELETING) == {b"two", b"../outside", b"\xff"}
    assert isinstance(run(client, generate_job(1)), Failed)


def test_a_file_that_cannot_be_removed_keeps_no_other(
    client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = ModelStore.delete

    def one_fails(store: ModelStore, model_id: str) -> None:
        if model_id == "one":
            raise StoreAway
        remove(store, model_id)

    client.sadd(keys.DELETING, "one", "two")
    with monkeypatch.context() as failing:
        failing.setattr(ModelStore, "delete", one_fails)
        with pytest.raises(StoreAway):
            delete_files(client, ModelStore(settings))
    assert client.smembers(keys.DELETING) == {b"one"}
    delete_files(client, ModelStore(settings))
    assert not client.exists(keys.DELETING)


def test_the_starter_is_in_no_store(client: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_failure(run(client, generate_job(1, model_id=STARTER, model_name=STARTER)), "isn't installed")
    save_model(tmp_path / "starter", seed=3)
    monkeypatch.setattr(model_file, "STARTER_FILE", tmp_path / "starter")
    answer = expect(Generated, run(client, generate_job(2, model_id=STARTER, model_name=STARTER)))
    assert answer.text
    models = warm.warm_models()
    models.forget_deleted(client)
    assert models.ids() == {STARTER}


def test_a_worker_does_not_start_with_a_kind_of_job_that_nothing_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serve._require_handlers()
    monkeypatch.delitem(HANDLERS, "quiz")
    with pytest.raises(SystemExit):
        serve._require_handlers()
    assert "quiz" in capsys.readouterr().err


def test_an_attempt_that_comes_too_late_says_nothing_and_breaks_nothing(client: redis.Redis) -> None:
    job = picture_job()

    def work(_job: Job, _context: JobContext) -> Pictured:
        lives.take(client, job.job_id, "another worker").publish(Pictured())
        return Pictured()

    lives.enter(client, job)
    Handler(type(job), work).run(*lives.message(client, job.job_id))
    assert [event.kind for event in lives.told(client, job.job_id)] == ["queued", "interrupted", "pictured"]


def test_many_jobs_at_once_are_all_answered(client: redis.Redis) -> None:
    jobs = [generate_job(number, top_k=3 + number % 4) for number in range(20)]
    jobs[3] = generate_job(3, seed="")
    jobs[4] = generate_job(4, model_id="gone")
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda job: run(client, job), jobs))
    for job, answer in zip(jobs, answers, strict=True):
        if job.job_id in ("g-3", "g-4"):
            assert isinstance(answer, Failed)
            assert answer.remedy
        else:
            assert isinstance(answer, Generated)
            assert 1 <= len(answer.text) <= job.length
            assert answer.random_seed == job.random_seed
    assert answers[3] != answers[4]


def test_every_wish_of_a_job_is_heeded(client: redis.Redis) -> None:
    plain = expect(Generated, run(client, generate_job(1, length=180, random_seed=17)))
    all_options: list[dict[str, Any]] = [
        {"temperature": 0.1},
        {"top_k": 1},
        {"top_p": 0.1},
        {"min_p": 0.9},
        {"temperature": 0, "guard": False},
        {"stop": "sentence"},  # with this random seed, the last one ends before the last line
        {"from_corpus": True, "seed": ""},
        {"random_seed": 77},
        {"mix": tuple(MixPart(model_id=name, name=name, weight=1) for name in ("one", "two"))},
    ]
    for number, options in enumerate(all_options, 2):
        answer = expect(Generated, run(client, generate_job(number, **{"length": 180, "random_seed": 17, **options})))
        assert answer.text != plain.text, options


def test_a_message_that_is_delivered_twice_is_answered_once(client: redis.Redis) -> None:
    job = generate_job(1)
    first = run(client, job)
    HANDLERS["generate"].run(*lives.message(client, job.job_id))
    assert run(client, job) == first


FIXTURE = Path(__file__).parents[1] / "fixtures" / "models" / "char.safetensors"


def quiz(number: int, **fields: object) -> QuizJob:
    wanted = {"model": ModelRef(model_id="tides", name="tides"), "passages": 4, "seconds": 60, **fields}
    return QuizJob.model_validate({"job_id": f"q-{number}", "place": PLACE, **wanted})


def test_one_passage_is_the_texts_and_it_may_stand_anywhere(client: redis.Redis, settings: Settings) -> None:
    stored(settings, "tides").parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(FIXTURE, stored(settings, "tides"))
    model = load_model(FIXTURE)
    texts = [" ".join(model.vocabulary.decode(window).split()) for window in model.windows]
    places = set()
    for number in range(12):
        answer = expect(Quizzed, run(client, quiz(number)))
        assert len(answer.passages) == 4
        assert [any(passage in text for text in texts) for passage in answer.passages].count(True) == 1
        assert any(answer.passages[answer.real] in text for text in texts)
        places.add(answer.real)
    assert len(places) > 1


# ---------------------------------------------------------------------- what is counted


def ended(kind: str, outcome: str) -> float:
    count: float = JOBS.labels(kind, outcome)._value.get()
    return count


@pytest.mark.parametrize("outcome", ["finished", "failed", "interrupted", "superseded"])
def test_how_a_training_ended(monkeypatch: pytest.MonkeyPatch, outcome: str) -> None:
    monkeypatch.setattr(Request, "send_event", lambda *_, **__: None)
    training = TrainingRequest.__new__(TrainingRequest)
    before = ended("train", outcome)
    training.send_event("task-started")
    training.send_event("task-succeeded", result=repr(outcome), runtime=2.0)
    training.send_event("task-succeeded", result=repr(None), runtime=2.0)  # its message was out of date
    assert ended("train", outcome) == before + 1


def test_texts_are_counted(client: redis.Redis) -> None:
    finished, failed = ended("generate", "finished"), ended("generate", "failed")
    run(client, generate_job(1, length=50))
    run(client, generate_job(2, model_id="gone"))
    assert (ended("generate", "finished") - finished, ended("generate", "failed") - failed) == (1, 1)
