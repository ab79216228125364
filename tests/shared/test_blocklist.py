"""What a server does not want to see is found, and covered for good."""

import re

import pytest
from hypothesis import given, strategies as st

from galvanic.errors import UserError
from shared.blocklist import MOST_CHARS, MOST_ENTRIES, Blocklist, default_entries, parse

_TEXT = st.text("abcé -_'$.\n█", max_size=40)
_ENTRIES = st.lists(st.text("abé -_'$.*", min_size=1, max_size=6), max_size=4)


def _checked(typed: list[str]) -> tuple[str, ...]:
    kept: list[str] = []
    for entry in typed:
        try:
            kept += parse(entry)
        except UserError:
            continue
    return tuple(kept)


def _plainly(entry: str, text: str) -> bool:
    """Whether an entry stands in a text, by the words of the module's docstring and nothing clever."""
    words = [re.sub(r"\\\*", r"[^\\W_]*", re.escape(word)) for word in entry.split()]
    return re.search(r"(?<![^\W_])" + r"\s+".join(words) + r"(?![^\W_])", text, re.IGNORECASE) is not None


@given(_ENTRIES, _TEXT)
def test_what_is_masked_shows_no_entry_and_keeps_its_length(typed: list[str], text: str) -> None:
    entries = _checked(typed)
    masked = Blocklist(entries).mask(text)
    assert not any(_plainly(entry, masked) for entry in entries)
    assert len(masked) == len(text)
    assert all(a in (b, "█") for a, b in zip(masked, text, strict=True))
    assert [char.isspace() for char in masked] == [char.isspace() for char in text]


@given(_ENTRIES, _TEXT)
def test_hits_are_what_the_rules_say(typed: list[str], text: str) -> None:
    entries = _checked(typed)
    blocklist = Blocklist(entries)
    assert blocklist.hits(text) == any(_plainly(entry, text) for entry in entries)
    assert blocklist.hits(text) == (blocklist.mask(text) != text) or "█" in text


@pytest.mark.parametrize(
    ("entry", "text", "masked"),
    [
        ("ass", "An ASS in class", "An ███ in class"),
        ("*ass*", "classes of asses", "███████ of █████"),
        ("bad  wolf", "the bad\nwolf", "the ███\n████"),
        ("b*d", "bd bad b d", "██ ███ b d"),
        ("c++", "c++ and c", "███ and c"),
        ("größe", "Größe", "█████"),
        ("größe", "gro\u0308ße ist", "██████ ist"),
        ("damn", "_damn_ damn_it __DAMN__ goddamn", "██████ ███████ ████████ goddamn"),
        ("*damn*", "so_goddamned", "████████████"),
        ("傻逼", "你是傻逼吗？我不是。", "█████？我不是。"),
        ("坏蛋*, *笨", "你是坏蛋啊。真笨啊！", "█████。███！"),
        ("バカ、アホ", "お前はアホだ。", "██████。"),
        ("कम", "कमी कम", "कमी ██"),
        ("İbne", "ibne İbne", "████ ████"),
        ("b, $a", "b$a c", "███ c"),  # the second would be a hit once the first is covered
    ],
)
def test_examples(entry: str, text: str, masked: str) -> None:
    assert Blocklist(parse(entry)).mask(text) == masked


_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.mark.timeout(60)  # what goes wrong here takes minutes to hours
@pytest.mark.parametrize(
    ("entries", "text"),
    [
        (("*a*a*b",), "a" * 20_000),
        (("* * *a",), "x" + " " * 20_000 + "!"),
        (("*a *a *a",), "a" * 20_000),
        (("*a *a *a",), "a " * 10_000),
        (("*a *b",), "a" + " " * 20_000),
        (tuple(f"*{a}{b}" for a in _LETTERS[:10] for b in _LETTERS[:20]), " " * 20_000),
        (tuple(f"* {a}{b}" for a in _LETTERS[:10] for b in _LETTERS[:20]), " " * 20_000),
        (("a-", *(f"x{number}-" for number in range(199))), "a-" * 20_000),
        (("-a", "$a", "a$"), "b-a$" * 10_000),
        (("*-*-*a",), "-" * 20_000),
        (("_a_",), "_a" * 20_000),
        (tuple(f"*ab*ba*c{number}" for number in range(200)), "a b " * 5_000),
        (("一*二*三*四",), "一" * 20_000),
        (tuple(f"一*{a}{b}" for a in _LETTERS[:10] for b in _LETTERS[:20]), "一" * 20_000),
        (("一一一一", "一二"), "一" * 20_000),
    ],
)
def test_no_admin_can_hold_up_the_bot(entries: tuple[str, ...], text: str) -> None:
    blocklist = Blocklist(entries)
    masked = blocklist.mask(text)
    assert len(masked) == len(text)
    assert not blocklist.hits(masked)


@pytest.mark.parametrize("entry", ["* * *a", "* xx", "a *", "a - b", "__", "a█"])
def test_each_word_of_an_entry_has_a_letter(entry: str) -> None:
    with pytest.raises(UserError):
        parse(entry)
    assert not Blocklist((entry,)).hits(entry)  # nor when an earlier version kept it


def test_what_is_typed_becomes_entries() -> None:
    assert parse("  Bad   Word, other\nother,,\n b*d ") == ("bad word", "other", "b*d")
    for typed in ("x" * (MOST_CHARS + 1), "*a*b*c*", "***", "!!", "\n".join(f"w{n}" for n in range(MOST_ENTRIES + 1))):
        with pytest.raises(UserError) as caught:
            parse(typed)
        assert caught.value.remedy


def test_each_default_entry_is_found_however_it_is_written() -> None:
    blocklist, entries = Blocklist(default_entries()), default_entries()
    assert len(entries) >= 40
    for entry in entries:
        word = entry.replace("*", "")
        assert blocklist.hits(f"So, {word.upper()}!"), entry
        assert blocklist.mask(f"_{word}_, so") == re.sub(r"\S", "█", f"_{word}_,") + " so"


@pytest.mark.parametrize(
    "words",
    [
        "Scunthorpe, Penistone, Dyke the admiral, van Dyck, Lesbos, Troon, Pakistan, Japan, Dagobert, Kikuyu, Gookin",
        "niggardly, a niggard's niggling; he sniggered; denigrated; Niger, Nigeria, nigella, vinegar",
        "spick and span, spicy, spices, auspicious; a therapist; a raccoon and a cocoon; chinkapins by a chink",
        "the fag-end of the day; Fagin; fagots on the fire; fagged out; three fags and an injunction",
        "what retarded them would retard you all and retards me; spastic, a spade, the spades, a queer gypsy",
        "a doo-wop tune in a honky-tonk; heebie-jeebies, the taiga, gobbledygook, squawking, Jewry, jewelled, japanned",
        "ecce homo; homosexual, transgender, transmission; a leotard, custard and mustard, the bastard; poof, gone!",
        "er wog ab; die Abos; plus tard; mange fag; negro y blanco; Sambo, Negro, coolie, papist, half-caste, redstart",
    ],
)
def test_no_default_entry_hits_ordinary_words(words: str) -> None:
    assert Blocklist(default_entries()).mask(words) == words
