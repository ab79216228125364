"""Files that people attach: what takes long is not done on the event loop."""

import asyncio
from typing import Any
from unittest.mock import AsyncMock

import aiohttp

from tests.bot.live import Live


async def test_files_are_read_in_another_process(live: Live) -> None:
    begun = list[Any]()
    begin = asyncio.create_subprocess_exec

    async def noting(*words: Any, **options: Any) -> asyncio.subprocess.Process:
        begun.append((words, options["env"]))
        return await begin(*words, **options)

    live.patch.setattr(asyncio, "create_subprocess_exec", noting)
    assert "too short" in await live.ask("!train", files={"dull.txt": b"Too short. " * 20})
    ((words, environment),) = begun
    assert "shared.corpora.reader" in words
    assert not {name for name in environment if "TOKEN" in name or "REDIS" in name}
    assert list((live.bot.settings.data_dir / "uploads").iterdir()) == []


async def test_a_file_that_discord_does_not_hand_over(live: Live) -> None:
    live.patch.setattr(live.bot.http, "get_from_cdn", AsyncMock(side_effect=aiohttp.ClientConnectionError))
    said = await live.ask("!train", files={"dull.txt": b"Dull words. " * 200})
    assert "Discord didn't hand me the file" in said
    assert "Attach it once more" in said


async def test_a_files_name_does_not_end_the_code_that_it_stands_in(live: Live) -> None:
    said = await live.ask("!train", files={"x`||y||`@everyone.txt": b"%PDF-1.7"})
    assert "`x'||y||'@everyone.txt`" in said


async def test_the_card_says_what_of_a_file_is_left_out(live: Live) -> None:
    marks = (
        "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n{}\n*** END OF THE PROJECT GUTENBERG EBOOK X ***\nLicence.\n"
    )
    book = "The Project Gutenberg eBook of X\n\n" + marks.format("Dull words of a dull book. " * 200)
    card = await live.ask("!train", files={"library.txt": book.encode()})
    assert "5,399 characters" in card
    assert "Left out: Project Gutenberg's header and licence, " in card


async def test_data_takes_the_name_of_a_column(live: Live) -> None:
    said = b'{"author": "ben", "content": "nobody asked me, but here is what I think"}\n' * 100
    assert "Say which field holds the texts: `--text-column NAME`" in await live.ask("!train", files={"us.txt": said})
    typed = "!train --text-column content --speaker-column author"
    assert "A table: **100 messages** by 1 person" in await live.ask(typed, files={"us.txt": said})


async def test_a_link_is_not_fetched(live: Live) -> None:
    answer = await live.ask("!train https://example.org/book.txt")
    assert "I don't fetch links.**\nDownload the file and attach it, or name a text that `/catalogue` lists." in answer


async def test_who_cannot_fetch_a_book_is_told_of_texts_that_need_no_network(live: Live) -> None:
    live.patch.setattr(live.bot.settings, "gutenberg_mirrors", ("http://127.0.0.1:9/{number}",))
    answer = await live.ask("!train frankenstein")
    assert "I couldn't fetch Frankenstein" in answer
    assert "`python-docs` needs no internet" in answer
    assert "127.0.0.1" not in answer
    assert "comes with Python, needs no network" in await live.ask("!catalogue")


async def test_a_model_file_that_is_too_large_is_refused_unread(live: Live) -> None:
    live.bot.settings.import_max_mb = 0.001
    said = await live.ask("!model import", files={"x.safetensors": bytes(2_000)})
    assert "I take model files up to 0.001 MB" in said
