"""Header, footer, and whether a file is the book that was asked for. The books here never existed."""

import itertools

import pytest
from hypothesis import given, strategies as st

from galvanic.read.gutenberg import find_book, why_not_book
from galvanic.source import chunks

BODY = "THE TIN LIGHTHOUSE\n\nChapter 1\n\nThe lamp went out at nine,\nand nobody came to light it."
HEADER = "The Project Gutenberg eBook of The Tin Lighthouse\n\nTitle: The Tin Lighthouse\n\nAuthor: A. Nobody\n\n"
NUMBER = "Release date: May 1, 1999 [eBook #90001]\n\n"
START = "*** START OF THE PROJECT GUTENBERG EBOOK THE TIN LIGHTHOUSE ***"
END = "*** END OF THE PROJECT GUTENBERG EBOOK THE TIN LIGHTHOUSE ***"
FOOTER = "\n\nUpdated editions will replace the previous one.\n"


def strip_gutenberg(text: str) -> str:
    """The book in a text, or all of one that has no mark."""
    found = find_book(chunks(text))
    return text if found is None else "".join(found.only(chunks(text)))


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


def test_with_one_marker_one_side_is_cut_and_without_one_none() -> None:
    assert strip_gutenberg(f"{HEADER}{START}\n\n{BODY}") == BODY
    assert strip_gutenberg(f"{BODY}\n\n{END}{FOOTER}") == BODY
    diary = "  a diary about Project Gutenberg and its *** stars ***\n\n"
    assert strip_gutenberg(diary) == diary


def title(text: str) -> str:
    found = find_book([text])
    return found.title if found is not None else ""


def test_the_title_is_read_from_the_header() -> None:
    assert title(book()) == "The Tin Lighthouse, by A. Nobody"
    assert not title(BODY)
    assert not title(f"Title: A diary\n\n{BODY}")


LICENCE = (
    "Section 1. General Terms\n"
    + "You may copy it, give it away or re-use it.\n" * 400
    + "to\nsubscribe to our email newsletter to hear about new eBooks.\n\n"
)


def full(words: str) -> str:
    return f"{HEADER}{NUMBER}{START}\n\n\nProduced by Somebody\n\n{words}\n\n\n{END}\n\n{LICENCE}"


def test_of_several_books_all_between_the_first_header_and_the_last_licence_remains() -> None:
    long = "The lamp went out.\n" * 5_000
    text = strip_gutenberg(full(f"Book 1.\n\n{long}") + full(f"Book 2.\n\n{long}"))
    assert text.startswith("Book 1.")
    assert HEADER in text
    assert text.endswith(f"Book 2.\n\n{long.strip()}")


def test_what_people_wrote_about_a_book_remains() -> None:
    diary = "Dear diary, we heard of Project Gutenberg today.\n" * 1_000
    text = f"{diary}\n{full(BODY)}\n{diary}"
    assert strip_gutenberg(text) == text


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
        # Told apart without trying all ways to divide the comments.
        ("<!---->" * 1_000, "something that is not a Project Gutenberg text"),
        ("<!---->" * 1_000 + "<html>", "a web page instead of the book"),
    ],
)
def test_whether_it_is_the_book(text: str, reason: str) -> None:
    assert why_not_book(text, 90001, "The tin lighthouse", "A. Nobody") == reason


@pytest.mark.parametrize(
    ("title", "author", "reason"),
    [
        ("L'été à Cœur-sec", "Émile Oßner", ""),
        ("Un été", "Emile Ossner", ""),
        ("Un été", "Zoë Müller", "another book"),
    ],
)
def test_a_header_names_the_title_or_the_author(title: str, author: str, reason: str) -> None:
    header = "Title: L’été à Cœur-Sec: roman\n\nAuthor: Émile Oßner\n\n"
    text = f"{header}{NUMBER}Language: French\n\n{START}\n\n{BODY}\n\n{END}{FOOTER}"
    assert why_not_book(text, 90001, title, author) == reason


@given(
    st.lists(st.sampled_from([START, END, HEADER, "\n\n", BODY, "Produced by X\n\n", " \n" * 99, LICENCE])), st.data()
)
def test_parts_of_any_length_give_the_same_text(lines: list[str], data: st.DataObject) -> None:
    text = "\n".join(lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=9)))
    parts = [text[a:b] for a, b in itertools.pairwise([0, *cuts, len(text)])]
    found = find_book(parts)
    assert found == find_book([text])
    if found is not None:
        assert "".join(found.only(parts)) == text[found.begin : found.end] == text[found.begin : found.end].strip()
