"""From a name to its text: the folder, the cache, Python, and mirrors played by a server of our own."""

import asyncio
import hashlib
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from structlog.testing import capture_logs

from galvanic.errors import UserError
from galvanic.read.text import slugify
from shared.corpora import fetch
from shared.corpora.catalogue import catalogue
from shared.corpora.corpus import Corpus
from shared.corpora.sources import in_folder, names, resolve
from shared.settings import Settings

MakeSettings = Callable[..., Settings]
# The number and title of Frankenstein around a text that never was a book.
BODY = "THE TIN LIGHTHOUSE\n\n" + "The lamp went out at nine, and nobody came.\n" * 40
HEADER = "Title: Frankenstein\n\nAuthor: Nobody\n\nRelease date: May 1, 1999 [eBook #{number}]\n\n"
START, END = "*** START OF THE PROJECT GUTENBERG EBOOK X ***", "*** END OF THE PROJECT GUTENBERG EBOOK X ***"


def book(number: int = 84) -> str:
    return f"{HEADER.format(number=number)}{START}\n\n{BODY}\n\n{END}\n\nThe small print.\n"


@pytest.fixture
def make_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeSettings:
    """Settings for texts of 200 characters and more."""
    monkeypatch.setattr("shared.corpora.corpus.LEAST_CHARS", 200)

    def make(**values: Any) -> Settings:
        # A mirror that nobody should ask.
        values.setdefault("gutenberg_mirrors", ("http://127.0.0.1:9/{number}",))
        return Settings(_env_file=None, data_dir=tmp_path / "data", **values)

    return make


