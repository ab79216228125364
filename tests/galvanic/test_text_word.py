"""Recipe `word`, and what all vocabularies have in common."""

import pytest
import regex
from hypothesis import given, strategies as st

from galvanic.source import clean
from galvanic.text import RECIPES, UNKNOWN, CharVocabulary, body, make_vocabulary, prepare
from galvanic.text.vocabulary import split
from tests.galvanic.test_text_pieces import TEXT
from tests.worker.texts import babble

ANY = st.text(st.characters(exclude_categories=[]))
LETTERS = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ.,"
WORDS = make_vocabulary("word", [*LETTERS, " boat", " the", "The", " red"])


@given(st.one_of(ANY, TEXT))
def test_tokens_are_words_and_punctuation_with_the_space_before_them(text: str) -> None:
    """Models of before NLTK read the text have these."""
    unspaced = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
    symbol = rf" ?(?:{unspaced}|[\w--{unspaced}]{{1,100}}|[^\w\s]{{1,100}})|\s"
    assert split(text) == regex.findall(symbol, text, regex.V1)
    assert "".join(split(text)) == text


def test_where_no_spaces_stand_between_words_each_sign_is_a_token() -> None:
    """Else whole clauses of a member's would stand in the vocabulary of a channel's model."""
    assert split("我叫 王小明, hi") == ["我", "叫", " 王", "小", "明", ",", " hi"]


@given(st.one_of(ANY, TEXT), st.lists(st.sampled_from([" boat", "漢字", "!!", " é"]), unique=True))
def test_every_vocabulary_gives_back_every_text_of_its_characters(text: str, words: list[str]) -> None:
    characters = sorted(set(text + "".join(words)) | {"a"})
    for vocabulary in (
        make_vocabulary("char", characters),
        make_vocabulary("classic", characters),
        make_vocabulary("word", [*characters, *words]),
    ):
        ids = vocabulary.encode(text)
        assert vocabulary.decode(ids) == text
        assert int(vocabulary.lengths[ids].sum()) == len(text)
        assert make_vocabulary("word", vocabulary.symbols).symbols == vocabulary.symbols


@given(ANY)
def test_each_unknown_character_is_one_unknown_id(text: str) -> None:
    unknown = sum(character not in LETTERS for character in text)
    assert int((WORDS.encode(text) == UNKNOWN).sum()) == unknown
    assert int((CharVocabulary(LETTERS).encode(text) == UNKNOWN).sum()) == unknown


def test_frequent_words_are_symbols_and_others_are_spelled() -> None:
    ids = WORDS.encode("The red boat, the  boats.")
    assert [WORDS.symbols[number] for number in ids] == [
        *("The", " red", " boat", ",", " the", " ", " ", *"boats", ".")
    ]


@pytest.mark.parametrize("recipe", ["char", "word", "classic"])
@pytest.mark.parametrize("symbols", [[], ["a", "a"], ["a", ""]])
def test_what_is_no_vocabulary_is_refused(recipe: str, symbols: list[str]) -> None:
    with pytest.raises(ValueError, match="each of them once"):
        make_vocabulary(recipe, symbols)
    if recipe != "word":
        with pytest.raises(ValueError, match="one character"):
            make_vocabulary(recipe, ["a", "bc"])


@pytest.mark.parametrize("recipe", ["char", "word"])
@given(st.one_of(ANY, TEXT))
def test_prepared_texts_come_back(recipe: str, text: str) -> None:
    text = f"{text}{babble(300)}{text}"
    prepared = prepare(text, recipe, hard_wrapped=False)
    assert prepared.vocabulary.decode(prepared.ids) == clean(text)
    lengths = prepared.vocabulary.lengths
    assert int(lengths[prepared.training].sum()) == prepared.learned_chars
    assert int(lengths[prepared.heldout].sum()) == prepared.heldout_chars
    assert prepared.learned_chars + prepared.heldout_chars == len(clean(text))


@pytest.mark.parametrize("recipe", ["char", "word"])
def test_the_same_characters_are_held_out(recipe: str) -> None:
    text = babble(50_000)
    prepared = prepare(text, recipe)
    assert 5_000 <= prepared.heldout_chars < 5_020
    assert prepared.vocabulary.decode(prepared.heldout) == text[prepared.learned_chars :]
    assert prepare(text, "classic").heldout_chars == 0


def test_words_are_symbols_when_the_part_to_learn_from_has_them_often() -> None:
    text = "One boat, two boats, two boats. " * 2 + "harbour " * 2 + "a b c d " * 40 + "late late late late"
    prepared = prepare(text, "word")
    symbols = prepared.vocabulary.symbols
    assert {" two", " boats"} <= set(symbols)
    # Seen twice; seen once at the beginning and once with a space; seen only in the part held out.
    assert not {"One", " harbour", "harbour", " late"} & set(symbols)
    characters = [symbol for symbol in symbols if len(symbol) == 1]
    assert characters == sorted(set(text))
    assert symbols == (*characters, *sorted(symbols[len(characters) :]))


@pytest.mark.parametrize("recipe", ["char", "word", "classic"])
def test_known_symbols_keep_their_ids_and_new_ones_follow(recipe: str) -> None:
    known = ("z", " ", "漢", *((" boat", " never") if recipe == "word" else ()))
    prepared = prepare(babble(2_000), recipe, known=known)
    assert prepared.vocabulary.symbols[: len(known)] == known
    fresh = prepare(babble(2_000), recipe)
    assert set(prepared.vocabulary.symbols) == set(fresh.vocabulary.symbols) | set(known)
    assert prepared.vocabulary.decode(prepared.ids) == fresh.vocabulary.decode(fresh.ids)
    assert prepared.learned_chars == pytest.approx(fresh.learned_chars, abs=20)


def test_a_seed_may_end_within_a_word() -> None:
    seed = RECIPES["word"].seed("The red bo漢", WORDS)
    assert [WORDS.symbols[number] for number in seed.ids] == ["The", " red", " ", "b", "o"]
    assert "漢" in seed.notes[0]


def covered(recipe: str, text: str) -> list[str]:
    """The part of the text that each id of a scoring stands for."""
    known = sorted(set(text.lower() + text) | {" "})
    vocabulary = make_vocabulary(recipe, [*known, *([" boat"] if recipe == "word" else [])])
    scoring = RECIPES[recipe].scoring(text, vocabulary, unwrapped=False)
    assert len(scoring.ids) == len(scoring.starts) == len(scoring.lengths)
    assert len(scoring.side_nats) == len(text)
    assert (scoring.lengths > 0).all()
    ends = scoring.starts + scoring.lengths
    assert (ends[:-1] <= scoring.starts[1:]).all()
    assert (ends <= len(text)).all()
    return [text[start:end] for start, end in zip(scoring.starts, ends, strict=True)]


@pytest.mark.parametrize("recipe", ["char", "word"])
@given(st.one_of(ANY, TEXT).filter(bool))
def test_ids_of_a_scored_text_cover_all_of_it(recipe: str, text: str) -> None:
    assert "".join(covered(recipe, text)) == text


def test_what_each_id_of_a_scored_text_stands_for() -> None:
    assert covered("word", "my boat\nmy boat") == ["m", "y", " boat", "\n", "m", "y", " boat"]


def test_only_so_many_words_are_symbols(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f" w{number}" * (number + 1) for number in range(60)) + "." * 2_000  # of which a tenth is held out
    monkeypatch.setattr(body, "MOST_WORDS", 10)
    words = {symbol for symbol in prepare(text, "word").vocabulary.symbols if len(symbol) > 1}
    assert words == {f" w{number}" for number in range(50, 60)}
