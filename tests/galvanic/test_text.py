"""Recipes, vocabularies, seeds."""

import math
import random
import textwrap
from unicodedata import normalize

import pytest

from galvanic.errors import UserError
from galvanic.source import pieces
from galvanic.text import RECIPES, CharVocabulary, make_vocabulary, prepare
from galvanic.text.body import wrapping
from galvanic.text.classic import WINDOW, words_only
from galvanic.text.recipe import adaptive_nats
from galvanic.text.tokens import stop_words
from tests.worker.texts import babble

PROSE = "\n\n".join(textwrap.fill(babble(700, seed), 70) for seed in range(6))


def looks_hard_wrapped(text: str) -> bool:
    return wrapping(pieces(text))[1]


def test_lines_without_spaces_are_not_taken_for_wrapped_ones() -> None:
    lines = ("海" * (36 + 7 * number % 35) + "。" for number in range(120))
    assert not looks_hard_wrapped("\n".join(lines))
    assert not looks_hard_wrapped(f"{'海' * 60}\n" * 99)


def test_stop_words_are_nltks() -> None:
    assert {"the", "itself", "wouldn't", "i", "with"} <= stop_words()
    assert "boat" not in stop_words()
    assert len(stop_words()) in (179, 198)
    assert words_only("The Boat, it isn't HERE: no_one's 2nd!") == "boat no_one 2nd"


@pytest.mark.parametrize(
    ("recipe", "text"),
    [
        *[("char", text) for text in ("", "short", "\n" * 1000)],
        *[("classic", text) for text in ("", "short", "\n" * 1000, "the and of " * 100)],
    ],
)
def test_too_little_text_is_refused(recipe: str, text: str) -> None:
    with pytest.raises(UserError) as caught:
        prepare(text, recipe)
    assert caught.value.remedy


def test_seeds_go_through_the_pipeline() -> None:
    vocabulary = CharVocabulary(sorted(set("abcdefghijklmnopqrstuvwxyz ")))
    seed = RECIPES["classic"].seed("The Monster!", vocabulary)
    assert len(seed.ids) == WINDOW
    assert vocabulary.decode(seed.ids).strip() == "monster"
    assert any("monster" in note for note in seed.notes)
    seed = RECIPES["char"].seed("a\r\n!b", vocabulary)
    assert vocabulary.decode(seed.ids) == "a b"
    assert "U+000A" in seed.notes[0]
    assert "!" in seed.notes[1]


@pytest.mark.parametrize("recipe", ["char", "word"])
@pytest.mark.parametrize(("seed", "read"), [("my dog 🐶", "my dog"), ("my 🐶 dog", "my  dog"), ("🐶 🐶", " ")])
def test_a_text_is_not_glued_to_an_unknown_character(recipe: str, seed: str, read: str) -> None:
    vocabulary = make_vocabulary(recipe, sorted(set(" mydog")))
    assert vocabulary.decode(RECIPES[recipe].seed(seed, vocabulary).ids) == read


@pytest.mark.parametrize(
    ("known", "seed", "read", "noted"),
    [
        ("the sea", "The SEA", "the sea", "A E S T"),
        ("THE SEA", "the sea", "THE SEA", "a e h s t"),
        ("café É", "CAFÉ ü", "cafÉ", "A C F"),
        ("cafe", "caf\u00e9", "cafe", "\u00e9"),
        ("caf\u00e9", "cafe\u0301", "caf\u00e9", ""),
        ("cafe\u0301 ", "caf\u00e9!", "cafe\u0301", ""),
        ("어제", normalize("NFD", "어제"), "어제", ""),
        ("a b", "a\u00a0\u202fb", "a  b", ""),
        ("\u0932\u095c ", "\u0932\u095c 🐶", "\u0932\u095c", ""),  # Hindi's ṛa, which has no composed form
    ],
)
def test_letters_that_a_model_lacks_take_another_form(known: str, seed: str, read: str, noted: str) -> None:
    vocabulary = CharVocabulary(sorted(set(known)))
    result = RECIPES["char"].seed(seed, vocabulary)
    assert vocabulary.decode(result.ids) == read
    notes = [note for note in result.notes if "another form" in note]
    assert [note.split(": ")[1] for note in notes] == [noted] * bool(noted)


