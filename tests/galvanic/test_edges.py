"""Texts begin and end as texts do, in scripts with spaces and without; a line of the corpus may be their beginning."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import galvanic
from galvanic.generate import Mixture, TextModel, load_model
from galvanic.request import WriteRequest
from galvanic.results import Generation
from galvanic.text.edges import LONGEST, cut, drop_partial_word, is_whole, joins, pick_line, speech, whole_words
from tests.galvanic.test_model_file import FIXTURES
from tests.worker.small import LETTERS, biased, model, network

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    ("text", "most", "stop", "expected"),
    [
        ("One. Two! Three four", 18, "sentence", "One. Two!"),
        ("Oh!!! No!?! Yes", 13, "sentence", "Oh!!! No!?!"),
        ("!" * 20_000 + "a", 20_000, "sentence", "!" * 20_000),
        ("वह घर गया। उसने खाना", 18, "sentence", "वह घर गया।"),
        ("هل جاء؟ نعم، جاء", 12, "sentence", "هل جاء؟"),
        ('He said "no." She', 15, "sentence", 'He said "no."'),
        ("她来了。「真的吗？」然后", 12, "sentence", "她来了。「真的吗？」"),
        ("no end here at all", 13, "sentence", "no end here"),
        ("a verse\nwithout full stops", 20, "sentence", "a verse"),
        ("one\ntwo\nthree", 11, "line", "one\ntwo"),
        ("\nthree", 4, "line", "\nthr"),  # nothing else is left to read
        ("The sea was calm. And the", 22, None, "The sea was calm."),
        ("I met Mr. Smith", 11, None, "I met"),
        ("a line of verse\nanother", 20, None, "a line of verse"),
        ("I don\u2019t", 5, None, "I"),
        ("I come to-morrow", 10, None, "I come"),
        ("the sea--the storm", 12, None, "the sea--the"),
        ("我们明天再来这里看看吧", 7, None, "我们明天再来这"),
        (f"ok {FAMILY}{FAMILY}", 10, None, f"ok {FAMILY}"),
        ("cafe\u0301s are", 4, None, "cafe"),  # one word alone is cut, for nothing else is left
        ("unbelievable", 5, None, "unbel"),
        ("calm", 10, None, "calm"),
        ("„Komm her!“ sagte er", 12, None, "„Komm her!“"),
        ("»Er rief: ›Komm!‹« Dann", 22, "sentence", "»Er rief: ›Komm!‹«"),
        ("« Oui ! » dit-il enfin", 20, "sentence", "« Oui ! »"),
        ('She ran. "Come', 10, None, "She ran."),
        ("I go.\n\nCORIOLANUS:\nWell", 19, None, "I go."),
        ("I go, my lord. CORIOLANUS: Well", 26, None, "I go, my lord."),
        ("It was so.\n\nXIV.\n\nThe", 16, "sentence", "It was so."),
        (f"I go. {'A' * 50} B", 56, None, f"I go. {'A' * 50}"),  # and no more is tried than there are characters
        ("CORIOLANUS:\nWell then", 11, None, "CORIOLANUS:"),  # nothing else is left
        ("他走了。\n\n李四：\n好", 10, None, "他走了。"),
    ],
)
def test_a_text_ends_where_something_ends(text: str, most: int, stop: Any, expected: str) -> None:
    assert cut(text, most, stop) == expected


@given(
    st.text(alphabet='ab .!?…\n"”。」漢\u0301', min_size=1, max_size=60),
    st.integers(1, 60),
    st.sampled_from(["sentence", "line", None]),
    st.booleans(),
)
def test_a_cut_text_is_a_beginning_and_never_empty(text: str, most: int, stop: Any, at_words: bool) -> None:
    shorter = cut(text, most, stop, at_words=at_words)
    assert text[:most].startswith(shorter)
    assert shorter
    if stop is None and not at_words:
        assert shorter == text[:most]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("short as a chat :)", True),
        ("The sea was calm, the ship", False),
        ("The sea was calm, he said.", True),
        ("„Die See war ruhig“, rief er.", True),
        ("“The sea was calm, he said.", False),
        ("[to the sea. It was calm.", False),
    ],
)
def test_a_whole_text_breaks_off_in_nothing(text: str, whole: bool) -> None:
    assert is_whole(text, 28) == whole


def test_a_text_begins_with_its_first_whole_word() -> None:
    assert drop_partial_word("ster, and the sea") == "and the sea"
    assert drop_partial_word("我们明天再来") == "我们明天再来"
    assert whole_words("ster, and the sea wa") == "and the sea"
    assert whole_words("x" * 80) == "x" * 80


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("MENENIUS: O, well", "O, well"),
        ("\nMENENIUS:\nO, well.\n\nSecond Citizen: No.", "O, well."),
        ("O, well.\n\nFirst Citizen:\nNo.", "O, well."),
        ("LIZA\n\nMRS. HIGGINS\nWhat a day!\nLIZA\nIt is.", "What a day!"),
        ("HAMLET.\nWords, words.", "Words, words."),
        ("O, well: it is so.\nIt is late: go.", "O, well: it is so.\nIt is late: go."),
        ("NO. I will not", "NO. I will not"),
        ("LIZA\n", ""),
        pytest.param(" " * 30_000, " " * 30_000, id="blank"),  # not divided in every way
    ],
)
def test_one_speaker_says_their_words_alone(text: str, said: str) -> None:
    assert speech(text) == said


def after_words(chance: float) -> Any:
    """A model for which a letter comes after everything, and with this chance a space."""
    logits = np.full(len(LETTERS), -30.0)
    logits[LETTERS.index("x")], logits[LETTERS.index(" ")] = math.log(1 - chance), math.log(chance)
    return model(weights=biased(network(len(LETTERS)), logits))


@pytest.mark.slow
def test_a_whole_word_at_the_end_of_a_seed_stays_one() -> None:
    """What the model is likely to put after it says whether it is whole; letters are drawn first all the same."""
    likely, unlikely = after_words(0.2), after_words(0.005)
    for author in (likely, Mixture([(likely, 1), (unlikely, 0.5)])):
        written = author.generate("the sea", 30, temperature=0, guard=False)
        assert written.text == " " + 29 * "x"
    # The end of "the x" is what comes after everything; that of "the monst" is new to the model.
    assert unlikely.generate("the xx", 30, temperature=0, guard=False).text == 30 * "x"
    assert unlikely.generate("the monst", 30, temperature=0, guard=False).text == " " + 29 * "x"
    # Nothing is put after what is no letter.
    assert likely.generate("the sea ", 5, temperature=0, guard=False).text == 5 * "x"
    assert joins("a", "b")
    assert not joins(" ", " ")
    only_x = model("xy", weights=biased(network(2), [0, -30]))  # knows nothing to put there
    assert only_x.generate("xxy", 5, temperature=0, guard=False).text == 5 * "x"


@pytest.mark.parametrize(
    ("window", "line"),
    [
        ("d of the verse\nA line of its own,\nand the nex", "A line of its own,"),
        ("d of it.\n\n   Indented it begins\nand goes", "Indented it begins"),
        ("end. The second sentence begins he", "The second sentence begins"),
        ('end." \u201cSo it is,\u201d said the old man, wai', "\u201cSo it is,\u201d said the old man,"),
        ("ords all the way and no end of them in si", "all the way and no end of them in"),
        ("完。我们明天再来这里看看吧好", "我们明天再来这里看看吧好"),
        ("short", "short"),
    ],
)
def test_a_line_is_picked_from_a_window(window: str, line: str) -> None:
    assert pick_line(lambda: window) == line


def test_a_line_without_a_small_letter_at_its_beginning_comes_first() -> None:
    windows = iter(["x\nthis line is small\n", "end. so is this\n", "x\nBut here it does begin\n"])
    assert pick_line(lambda: next(windows)) == "But here it does begin"
    assert pick_line(lambda: "a, b\n(lol no way)\nand so on") == "(lol no way)"


def batch(author: TextModel | Mixture, requests: Sequence[WriteRequest]) -> list[Generation]:
    """Texts for several requests, none of which is refused."""
    texts = [written for written in author.generate_batch(requests) if isinstance(written, Generation)]
    assert len(texts) == len(requests)
    return texts


@pytest.mark.slow
def test_where_nothing_is_kept_a_text_begins_with_a_paragraph_and_a_capital() -> None:
    starter = load_model(Path(galvanic.__file__).with_name("starter.safetensors"))
    requests = [WriteRequest(seed="", length=300, random_seed=number, from_line=True) for number in range(12)]
    texts = [written.seed + written.text for written in batch(starter, requests)]
    assert [text[0] for text in texts if not text[0].isupper()] == []
    assert sum(text.rstrip("\"'”’")[-1] in ".!?" for text in texts) >= 9, "a sentence seldom takes all the length"
    line_breaks = model("\na", weights=biased(network(2), [1, 0]))
    line_breaks.windows[:] = 0
    for written in batch(line_breaks, requests):
        assert (written.seed, written.text[0]) == ("", "a")


@given(st.text("ab .!\n\u3002", min_size=1, max_size=150))
def test_a_line_is_a_piece_of_the_window(window: str) -> None:
    line = pick_line(lambda: window)
    assert line
    assert line in window
    if line != window:
        assert "\n" not in line
        assert len(line) <= LONGEST


@pytest.mark.slow
def test_the_same_random_seed_gives_the_same_line_and_text() -> None:
    one, two = (model(seed=seed) for seed in (1, 2))
    for author in (one, Mixture([(one, 0.7), (two, 0.3)])):
        request = WriteRequest(seed="", length=50, random_seed=4, from_line=True)
        unseeded = WriteRequest(seed="", length=50, from_line=True)
        first, second, other = batch(author, [request, request, unseeded])
        assert (first.seed, first.text) == (second.seed, second.text)
        assert first.seed
        assert other.text != first.text
        again = author.generate(first.seed, 50, random_seed=4)
        assert (again.seed, again.text) == (first.seed, first.text)


@pytest.mark.slow
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
