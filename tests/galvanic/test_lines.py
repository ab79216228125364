"""A text that nobody gave a beginning begins with a line of its corpus."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

import galvanic
from galvanic.generate import Mixture, load_model
from galvanic.request import WriteRequest
from galvanic.text.edges import LONGEST, pick_line
from tests.galvanic.test_model_file import FIXTURES
from tests.worker.small import biased, model, network

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("window", "line"),
    [
        ("d of the verse\nA line of its own,\nand the nex", "A line of its own,"),
        ("d of it.\n\n   Indented it begins\nand goes", "Indented it begins"),
        ("end. The second sentence begins he", "The second sentence begins"),
        ('end." \u201cSo it is,\u201d said the old man, wai', "\u201cSo it is,\u201d said the old man,"),
        ("ords all the way and no end of them in si", "all the way and no end of them in"),
        (
            "\u5b8c\u3002\u6211\u4eec\u660e\u5929\u518d\u6765\u8fd9\u91cc\u770b\u770b\u5427\u597d",
            "\u6211\u4eec\u660e\u5929\u518d\u6765\u8fd9\u91cc\u770b\u770b\u5427\u597d",
        ),
        ("short", "short"),
    ],
)
def test_examples(window: str, line: str) -> None:
    assert pick_line(lambda: window) == line


def test_a_line_without_a_small_letter_at_its_beginning_comes_first() -> None:
    windows = iter(["x\nthis line is small\n", "end. so is this\n", "x\nBut here it does begin\n"])
    assert pick_line(lambda: next(windows)) == "But here it does begin"
    assert pick_line(lambda: "a, b\n(lol no way)\nand so on") == "(lol no way)"


def test_where_nothing_is_kept_a_text_begins_with_a_paragraph_and_a_capital() -> None:
    starter = load_model(Path(galvanic.__file__).with_name("starter.safetensors"))
    requests = [WriteRequest(seed="", length=300, random_seed=number, from_line=True) for number in range(12)]
    texts = [written.seed + written.text for written in starter.generate_batch(requests)]
    assert [text[0] for text in texts if not text[0].isupper()] == []
    assert sum(text.rstrip("\"'”’")[-1] in ".!?" for text in texts) >= 9, "a sentence seldom takes all the length"
    line_breaks = model("\na", weights=biased(network(2), [1, 0]))
    line_breaks.windows[:] = 0
    for written in line_breaks.generate_batch(requests):
        assert (written.seed, written.text[0]) == ("", "a")


@given(st.text("ab .!\n\u3002", min_size=1, max_size=150))
def test_a_line_is_a_piece_of_the_window(window: str) -> None:
    line = pick_line(lambda: window)
    assert line
    assert line in window
    if line != window:
        assert "\n" not in line
        assert len(line) <= LONGEST


def test_the_same_random_seed_gives_the_same_line_and_text() -> None:
    one, two = (model(seed=seed) for seed in (1, 2))
    for author in (one, Mixture([(one, 0.7), (two, 0.3)])):
        request = WriteRequest(seed="", length=50, random_seed=4, from_line=True)
        first, second, other = author.generate_batch(
            [request, request, WriteRequest(seed="", length=50, from_line=True)]
        )
        assert (first.seed, first.text) == (second.seed, second.text)
        assert first.seed
        assert other.text != first.text
        again = author.generate(first.seed, 50, random_seed=4)
        assert again.seed == first.seed


@pytest.mark.parametrize("recipe", ["classic", "word"])
def test_lines_of_every_recipe_can_be_read(recipe: str) -> None:
    author = load_model(FIXTURES / "models" / f"{recipe}.safetensors")
    for seed in range(5):
        written = author.generate_batch([WriteRequest(seed="", length=20, random_seed=seed, from_line=True)])[0]
        assert not isinstance(written, Exception)
        assert 10 <= len(written.seed) <= LONGEST
        assert not written.notes
        known = {author.vocabulary.decode(np.asarray(window)) for window in author.windows}
        assert any(written.seed in window for window in known)
