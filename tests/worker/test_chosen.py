"""What a worker takes of what it draws: nothing on the blocklist, and of several what the words tell most of."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from galvanic.errors import UserError
from galvanic.generate import load_model
from galvanic.model_file import memory, save
from galvanic.related import related
from galvanic.request import WriteRequest
from galvanic.text.edges import speech
from galvanic.units import MEGABYTE
from shared.blocklist import Blocklist
from shared.events import Compared, Generated
from shared.jobs import MixPart, Variant
from shared.settings import Settings
from tests.galvanic.test_model_file import FIXTURES
from tests.lives import expect, require_failure
from tests.worker.jobs import compare_job, generate_job, run
from tests.worker.small import biased, description_of, network, stored, windows
from worker import warm
from worker.store import ModelStore

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_and_two")]

BLOCKED = ("aa",)
_TWO = tuple(Variant(model_id="old", name="old", temperature=t) for t in (0.5, 1.0))


@pytest.fixture
def coin(settings: Settings, client: redis.Redis) -> redis.Redis:
    """Redis, beside a store with the model `coin`, which writes `a` or a space, whatever came before."""
    config = network(2)
    save(stored(settings, "coin"), description_of(" a", config), biased(config, [0, 0]), windows(2))
    return client


def _write(client: redis.Redis, number: int = 0, **fields: Any) -> Generated:
    defaults = {"model_id": "coin", "seed": "a ", "length": 3, "random_seed": None, "temperature": 1.0, "guard": False}
    return expect(Generated, run(client, generate_job(number, **{**defaults, "blocked": BLOCKED, **fields})))


def test_a_hit_is_drawn_again_by_many_at_once(coin: redis.Redis) -> None:
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda number: _write(coin, number), range(80)))
    # One in four has a hit at first, so that 20 of 80 are expected if nothing is drawn again, and 0.3 otherwise.
    assert sum(answer.masked for answer in answers) < 6
    assert len({answer.text for answer in answers}) > 1


def test_the_random_seed_of_the_answer_gives_the_same_text(coin: redis.Redis) -> None:
    for number in range(12):
        answer = _write(coin, number, length=5)
        pinned = _write(coin, 100 + number, length=5, random_seed=answer.random_seed)
        assert (pinned.text, pinned.masked) == (answer.text, answer.masked)


def test_a_note_that_quotes_the_seed_is_covered(settings: Settings, client: redis.Redis) -> None:
    ModelStore(settings).save(FIXTURES / "models" / "classic.safetensors", "old")
    fields = {"model_id": "old", "seed": "The SEA!", "blocked": ("sea",), "random_seed": 1}
    for answer in (
        run(client, generate_job(1, **fields)),
        run(client, compare_job(seed="The SEA!", variants=_TWO, blocked=("sea",))),
    ):
        assert isinstance(answer, Generated | Compared)
        assert any("reads your words" in note for note in answer.notes)
        assert "sea" not in " ".join(answer.notes)


def test_what_cannot_be_drawn_otherwise_is_covered(coin: redis.Redis) -> None:
    always = ("*a*",)
    answers = [
        _write(coin, 1, length=60, blocked=always),
        _write(coin, 2, length=60, blocked=always, from_line=True),
        _write(coin, 3, length=60, blocked=always, seed="", from_corpus=True),
        _write(coin, 4, length=60, blocked=always, temperature=0, seed="aaa"),
    ]
    for answer in answers:
        assert answer.masked
        assert "a" not in answer.seed + answer.text


@pytest.mark.parametrize(
    ("seed", "shown", "visible"), [("ba", None, "ba"), ("a", None, "█"), ("ba", 1, "█"), ("aa ba", 1, "█")]
)
def test_a_hit_is_covered_however_seed_and_text_are_shown(seed: str, shown: int | None, visible: str) -> None:
    from worker.writing import _mask

    blocklist = Blocklist(("a", "aa"))
    covered, _ = _mask(blocklist, seed, " ", shown)
    assert covered.endswith(visible)
    joined, text = _mask(blocklist, "ba", "a a", None)
    assert (joined, text) == ("ba", "█ █")


def test_a_comparison_keeps_to_it_too(coin: redis.Redis) -> None:
    variants = tuple(Variant(model_id="coin", name="coin", temperature=t) for t in (0.0, 1.0))
    answer = expect(Compared, run(coin, compare_job(variants=variants, seed="a", length=80, blocked=("*a*",))))
    assert "a" not in answer.seed + "".join(one.text for one in answer.texts)
    assert answer.masked
    assert not answer.notes


# ---------------------------------------------------------------------- of several the best is taken

_number = iter(range(10**6))


def written(client: redis.Redis, **fields: Any) -> Generated:
    job = generate_job(next(_number), **{"seed": "the boat\n", "length": 60, "random_seed": 1, **fields})
    return expect(Generated, run(client, job))


@pytest.fixture
def breaks(settings: Settings, client: redis.Redis) -> redis.Redis:
    """Redis, beside a store with the model `breaks`, which writes `a`, `b` or a line break, whatever came before."""
    config = network(3)
    save(stored(settings, "breaks"), description_of("\nab", config), biased(config, [0, 0, 0]), windows(3))
    return client


def test_the_one_is_taken_that_the_words_tell_most_of(client: redis.Redis, settings: Settings) -> None:
    each = [written(client, random_seed=number).text for number in range(1, 9)]
    with ModelStore(settings).reading("one") as path:
        told = related(load_model(path), "the boat\n", each)
    chosen = written(client, candidates=8)
    assert len(set(each)) > 1
    assert chosen.text == each[told.index(max(told))]
    assert chosen.text != each[0], "this seed's best is not its first: else this would show nothing"


def test_the_same_random_seed_gives_the_same_answer(client: redis.Redis) -> None:
    drawn = written(client, candidates=8, random_seed=None)
    assert written(client, candidates=8, random_seed=drawn.random_seed).text == drawn.text


def test_an_answer_is_what_one_speaker_says(settings: Settings, client: redis.Redis) -> None:
    """A model of a play writes names before words, which are not the persona's."""
    symbols, config = "\n :Aab", network(6)
    save(stored(settings, "play"), description_of(symbols, config), biased(config, [2, 0, 2, 2, 0, 0]), windows(6))
    asked = {"model_id": "play", "temperature": 1.0, "guard": False}
    differ = 0
    for number in range(30):
        text = written(client, **asked, random_seed=number).text
        answer = written(client, **asked, random_seed=number, shown=0)
        assert answer.text == (speech(text) or text)
        differ += answer.text != text
        line = written(client, **asked, random_seed=number, seed="", from_line=True)
        whole = written(client, **asked, random_seed=number, seed="", from_line=True, shown=0)
        assert (whole.seed, whole.text) == ("", speech(line.seed + line.text) or line.seed + line.text)
    assert differ


