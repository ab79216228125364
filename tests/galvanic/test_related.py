"""How much a seed tells of what was written behind it."""

import math
import time

import numpy as np
import pytest

from galvanic.copying import RUN
from galvanic.errors import UserError
from galvanic.generate import TextModel, load_model
from galvanic.related import _recited, related
from galvanic.text import RECIPES
from tests.worker.small import LETTERS, model
from tests.worker.texts import SENTENCE, Memorised

pytestmark = pytest.mark.slow


def behind(small: TextModel, before: str, text: str) -> float:
    """Log probability of a text behind another one, read in one piece."""
    ids = [RECIPES[small.recipe].seed(one, small.vocabulary).ids for one in (before, before + text)]
    return float(small.predictor.read(ids[1])[len(ids[0]) :].sum())


@pytest.mark.parametrize("seed", ["the boat\n", "anna. the boat.\nbert. no\necho. ", "the boat"])
def test_it_is_what_the_words_add_for_each_symbol_of_the_beginning(seed: str) -> None:
    small = model()
    texts = ["and the wind", "no", "x" * 150]
    words, _, rest = seed.rpartition("\n")
    expected = [
        (behind(small, seed, text) - behind(small, f"{words[-1:]}\n{rest}", text)) / len(text)
        for text in (text[:64] for text in texts)
    ]
    assert related(small, seed, texts) == pytest.approx(expected, abs=1e-4)


def test_words_of_several_characters_count_once() -> None:
    small = model((*LETTERS, " red", " boat", " sings"), recipe="word")
    (found,) = related(small, "the boat\na. ", ["red boat"])
    before, bare, text = (small.vocabulary.encode(one) for one in ("the boat\na.", "t\na.", " red boat"))
    assert len(text) == 2
    told, alone = (float(small.predictor.read(np.concatenate([one, text]))[len(one) :].sum()) for one in (before, bare))
    assert found == pytest.approx((told - alone) / 2, abs=1e-4)


def test_long_rows_that_the_model_is_sure_of_are_recited() -> None:
    sure = np.full(3 * RUN, math.log(0.9), np.float32)
    sure[RUN - 1] = sure[-1] = math.log(0.4)
    assert _recited(sure).tolist() == [False] * RUN + [True] * (2 * RUN - 1) + [False]


def test_what_a_model_has_by_heart_does_not_count(memorised: Memorised, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(memorised[0])
    seed, rest = f"{SENTENCE[:20]}\n", SENTENCE[20:] + SENTENCE[:20]
    (counted,) = related(model, seed, [rest])
    monkeypatch.setattr("galvanic.related._recited", lambda log_probs: np.zeros(len(log_probs), bool))
    (all_of_it,) = related(model, seed, [rest])
    assert counted < all_of_it


def test_it_is_given_up_in_time() -> None:
    with pytest.raises(UserError):
        related(model(), "the boat\n", ["and the wind"], until=time.monotonic() - 1)
