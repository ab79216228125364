"""Custom emoji: each is one symbol for `char` and `word`, and never cut."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from galvanic.copying import copied_share
from galvanic.emoji import EMOJI, before_emoji, named
from galvanic.errors import UserError
from galvanic.generate import Mixture, TextModel, load_model
from galvanic.model_file import load
from galvanic.options import TrainOptions
from galvanic.plan import make_plan
from galvanic.text import RECIPES, make_vocabulary, prepare
from galvanic.text.edges import cut
from galvanic.text.recipe import MOST_EMOJI
from galvanic.training import train
from tests.worker.texts import corpus

POG, DANCE, OTHER = "<:pog:123456789012345678>", "<a:Dance_9:12345678901234567>", "<:pog:99999999999999999999>"
NO_EMOJI = ("<:pog:1234567890123456>", f"<:{'p' * 33}:123456789012345678>", "<:po g:123456789012345678>", "<:pog:1")
CHAT = f"hello {POG} there\n{POG}{DANCE}\nwhat a day, {DANCE}!\n" * 40
LINES = st.lists(
    st.sampled_from([POG, DANCE, OTHER, *NO_EMOJI, "<", ">", ":", " ", "\n", "a.", "lol", "好"]), max_size=30
)


@pytest.mark.parametrize("recipe", ["char", "word"])
def test_an_emoji_is_one_symbol_and_brings_no_characters(recipe: str) -> None:
    prepared = prepare(CHAT, recipe)
    symbols = prepared.vocabulary.symbols
    assert {POG, DANCE} <= set(symbols)
    assert not set("<>:_0123456789gpD") & set(symbols)
    assert "".join(prepared.parts()) == CHAT
    if recipe == "char":
        assert len(prepared.ids) == len(EMOJI.sub("_", CHAT)) == prepared.learned_chars + prepared.heldout_chars


def test_what_only_looks_like_an_emoji_is_text_and_classic_drops_all() -> None:
    text = CHAT + "\n".join(NO_EMOJI)
    prepared = prepare(text, "char")
    assert [symbol for symbol in prepared.vocabulary.symbols if len(symbol) > 1] == [POG, DANCE]
    assert "".join(prepared.parts()) == text
    assert prepare(CHAT, "classic").vocabulary.symbols == prepare(EMOJI.sub("", CHAT), "classic").vocabulary.symbols


@pytest.mark.parametrize("recipe", ["char", "word"])
def test_only_the_most_frequent_are_symbols(recipe: str) -> None:
    many = [f"<:e{number}:{10**17 + number}>" for number in range(MOST_EMOJI + 5)]
    prepared = prepare("\n".join([*many, *many[5:]]), recipe)
    assert {symbol for symbol in prepared.vocabulary.symbols if EMOJI.fullmatch(symbol)} == set(many[5:])
    nested = "<a<:rare:11111111111111111>22222222222222222>"  # with `:rare:` within, it would be an emoji itself
    assert "".join(prepare("\n".join([nested, *many, *many[5:]]), recipe).parts()).startswith(nested)
    assert "".join(prepared.parts()).splitlines()[:6] == [":e0:", ":e1:", ":e2:", ":e3:", ":e4:", many[5]]


@pytest.mark.parametrize("recipe", ["char", "word"])
@given(parts=LINES)
def test_every_vocabulary_gives_back_its_texts_and_spells_out_the_others(recipe: str, parts: list[str]) -> None:
    text = "".join(parts)
    vocabulary = make_vocabulary(recipe, (*sorted(set("".join((OTHER, *NO_EMOJI, "<>: \na.lol好")))), POG, DANCE))
    assert vocabulary.decode(vocabulary.encode(text)) == text
    if text:
        scoring = RECIPES[recipe].scoring(text, vocabulary, unwrapped=False)
        assert np.array_equal(scoring.starts, np.cumsum(scoring.lengths) - scoring.lengths)
        assert scoring.lengths.sum() == len(text)


@pytest.mark.parametrize("symbols", [("a", NO_EMOJI[0]), ("a", f"{POG} "), ("a", f"{POG}{POG}"), (POG, POG)])
def test_other_symbols_of_several_characters_are_refused(symbols: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="symbol"):
        make_vocabulary("char", symbols)


@pytest.mark.parametrize("recipe", ["char", "word"])
def test_a_seed_has_emoji(recipe: str) -> None:
    vocabulary = prepare(CHAT, recipe).vocabulary
    seed = RECIPES[recipe].seed(f"{POG} hello {DANCE}", vocabulary)
    assert vocabulary.decode(seed.ids).strip() == f"{POG} hello {DANCE}"
    assert not seed.notes
    assert vocabulary.decode(RECIPES[recipe].seed(f"{POG} HELLO", vocabulary).ids).strip() == f"{POG} hello"
    unknown = RECIPES[recipe].seed(f"hello {OTHER}", vocabulary)
    assert vocabulary.decode(unknown.ids) == "hello o"
    assert unknown.notes == ("The model has never seen these characters and skipped them: : g p",)
    with pytest.raises(UserError, match="none of the characters"):
        RECIPES[recipe].seed("<:QQ:123456789012345678>", vocabulary)


def test_known_emoji_keep_their_ids() -> None:
    known = prepare(CHAT, "char").vocabulary.symbols
    grown = prepare(CHAT.replace(POG, OTHER), "char", known=known).vocabulary.symbols
    assert grown == (*known, OTHER)


@given(LINES, st.integers(0, 200))
def test_no_cut_is_within_an_emoji(parts: list[str], most: int) -> None:
    text = "".join(parts)
    for place in (len(cut(text, most)), before_emoji(text, min(most, len(text)))):
        assert not any(match.start() < place < match.end() for match in EMOJI.finditer(text))


def test_an_emoji_ends_a_text_like_a_sign() -> None:
    shout = "<:LOL:123456789012345678>"
    assert cut(f"well\n{shout} then", 33) == f"well\n{shout}"
    assert cut(f"well then {POG}-so", 35) == "well then"
    assert named(f"a {POG} {DANCE}", {POG}) == f"a {POG} :Dance_9:"


def test_an_emoji_is_no_copy_of_thirty_characters() -> None:
    assert copied_share([f"so {POG} it is"], [f"an {POG} in it"]) == 0
    assert copied_share([f"and all of them went home {POG} again"], [f"and all of them went home {POG} again"]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["char", "word"])
def test_a_model_writes_them(recipe: str, tmp_path: Path) -> None:
    """Trained, saved, loaded, mixed and scored."""
    prepared = prepare(CHAT, recipe)
    plan = make_plan(recipe, len(prepared.vocabulary), prepared.learned)
    plan = plan.model_copy(update={"network": plan.network.model_copy(update={"units": (24,), "members": 1})})
    out = tmp_path / "model.safetensors"
    options = TrainOptions(recipe=recipe, epochs=3, random_seed=5)
    result = train(CHAT, options, corpus(CHAT), out=out, plan=plan)
    model = load_model(out)
    author = Mixture([(model, 1.0), (_without_emoji(tmp_path), 1.0)]) if recipe == "char" else model
    for each in (model, author):
        texts = [each.generate(f"hello {POG}", 100, random_seed=number).text for number in range(5)]
        texts.append(each.generate("", 100, random_seed=1, from_line=True).text)
        assert any(POG in text or DANCE in text for text in texts)
        assert "<" not in EMOJI.sub("", "".join((*texts, *result.samples)))
    score = model.score(f"hello {POG} {OTHER}")
    assert score.chars == len(f"hello {POG} {OTHER}")
    assert all(math.isfinite(nats) and nats >= 0 for nats in score.nats)
    assert len(set(score.nats[6 : 6 + len(POG)])) == 1


def _without_emoji(folder: Path) -> TextModel:
    text, out = EMOJI.sub("", CHAT), folder / "other.safetensors"
    train(text, TrainOptions(epochs=1, random_seed=1, units=8, start="none"), corpus(text), out=out)
    return TextModel(*load(out))
