"""Passages of a text and of its model cannot be told apart by their form."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from galvanic import passages
from galvanic.errors import UserError
from galvanic.generate import TextModel, load_model
from galvanic.model_file import Ancestor
from tests.worker import small

pytestmark = pytest.mark.slow
FIXTURES = Path(__file__).parents[1] / "fixtures" / "models"


def fixture(recipe: str = "char") -> TextModel:
    return load_model(FIXTURES / f"{recipe}.safetensors")


def drawn(model: TextModel, written: int = 3, blocked: str = "\0") -> list[str]:
    """Return all passages, the real one first."""
    real, others = passages.pick_passages(model, written, lambda text: blocked in text, math.inf)
    return [real, *others]


@pytest.mark.parametrize("recipe", ["char", "word"])
def test_they_begin_and_end_alike(recipe: str) -> None:
    model = fixture(recipe)
    texts = [re.sub(r"\s*\n\s*", "\n", model.vocabulary.decode(window)) for window in model.windows]
    for _ in range(3):
        found = drawn(model)
        text = next(text for text in texts if re.search(rf"\s{re.escape(found[0])}", text))
        assert re.match(r"\W|\Z", text.partition(found[0])[2]), "it ends with a word"
        assert len(set(found)) == 4
        for passage in found:
            assert passage == passage.strip()
            assert not re.search(r"\s\s", passage)
            assert passages.LEAST // 2 <= len(passage) <= passages.MOST
        assert max(map(len, found[1:])) <= len(text)


def test_lines_stay_lines() -> None:
    """Else capitals within a line would show which is verse."""
    model = small.model("\nABab ")
    model.windows = model.vocabulary.encode("a b\n\n" + "A b ab\nB a  ab\n" * 6).astype(np.uint8)[None]
    assert drawn(model, 1)[0].startswith("b\nA b ab\nB a ab\nA b ab")


def test_none_has_a_hit_of_the_blocklist() -> None:
    model = fixture()
    texts = [model.vocabulary.decode(window) for window in model.windows]
    assert any("harbour" in text for text in texts)
    for _ in range(5):
        assert not any("harbour" in passage for passage in drawn(model, blocked="harbour"))
    with pytest.raises(UserError, match="keeps no passage"):
        drawn(model, blocked="e")


def test_what_is_copied_from_the_text_is_drawn_again_and_given_up_in_the_end() -> None:
    model = small.model("a")  # it can write nothing but its text
    model.windows = np.zeros((2, 100), np.uint8)
    with pytest.raises(UserError, match="copies its text"):
        drawn(model, 1)


def test_peoples_messages_and_the_tutorials_loops_are_refused() -> None:
    model = fixture()
    corpus = model.description.corpus.model_copy(update={"source": "channel"})
    ancestor = Ancestor(name="a", weights_sha256="0", corpus=corpus.model_copy(update={"reading": "r1"}), epochs=1)
    chat = model.description.corpus.model_copy(update={"chat": True})
    for changes in ({"corpus": corpus}, {"corpus": chat}, {"lineage": (ancestor,)}):
        model.description = fixture().description.model_copy(update=changes)
        with pytest.raises(UserError, match="people's messages"):
            drawn(model)
    with pytest.raises(UserError, match="takes the likeliest character"):
        drawn(fixture("classic"))


def test_who_waits_too_long_is_told_so() -> None:
    with pytest.raises(UserError, match="wasn't done in time"):
        passages.pick_passages(fixture(), 1, lambda _: False, 0.0)
