"""From bytes to text: encodings that are read, files that are refused."""

import gzip
import random

import pytest
from hypothesis import assume, given, strategies as st

from galvanic.errors import UserError
from galvanic.read.text import decode_text
from galvanic.source import CHUNK
from tests.galvanic.read.reading import zipped

# No NUL and no carriage return, which are changed on purpose; no controls, which are refused when many.
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1).filter(str.strip)


def pages(sentence: str) -> str:
    """Text as long as the shortest that is accepted, of the words of a sentence."""
    rng = random.Random(7)
    words = sentence.split()
    parts: list[str] = []
    while sum(map(len, parts)) < 1_200:
        parts.append(rng.choice(words))
    return " ".join(parts)


@given(TEXT, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]))
def test_unicode(text: str, encoding: str) -> None:
    assume(not text.startswith(("\ufeff", "{\\rtf")))
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    assert decode_text((mark + text).encode(encoding), "a.txt") == text


@given(
    st.lists(st.sampled_from(["cliché", "naïve", "“so”", "it’s", "€5", "fine", "plain", "words", "here"]), min_size=1)
)
def test_cp1252(words: list[str]) -> None:
    text = "some quite plain words come first " + " ".join(words) + "."
    assert decode_text(text.encode("cp1252"), "a.txt") == text


@pytest.mark.parametrize(
    ("encoding", "sentence"),
    [
        ("cp1251", "Старая лодка лежала на берегу, и никто не помнил, чья она была."),
        ("koi8-r", "Старая лодка лежала на берегу, и никто не помнил, чья она была."),
        ("cp1253", "Η παλιά βάρκα ήταν στην ακτή και κανείς δεν θυμόταν τίνος ήταν."),
        ("cp932", "夕方、年老いた粉屋は 家の前に座って 鳥の声を聞いていた。 少女は疲れた牛と 橋を渡った。"),
        ("gb18030", "一条旧船躺在岸边。 没有人记得它曾经是谁的，也没有人去问。"),
        ("euc_kr", "낡은 배가 물가에 놓여 있었고 그것이 누구의 것이었는지 아무도 기억하지 못했다."),
    ],
)
def test_other_scripts(encoding: str, sentence: str) -> None:
    text = pages(sentence)
    assert decode_text(text.encode(encoding), "a.txt") == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"words with one odd byte \x81 among them, \xe9", "words with one odd byte \ufffd among them, é"),
        ("Ein schöner Tag für dich".encode() + b", ol\xe9!", "Ein schöner Tag für dich, olé!"),
        (b"plain words " * 20_000 + b"ol\xe9!", "plain words " * 20_000 + "olé!"),
        (b"one\r\ntwo\rthree\nfour", "one\ntwo\nthree\nfour"),
        ("déjà vu, encore une fois: é".encode()[:-1], "déjà vu, encore une fois: "),
    ],
    ids=[
        "a byte that cp1252 lacks",
        "a bad byte in UTF-8",
        "cp1252 far from the beginning",
        "line ends",
        "UTF-8 cut within a character",
    ],
)
def test_what_is_rare_is_read_too(data: bytes, text: str) -> None:
    assert decode_text(data, "a.txt") == text


def test_a_stray_nul_is_dropped_and_many_are_binary() -> None:
    words = b"quite ordinary words " * 100
    assert decode_text(words + b"\0" + words, "a.txt") == (words * 2).decode()
    with pytest.raises(UserError, match="binary"):
        decode_text(b"abc\0\0\0def" * 40, "a.txt")


@pytest.mark.parametrize("data", [b"", b" \n\t ", "\ufeff".encode("utf-16-le"), "\u3000 ".encode()])
def test_empty_is_refused(data: bytes) -> None:
    with pytest.raises(UserError, match=r"`a\.txt` (is empty|contains only white space)"):
        decode_text(data, "a.txt")


@pytest.mark.parametrize(
    ("data", "looks_like"),
    [
        (zipped(("a.txt", "words " * 500)), "an office document or an archive"),
        (b"{\\rtf1\\ansi some words}", "an RTF document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "an old Microsoft Office document"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "a binary file"),
        ("some words in UTF-32".encode("utf-32"), "a binary file"),
        (gzip.compress(b"some words, compressed", mtime=0), "a binary file"),
        (random.Random(3).randbytes(5000), "a binary file"),
    ],
)
def test_what_is_no_text_is_named_and_refused(data: bytes, looks_like: str) -> None:
    with pytest.raises(UserError) as caught:
        decode_text(data, "novel.txt")
    assert caught.value.problem.startswith(f"`novel.txt` looks like {looks_like}")
    assert caught.value.remedy


@pytest.mark.parametrize("odd", ["", "a"])
def test_a_long_text_of_two_byte_characters_is_read_in_parts_without_a_seam(odd: str) -> None:
    text = odd + "これは海の怪物の話です。\r\n" * 30_000
    assert len(text.encode("cp932")) > 2 * CHUNK
    assert decode_text(text.encode("cp932"), "a.txt") == text.replace("\r\n", "\n")


def test_line_ends_at_the_seams_of_a_long_text_stay_one() -> None:
    text = "a" * (CHUNK - 1) + "\r\n" + "b" * (CHUNK - 2) + "\r\nc\r"
    assert decode_text(text.encode(), "a.txt") == text.replace("\r\n", "\n").replace("\r", "\n")
