"""What a model and a mixture make of requests; scores and surprise."""

import functools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from galvanic.errors import UserError
from galvanic.generate import Mixture, TextModel, load_model
from galvanic.request import WriteRequest
from galvanic.results import Generation
from galvanic.text.recipe import UNICODE_SCALARS
from shared.settings import Settings
from tests.worker.small import LETTERS, biased, model, network, save_model
from tests.worker.texts import SENTENCE, Memorised
from worker.store import ModelStore
from worker.warm import WarmModels

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def small() -> TextModel:
    return model()


def test_a_sign_that_only_the_parent_learned_is_read_as_the_texts_own(tmp_path: Path) -> None:
    save_model(tmp_path / "tuned.safetensors", ' "“”abc', text='"a" b "cab" ' * 9)
    tuned = load_model(tmp_path / "tuned.safetensors")
    for author in (tuned, Mixture([(tuned, 1.0), (tuned, 1.0)])):
        plain, curly = (author.generate(seed, 40, random_seed=1).text for seed in ('"a" ', "“a” "))
        assert curly == plain
    assert tuned.score("“a”").nats_per_char > tuned.score('"a"').nats_per_char, "how they are written costs"


def test_continues_what_it_memorised(memorised: Memorised) -> None:
    model = load_model(memorised[0])
    written = model.generate("A small red", length=200, temperature=0, random_seed=1, guard=False)
    assert ("A small red" + written.text).startswith((SENTENCE * 4).rstrip())
    assert written.text.endswith("dawn.")
    assert model.score(SENTENCE * 20).nats_per_char < 0.3


def test_from_corpus_begins_with_a_window_of_it(memorised: Memorised, classic: Path) -> None:
    written = load_model(memorised[0]).generate("", length=20, from_corpus=True)
    assert written.seed in SENTENCE * 10
    written = load_model(classic).generate("", length=20, from_corpus=True)
    assert len(written.seed) == 100
    assert written.temperature == 0


def test_unseen_characters_are_told_and_charged(memorised: Memorised) -> None:
    model = load_model(memorised[0])
    written = model.generate("red § boat", length=10)
    assert "§" in written.notes[0]
    plain, strange = model.score(SENTENCE * 3), model.score(SENTENCE * 3 + "§")
    added = strange.nats_per_char * strange.chars - plain.nats_per_char * plain.chars
    assert added == pytest.approx(math.log(UNICODE_SCALARS / model.description.unseen), rel=1e-3)
    assert strange.bits_per_char == pytest.approx(strange.nats_per_char / math.log(2))
    assert model.score("§§").nats_per_char > 10


def test_requests_of_a_batch_get_what_they_get_alone(small: TextModel) -> None:
    requests = [
        WriteRequest(seed="the boat", length=90, random_seed=1),
        WriteRequest(seed="", length=90, random_seed=2),
        WriteRequest(seed="a", length=200, temperature=0, random_seed=3),
        WriteRequest(seed="wind and wind", length=30, temperature=1.4, random_seed=4, top_k=4, stop="line"),
        WriteRequest(seed="漢", length=10, random_seed=5),
        WriteRequest(length=100, random_seed=6, from_corpus=True, top_p=0.5, guard=False),
    ]
    together = small.generate_batch(requests)
    for request, result in zip(requests, together, strict=True):
        (alone,) = small.generate_batch([request])
        if isinstance(result, UserError):
            assert isinstance(alone, UserError)
            assert alone.problem == result.problem
        else:
            assert isinstance(alone, Generation)
            assert (alone.text, alone.seed) == (result.text, result.seed)
    assert [isinstance(result, UserError) for result in together] == [False, True, False, False, True, False]
    assert 200 / 4 < len(together[2].text) <= 200  # type: ignore[union-attr]


@pytest.mark.parametrize("options", [{"top_p": 1.0}, {"top_k": len(LETTERS)}, {"top_k": 1_000}])
def test_a_filter_that_leaves_out_nothing_changes_no_text(options: dict[str, float], small: TextModel) -> None:
    plain, filtered = (small.generate("a", 300, random_seed=1, **chosen) for chosen in ({}, options))
    assert filtered.text == plain.text


def test_words_are_written_until_there_are_enough_characters() -> None:
    symbols = (*LETTERS, " red", " boat", " harbour", " sings")
    words = model(symbols, recipe="word")
    for length in (1, 7, 250):
        assert 1 <= len(words.generate(" red", length, random_seed=1).text) <= length
    # One of these words each time: far fewer symbols than characters.
    config = network(len(symbols))
    logits = np.zeros(len(symbols))
    logits[-4:] = 30
    only = model(symbols, weights=biased(config, logits), recipe="word")
    text = only.generate(" red", 100, random_seed=1).text
    assert len(text) > 100 - len(" harbour")
    assert set(text.split()) <= {"red", "boat", "harbour", "sings"}


