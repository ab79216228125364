"""Header, footer, and whether a file is the book that was asked for. The books here never existed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.corpora import strip_gutenberg
from shared.corpora.gutenberg import _WINDOW, gutenberg_title, why_not_book

BODY = "THE TIN LIGHTHOUSE\n\nChapter 1\n\nThe lamp went out at nine,\nand nobody came to light it."
HEADER = "The Project Gutenberg eBook of The Tin Lighthouse\n\nTitle: The Tin Lighthouse\n\nAuthor: A. Nobody\n\n"
NUMBER = "Release date: May 1, 1999 [eBook #90001]\n\n"
START = "*** START OF THE PROJECT GUTENBERG EBOOK THE TIN LIGHTHOUSE ***"
END = "*** END OF THE PROJECT GUTENBERG EBOOK THE TIN LIGHTHOUSE ***"
FOOTER = "\n\nUpdated editions will replace the previous one.\n"


def book(start: str = START, end: str = END, *, number: str = NUMBER, body: str = BODY) -> str:
    return f"{HEADER}{number}{start}\n\n\n{body}\n\n\n{end}{FOOTER}"


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (START, END),
        ("***START OF THE PROJECT GUTENBERG EBOOK X***", "***END OF THE PROJECT GUTENBERG EBOOK X***"),
        ("*** START OF THIS PROJECT GUTENBERG EBOOK X ***", "*** END OF THIS PROJECT GUTENBERG EBOOK X ***"),
        ("*** START OF THE PROJECT GUTENBERG ETEXT X ***", "*** END OF THE PROJECT GUTENBERG ETEXT X ***"),
        ("*** START OF THE PROJECT GUTENBERG EBOOK A TITLE\nOVER TWO LINES ***", END),
        ("*** START OF THE PROJECT GUTENBERG EBOOK WITHOUT AN END", END),
        ("*END*THE SMALL PRINT! FOR PUBLIC DOMAIN ETEXTS*Ver.04.29.93*END*", END),
        (START, "End of the Project Gutenberg EBook of The Tin Lighthouse, by A. Nobody\n\n" + END),
        (START, "End of Project Gutenberg's The Tin Lighthouse, by A. Nobody\n\n" + END),
        (START + "\n\nProduced by Somebody and the\nOnline Team", END),
        (START + "\n\nE-text prepared by Somebody", END),
    ],
)
def test_only_the_book_remains(start: str, end: str) -> None:
    assert strip_gutenberg(book(start, end)) == BODY


@given(st.text("abc *\n", max_size=200).map(str.strip).filter(bool))
def test_any_body_comes_out_whole(body: str) -> None:
    assert strip_gutenberg(book(body=body)) == body


def test_a_text_without_markers_is_not_touched() -> None:
    text = "  a diary about Project Gutenberg and its *** stars ***\n\n"
    assert strip_gutenberg(text) == text


def test_with_one_marker_one_side_is_cut() -> None:
    assert strip_gutenberg(f"{HEADER}{START}\n\n{BODY}") == BODY
    assert strip_gutenberg(f"{BODY}\n\n{END}{FOOTER}") == BODY


def test_the_word_produced_is_not_always_a_credit() -> None:
    body = "A lamp produced by hand stood there.\n\nIt burned."
    assert strip_gutenberg(book(body=body)) == body


def test_the_title_is_read_from_the_header() -> None:
    assert gutenberg_title(book()) == "The Tin Lighthouse, by A. Nobody"
    assert gutenberg_title(BODY) is None
    assert gutenberg_title(f"Title: A diary\n\n{BODY}") is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (book(), ""),
        (book(number=""), ""),
        (book(number="[EBook #90002]\n"), "another book"),
        (book(number="").replace("Tin", "Iron").replace("TIN", "IRON"), "another book"),
        (book(number="[eBook #900012]\n"), "another book"),
        (book()[:-200], "only a part of the book"),
        (BODY, "something that is not a Project Gutenberg text"),
        ("<!DOCTYPE html>\n<html><body>Too many requests</body></html>", "a web page instead of the book"),
        ("\n<!-- cache -->\n<HTML lang='en'>", "a web page instead of the book"),
    ],
)
def test_whether_it_is_the_book(text: str, reason: str) -> None:
    assert why_not_book(text, 90001, "The Tin Lighthouse") == reason


@given(before=st.integers(-40, 40), windows=st.integers(0, 2), end=st.sampled_from(["", END]))
def test_a_marker_is_found_wherever_the_text_is_searched_in_parts(before: int, windows: int, end: str) -> None:
    start = "*** START OF THE PROJECT GUTENBERG EBOOK A LONG TITLE\nTHAT RUNS ON ***"
    filler = ("word " * (windows * _WINDOW // 5 + 50))[: max(0, windows * _WINDOW + before)]
    assert strip_gutenberg(f"{filler}\n{start}\n{BODY}\n{filler}\n{end}").startswith(BODY)
    assert end not in strip_gutenberg(f"{filler}\n{start}\n{BODY}\n{filler}\n{end}") or not end


def test_a_page_of_comments_is_told_apart_without_trying_all_ways_to_divide_it() -> None:
    assert "not a Project Gutenberg text" in why_not_book("<!---->" * 1_000, 90001, "The Tin Lighthouse")
    assert "a web page" in why_not_book("<!---->" * 1_000 + "<html>", 90001, "The Tin Lighthouse")


def test_a_text_without_a_blank_line_is_no_credit() -> None:
    body = "Produced by hand, " + "and by lamplight, " * 500
    assert strip_gutenberg(f"{START}\n{body}\n{END}") == body.strip()
