"""How much of a sample stands verbatim in a corpus."""

import random

import pytest
from hypothesis import given, settings, strategies as st

from galvanic.copying import copied_share, known_words
from galvanic.text import prepare, recipe as recipe_module
from tests.worker.texts import babble

BOOK = babble(3_000, seed=1)
OWN = "".join(chr(0x4E00 + i) for i in range(300))
"""Characters that are in no corpus here."""


def score(samples: list[str], corpus: str) -> float:
    return copied_share(samples, [corpus[start : start + 50] for start in range(0, len(corpus), 50)], 30)


def test_constructed_cases() -> None:
    quoted = BOOK[500:600]
    assert score([quoted], BOOK) == 1
    assert score([OWN[:50] + quoted + OWN[50:100]], BOOK) == 0.5
    assert score([OWN], BOOK) == 0
    # One short of a run, and exactly one.
    assert score([OWN[:10] + OWN[100:129]], OWN[100:129] + BOOK) == 0
    assert score([OWN[:10] + OWN[100:130]], OWN[100:130] + BOOK) == 0.75
    # No run goes from one sample to the next.
    assert score([OWN[:20], OWN[20:40]], OWN) == 0
    assert score([OWN[:20], OWN[20:60], ""], OWN) == 40 / 60
    assert score([], BOOK) == score([""], BOOK) == 0
    # Longer than the parts that are read.
    assert score([BOOK[100:900]], BOOK) == 1


@pytest.mark.parametrize("recipe", ["char", "word"])
def test_a_text_as_it_was_learned(recipe: str) -> None:
    prepared = prepare(BOOK, recipe)
    assert copied_share([BOOK[50:150] + OWN[:100]], prepared.parts()) == 0.5


def evened(text: str) -> str:
    """What the score makes of blank space and of rows of a sign."""
    found = ""
    for char in text:
        same = " " if char.isspace() else char
        found += same if same.isalpha() or not found.endswith(same) else ""
    return found


LETTERS = "abé😀\udc00 \n"


@settings(max_examples=150)
@given(
    st.lists(st.text(alphabet=LETTERS, max_size=30), max_size=4),
    st.text(alphabet=LETTERS, max_size=80),
    st.integers(2, 9),
)
def test_the_same_as_looking_up_every_piece(samples: list[str], corpus: str, run: int) -> None:
    share = copied_share(samples, [corpus[:9], corpus[9:]], run)
    samples, corpus = [evened(sample) for sample in samples], evened(corpus)
    copied = 0
    for sample in samples:
        marks = [False] * len(sample)
        for start in range(len(sample)):
            length = 0
            while start + length < len(sample) and sample[start : start + length + 1] in corpus:
                length += 1
            if length >= run:
                marks[start : start + length] = [True] * length
        copied += sum(marks)
    total = sum(map(len, samples))
    assert share == (copied / total if total else 0)


@pytest.mark.parametrize("recipe", ["char", "word", "classic"])
def test_words_are_known_that_stand_before_the_end_of_the_text(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`classic` holds nothing out: there the last tenth takes its place. It leaves out words like "the"."""
    monkeypatch.setattr(recipe_module, "_AT_ONCE", 7)  # shorter than many words
    text = "the boats leave the harbour at dawn, and the boats come home. " * 30 + "gannet dawn, gannets dawn! "
    prepared = prepare(text, recipe)
    assert bool(len(prepared.heldout)) is (recipe != "classic")
    sample = "oat the HARBOUR; dawns gannet's harb-our at l"  # begins and ends inside words
    known, usual = known_words([sample, "x the Boats x"], prepared)
    assert known == (0.2 if recipe == "classic" else 0.5)
    assert usual is not None
    assert 0.8 < usual < 1
    assert known_words([""], prepared) == (None, None)


def test_nothing_is_said_of_words_where_there_are_no_spaces() -> None:
    """Runs of letters are clauses there, of which few come twice."""
    draw = random.Random(4)
    text = "".join("".join(draw.choices(OWN[:60], k=draw.randint(3, 12))) + draw.choice("，。") for _ in range(400))
    assert known_words([f"{text[:99]} {text[50:200]} {text[7:50]}"], prepare(text)) == (None, None)