class Mirrors:
    """A server whose paths behave like mirrors of different character; it remembers who was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        app = web.Application()
        app.router.add_get("/{kind}/{number}.txt", self.answer)
        self.server = TestServer(app)

    def url(self, kind: str) -> str:
        return str(self.server.make_url("/")) + kind + "/{number}.txt"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        kind, number = request.match_info["kind"], int(request.match_info["number"])
        self.asked.append(kind)
        text = book(number)
        match kind:
            case "good":
                return web.Response(body=text.replace("\n", "\r\n").encode("utf-8-sig"), content_type="text/plain")
            case "missing":
                raise web.HTTPNotFound
            case "wrong":
                return web.Response(text=book(number + 1))
            case "html":
                return web.Response(text="<!DOCTYPE html><html><body>Slow down.</body></html>" * 20)
            case "binary":
                return web.Response(body=b"\x7fELF\x02\x01\x00\x00 not a text")
            case "slow":
                response = web.StreamResponse()
                await response.prepare(request)
                await response.write(b"Title:")
                await asyncio.sleep(30)
                return response
            case "endless":
                response = web.StreamResponse()
                await response.prepare(request)
                for _ in range(10_000):
                    await response.write(b"words and more words " * 1000)
                return response
            case "cut":  # promises more than it sends
                response = web.StreamResponse(headers={"Content-Length": "100000"})
                await response.prepare(request)
                await response.write(text.encode())
                assert request.transport is not None
                request.transport.close()
                return response
        raise web.HTTPNotImplemented


@pytest.fixture
async def mirrors() -> AsyncIterator[Mirrors]:
    mirrors = Mirrors()
    await mirrors.server.start_server(shutdown_timeout=0.1)
    yield mirrors
    await mirrors.server.close()


def titles(corpus: Corpus) -> tuple[str, str, bool | None]:
    return corpus.info.name, corpus.info.source, corpus.info.hard_wrapped


async def test_a_book_is_fetched_stripped_described_and_cached(mirrors: Mirrors, make_settings: MakeSettings) -> None:
    corpus = await resolve("Frankenstein ", make_settings(gutenberg_mirrors=(mirrors.url("good"),)))
    assert corpus.text == BODY.strip()
    assert titles(corpus) == ("frankenstein", "catalogue", True)
    assert corpus.info.title == "Frankenstein, by Mary Wollstonecraft Shelley"
    assert corpus.info.chars == len(corpus.text)
    assert corpus.info.sha256 == hashlib.sha256(corpus.text.encode()).hexdigest()
    assert "84" in corpus.info.licence
    assert "lamp" not in repr(corpus)
    cached = make_settings(gutenberg_mirrors=())
    assert await resolve("frankenstein", cached) == corpus
    assert [path.name for path in (cached.data_dir / "corpora").iterdir()] == ["frankenstein.txt"]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "answered with the error 404"),
        ("wrong", "sent another book"),
        ("html", "sent a web page instead of the book"),
        ("binary", "sent something that is not a text"),
        ("slow", "took longer than 0.5 s, or stalled"),
        ("endless", "has a file over the limit of 1 MB"),
        ("cut", "cannot be reached (ClientPayloadError)"),
    ],
)
async def test_a_bad_mirror_is_told_apart_and_the_next_one_asked(
    mirrors: Mirrors, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, kind: str, reason: str
) -> None:
    if kind == "slow":
        monkeypatch.setattr(fetch, "FETCH_WITHIN_S", 0.5)
    values: dict[str, Any] = {"corpus_max_mb": 1}
    settings = make_settings(gutenberg_mirrors=(mirrors.url(kind),), **values)
    with capture_logs() as logs, pytest.raises(UserError, match="I couldn't fetch Frankenstein"):
        await resolve("frankenstein", settings)
    assert [(entry["host"], entry["reason"]) for entry in logs if "host" in entry] == [("127.0.0.1", reason)]
    assert not (settings.data_dir / "corpora").exists(), "nothing is left behind"
    settings = make_settings(gutenberg_mirrors=(mirrors.url(kind), mirrors.url("good")), **values)
    assert (await resolve("frankenstein", settings)).text == BODY.strip()
    assert mirrors.asked == [kind, kind, "good"]


async def test_every_reason_is_in_the_log(mirrors: Mirrors, make_settings: MakeSettings) -> None:
    braces = mirrors.url("missing").replace("{number}", "{number}{}")
    no_host = ("http://:/{number}", "http://a..b/{number}")
    urls = (braces, "http://127.0.0.1:9/{number}", *no_host, mirrors.url("html"))
    with capture_logs() as logs, pytest.raises(UserError) as caught:
        await resolve("frankenstein", make_settings(gutenberg_mirrors=urls))
    reasons = [entry["reason"] for entry in logs]
    for part in ("error 404", "cannot be reached", "(InvalidUrl", "(UnicodeEncodeError", "a web page"):
        assert any(part in reason for reason in reasons)
        assert part not in str(caught.value), "people can do nothing about it"
    with capture_logs() as logs, pytest.raises(UserError):
        await resolve("frankenstein", make_settings(gutenberg_mirrors=()))
    assert [entry["reason"] for entry in logs] == ["no mirror is configured"]


async def test_python_docs_need_no_network(make_settings: MakeSettings) -> None:
    corpus = await resolve("python-docs", make_settings(gutenberg_mirrors=()))
    assert titles(corpus) == ("python-docs", "python-docs", None)
    assert corpus.info.chars > 90_000
    for paragraph in corpus.text.split("\n\n"):
        assert re.fullmatch(r"[A-Z][^|*\"\n]+\.", paragraph), "a whole sentence, and no piece of a table or of code"
    assert "::=" not in corpus.text


def test_a_name_stands_for_a_file_of_the_folder(make_settings: MakeSettings, tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    for name in ("Frankenstein.TXT", "My Diary.txt", "notes.md", "Дневник.txt", "tides.txt.gz"):
        (folder / name).write_text(BODY, "utf-8")
    (folder / "folder.txt").mkdir()
    settings = make_settings(corpora_dir=folder)
    files = {"FRANKENSTEIN.txt": "Frankenstein.TXT", "my diary": "My Diary.txt", "tides": "tides.txt.gz"}
    for name, file in (files | {"ДНЕВНИК": "Дневник.txt"}).items():
        assert in_folder(name, settings) == folder / file
    listed = names(settings)
    assert {"my-diary", "frankenstein", "notes", "дневник"} <= set(listed)
    assert "folder" not in listed
    assert listed == sorted(set(listed))


async def test_an_operator_s_own_list_is_fetched_and_checked_as_ours(
    mirrors: Mirrors, make_settings: MakeSettings, tmp_path: Path
) -> None:
    entry = {"name": "lamp", "title": "Frankenstein", "author": "Nobody", "gutenberg_number": 7, "language": "de"}
    (tmp_path / "catalogue.json").write_text(json.dumps([entry]))
    settings = make_settings(corpora_dir=tmp_path, gutenberg_mirrors=(mirrors.url("good"),))
    assert "lamp" in names(settings)
    assert "python-docs" in names(settings)
    assert "catalogue" not in names(settings)
    info = (await resolve("lamp", settings)).info
    assert (info.title, info.language) == ("Frankenstein, by Nobody", "de"), "as the list says"
    with capture_logs() as logs, pytest.raises(UserError, match="couldn't fetch Dracula"):
        await resolve("dracula", settings)
    assert "sent another book" in str(logs)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ('[{"name": "lamp"}]', r"entry 1, `title`: "),
        ('[{"name": "lamp", "title": "T", "author": "A"}]', r"entry 1, `gutenberg_number`: "),
        ('[{"name": "a b", "title": "T", "author": "A", "gutenberg_number": 1}]', r"entry 1, `name`: "),
        ("{", "wrong: Invalid JSON"),
    ],
)
def test_a_wrong_own_list_is_refused_with_the_entry(tmp_path: Path, entries: str, reason: str) -> None:
    (tmp_path / "catalogue.json").write_text(entries)
    with pytest.raises(UserError, match=reason):
        catalogue(tmp_path)


@pytest.mark.parametrize(
    "name", ["../secret", "..\\secret", "/etc/passwd", "sub/secret", "secret\0.txt", "~/secret", ""]
)
def test_no_name_leads_out_of_the_folder(make_settings: MakeSettings, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "texts"
    (folder / "sub").mkdir(parents=True)
    for place in (tmp_path, folder / "sub"):
        (place / "secret.txt").write_text(BODY, "utf-8")
    assert in_folder(name, make_settings(corpora_dir=folder)) is None


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Moby Dick", "moby-dick"),
        ("A  __B--c!", "a-b-c"),
        ("Café", "cafe"),
        ("日本", ""),
        ("Идиот 1", ""),
        ("Kızlar 2", "kizlar-2"),
        ("1984", "1984"),
        ("x" * 40, "x" * 32),
    ],
)
def test_slugs(name: str, slug: str) -> None:
    assert slugify(name) == slug


def test_the_catalogue_is_in_order() -> None:
    entries = catalogue()
    assert [entry.name for entry in entries] == sorted({entry.name for entry in entries})
    assert all(slugify(entry.name) == entry.name for entry in entries)
    languages = Counter(entry.language for entry in entries)
    assert all(languages[code] >= 5 for code in ("en", "de", "fr", "es", "it", "pt", "fi"))
    numbers = [entry.gutenberg_number for entry in entries if entry.gutenberg_number]
    assert len(numbers) == len(set(numbers)) == len(entries) - 1 >= 15
    by_name = {entry.name: entry.gutenberg_number for entry in entries}
    assert (by_name["frankenstein"], by_name["shakespeare-sonnets"]) == (84, 1041)
    assert any(entry.verse for entry in entries)


async def test_an_unknown_name_is_shown_up_to_a_length(make_settings: MakeSettings) -> None:
    with pytest.raises(UserError) as caught:
        await resolve("q" * 500 + "`", make_settings())
    assert len(caught.value.problem) < 100
    assert "Did you mean" not in caught.value.remedy
