"""Of several candidates one is taken: that of which the words tell most."""

from typing import Any

import pytest
import redis

from galvanic.generate import load_model
from galvanic.model_file import save
from galvanic.related import related
from galvanic.text.edges import speech
from shared.events import Generated
from shared.jobs import MixPart
from shared.settings import Settings
from tests.lives import expect, require_failure
from tests.worker.jobs import generate_job, run
from tests.worker.small import biased, description_of, network, stored, windows
from worker import warm
from worker.store import ModelStore

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_and_two")]

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


def test_models_that_are_too_large_together_are_not_mixed(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "MOST_MIXED_MB", 0)
    parts = tuple(MixPart(model_id=name, name=name, weight=1) for name in ("one", "two"))
    require_failure(run(client, generate_job(mix=parts)), "too large to write together")