def test_one_with_a_hit_of_the_blocklist_loses(breaks: redis.Redis) -> None:
    asked = {"model_id": "breaks", "seed": "a\n", "temperature": 1.0, "guard": False, "length": 3, "blocked": ("aa*",)}
    alone = [written(breaks, **asked, random_seed=100 * number) for number in range(30)]
    several = [written(breaks, **asked, random_seed=100 * number, candidates=8) for number in range(30)]
    assert any(one.masked for one in alone)
    assert not any(one.masked for one in several)


@pytest.mark.parametrize(("length", "dot", "sign"), [(2, 0, "a"), (100, -1.5, ".")])
def test_one_that_is_only_a_sign_or_breaks_off_loses(
    settings: Settings, client: redis.Redis, length: int, dot: float, sign: str
) -> None:
    config = network(3)
    save(stored(settings, "stops"), description_of(" .a", config), biased(config, [0, dot, 1]), windows(3))
    asked = {"model_id": "stops", "seed": "a a", "temperature": 1.0, "guard": False, "length": length}
    alone, several = (
        [written(client, **asked, random_seed=9 * number, candidates=most).text.strip() for number in range(30)]
        for most in (1, 8)
    )
    assert not all(sign in text[-2:] for text in alone)
    assert all(sign in text[-2:] for text in several)


def test_models_that_are_too_large_together_are_not_mixed(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "MOST_MIXED_MB", 0)
    parts = tuple(MixPart(model_id=name, name=name, weight=1) for name in ("one", "two"))
    require_failure(run(client, generate_job(mix=parts)), "too large to write together")


def test_all_mixtures_share_the_room(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    models = warm.WarmModels(settings)
    parts = tuple(MixPart(model_id=name, name=name, weight=1) for name in ("one", "two"))
    size = models.use(1, "one", lambda model: memory(model.description.network))
    monkeypatch.setattr(warm, "MOST_MIXED_MB", 3 * size / MEGABYTE)
    request = WriteRequest(seed="the boat", length=5)
    refused = list[str]()

    def mix_another(*_: Any) -> bool:
        with pytest.raises(UserError, match="Other mixtures") as refusal:
            models.write_mixed(1, parts, request)
        refused.append(refusal.value.remedy)
        return True

    models.write_mixed(1, parts, request.model_copy(update={"enough": mix_another}))
    assert refused == ["Try again in a minute."]
    assert models.write_mixed(1, parts, request).text