def test_classic_loops_unless_the_guard_is_asked_for(classic: Path) -> None:
    tutorial = load_model(classic)
    free = tutorial.generate("boat harbour", 400)
    guarded = tutorial.generate("boat harbour", 400, guard=True)
    assert free.temperature == 0
    assert free.text != guarded.text
    drawn = [
        tutorial.generate("boat harbour", 60, temperature=1.5, top_k=2, random_seed=seed).text for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_surprise_is_the_score_spread_over_the_characters(small: TextModel, classic: Path) -> None:
    texts = ["the boat. 7 winds§", "one\ntwo\nthree", "a", "x" * 700]
    words = model((*LETTERS, " red", " boat", "boat"), recipe="word")
    for one, text in [*((small, text) for text in texts), *((words, text) for text in ("boat red boat 7!", "§ red"))]:
        score = one.score(text)
        assert len(score.nats) == score.chars == len(text)
        assert sum(score.nats) == pytest.approx(score.nats_per_char * score.chars)
        assert min(score.nats) > 0
    with pytest.raises(UserError, match="can't score"):
        load_model(classic).score("the boat")


def test_a_mixture_draws_from_the_weighted_mean() -> None:
    config = network(3)
    one = model("abc", weights=biased(config, np.log([0.7, 0.2, 0.1])))
    other = model("bcd", weights=biased(config, np.log([0.5, 0.1, 0.4])))
    mixture = Mixture([(one, 3), (other, 1)])
    requests = [
        WriteRequest(seed="a", length=300, temperature=1.0, random_seed=seed, guard=False) for seed in range(32)
    ]
    texts = [result.text for result in mixture.generate_batch(requests) if isinstance(result, Generation)]
    counts = np.array([sum(text.count(char) for text in texts) for char in "abcd"])
    expected = counts.sum() * (0.75 * np.array([0.7, 0.2, 0.1, 0]) + 0.25 * np.array([0, 0.5, 0.1, 0.4]))
    assert counts.sum() == 32 * 300
    assert ((counts - expected) ** 2 / expected).sum() < 16.3  # 99.9 % quantile with 3 degrees of freedom


def test_a_model_skips_what_it_does_not_know() -> None:
    # "b" knows only "x", which it predicts whatever it reads; "a" is as it is alone.
    letters = model("abc", seed=3, units=(32,))
    numbers = model("x", weights=biased(network(1), [0.0]))
    mixture = Mixture([(letters, 1.0), (numbers, 1e-9)])
    seed = "abxxcxab"
    mixed = mixture.generate(seed, 100, temperature=0, guard=False)
    assert mixed.text == letters.generate("abcab", 100, temperature=0, guard=False).text
    assert mixed.notes == ()
    assert "§" in mixture.generate("a§", 5).notes[0]


_shared = functools.cache(model)


@settings(max_examples=20)
@given(text=st.text(min_size=1, max_size=60))
def test_any_text_can_be_scored_and_most_be_continued(text: str) -> None:
    one = _shared()
    assert math.isfinite(one.score(text).nats_per_char)
    assert len(one.score(text).nats) == len(text)
    (written,) = one.generate_batch([WriteRequest(seed=text, length=5, random_seed=0)])
    assert isinstance(written, UserError) or 1 <= len(written.text) <= 5


def _warm(folder: Path, *names: str) -> WarmModels:
    chosen = Settings(data_dir=folder / "data", model_store=str(folder / "store"), warm_models=2, _env_file=None)
    for seed, name in enumerate(names):
        save_model(folder / name, seed=seed)
        ModelStore(chosen).save(folder / name, name)
    return WarmModels(chosen)


def test_a_model_that_is_in_use_is_not_loaded_a_second_time(tmp_path: Path) -> None:
    warm = _warm(tmp_path, "one", "two", "three")  # two are kept

    def use_the_others(held: TextModel) -> TextModel:
        for other in ("two", "three"):
            warm.use(1, other, lambda _: None)
        assert warm.use(1, "one", lambda again: again is held)
        return held

    held = warm.use(1, "one", use_the_others)
    for other in ("two", "three"):
        warm.use(1, other, lambda _: None)
    assert warm.use(1, "one", lambda again: again is not held), "it makes room once nobody uses it"


def test_what_may_follow_is_as_likely_as_when_it_is_read() -> None:
    letters, numbers = model("abc", units=(24, 16)), model("bc1", seed=1)
    for author in (letters, Mixture([(letters, 2), (numbers, 1)])):
        ids = author.vocabulary.encode("abccab" * 20)
        following = [author.vocabulary.encode(text) for text in ("a", "bc", "c")]
        before, after = author.predictor.read_ahead(ids, following)
        assert np.array_equal(before, author.predictor.read(ids))
        for text, log_probs in zip(following, after, strict=True):
            assert np.array_equal(author.predictor.read(np.append(ids, text))[-len(text) :], log_probs)
        with pytest.raises(UserError, match="in time"):
            author.predictor.read_ahead(ids, following, -math.inf)