@pytest.mark.parametrize(
    ("recipe", "seed"), [("char", ""), ("char", "\0"), ("char", "漢字"), ("classic", " "), ("classic", "it is the")]
)
def test_seeds_of_which_nothing_is_left_are_refused(recipe: str, seed: str) -> None:
    with pytest.raises(UserError) as caught:
        RECIPES[recipe].seed(seed, CharVocabulary(sorted(set("abc "))))
    assert caught.value.remedy


def test_adaptive_code_length_is_that_of_its_predictions() -> None:
    seen, nats = [0, 0], 0.0
    for symbol in (0, 1, 1, 0, 1, 1, 1):
        nats -= math.log((seen[symbol] + 0.5) / (sum(seen) + 1))
        seen[symbol] += 1
    assert adaptive_nats(seen) == pytest.approx(nats)


def test_a_recipe_pays_for_what_it_drops() -> None:
    vocabulary = CharVocabulary(sorted(set("abcdefghijklmnopqrstuvwxyz ")))
    plain = RECIPES["char"].scoring("a boat " * 20, vocabulary, unwrapped=True)
    assert not plain.side_nats.any()
    wrapped = RECIPES["char"].scoring(PROSE, CharVocabulary(sorted(set(PROSE))), unwrapped=True)
    assert len(wrapped.side_nats) == len(PROSE)
    assert 0 < wrapped.side_nats.sum() < len(PROSE)


@pytest.mark.parametrize(
    ("text", "known", "read", "stands_for"),
    [
        ('"I don\'t"', "Idont \u201c\u201d\u2019", "\u201cI don\u2019t\u201d", list('"I don\'t"')),
        ('"a"', "a„“", "„a“", list('"a"')),
        ("„a“", "a“”", "“a“", list("„a“")),
        ("\u2018a\u2019", "a'", "'a'", list("\u2018a\u2019")),
        ("a--b...", "ab\u2014\u2026", "a\u2014b\u2026", ["a", "--", "b", "..."]),
        ("a\u2013\nb\u2026", "ab-.\n", "a--\nb...", ["a", "\u2013", "\u2013", "\n", "b", *3 * "\u2026"]),
        ("\u2019\u00a7", "ab", None, ["\u2019", "\u00a7"]),
    ],
)
def test_signs_stand_in_for_others_that_a_model_lacks(
    text: str, known: str, read: str | None, stands_for: list[str]
) -> None:
    vocabulary = CharVocabulary(sorted(set(known)))
    scoring = RECIPES["char"].scoring(text, vocabulary, unwrapped=False)
    ends = scoring.starts + scoring.lengths
    assert [text[start:end] for start, end in zip(scoring.starts, ends, strict=True)] == stands_for
    assert (scoring.ids >= 0).all() == (read is not None)
    if read is not None:
        assert vocabulary.decode(scoring.ids) == read
        assert vocabulary.decode(RECIPES["char"].seed(text, vocabulary).ids) == read
        assert scoring.side_nats.sum() > 0


def prose(width: int) -> str:
    rng = random.Random(5)
    lines, line = [], ""
    for number in range(900):
        word = "x" * rng.randint(2, 9)
        if number % 97 == 96:
            lines += [line, ""]
            line = ""
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return "\n".join([*lines, line])


@pytest.mark.parametrize("width", [56, 65, 72, 80])
def test_wrapped_prose_is_recognised(width: int) -> None:
    assert looks_hard_wrapped(prose(width))


def test_what_is_not_wrapped_is_not_recognised() -> None:
    rng = random.Random(5)
    chat = "\n".join("word " * rng.randint(1, 15) for _ in range(300))
    verse = "\n".join("and so the word goes on" + " again" * rng.randint(1, 4) for _ in range(300))
    paragraphs = "\n\n".join("word " * 200 for _ in range(40))
    code = "\n".join("    " * rng.randint(0, 3) + "call(" + "a, " * rng.randint(0, 14) + ")" for _ in range(300))
    even_verse = "\n".join("And so the " + "xxxxx " * 5 + "x" * rng.randint(1, 4) for _ in range(300))
    for text in (chat, verse, even_verse, paragraphs, code, "short", ""):
        assert not looks_hard_wrapped(text)
