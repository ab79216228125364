"""The cases that everybody thinks of first, each by its name: bombs, very long texts, oddities, paths."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from galvanic.errors import UserError
from shared.corpora import from_upload, pack, unpack, unpack_to_file, unpacked_limit
from shared.settings import Settings
from tests.bot.live import text_of
from tests.fuzz.budget import FULL, SLOWEST_S
from tests.fuzz.hand import Hand
from tests.fuzz.saved import content

MB = 1_000_000
LINE = "the tide came in and the tide went out and "


async def answer(hand: Hand, typed: str, name: str, data: bytes) -> str:
    """What the bot says to a file, by the same rules as to all others."""
    hand.forget()
    await hand.attach(typed, name, data)
    hand.judge()
    return "\n".join(map(text_of, hand.said()))


def bomb(megabytes: int) -> bytes:
    """An archive that unpacks to so much, named like an export."""
    parts = [["model.json", {"text": " ", "times": megabytes * MB}], ["weights.safetensors", {"text": ""}]]
    return content({"zip": parts})


async def test_a_zip_bomb_as_a_model(hand: Hand) -> None:
    data = bomb(300)
    assert len(data) < MB
    assert "isn't an exported model" in await answer(hand, "!model import", "x.safetensors", data)


async def test_a_zip_bomb_as_a_text(hand: Hand) -> None:
    assert "looks like" in await answer(hand, "!train", "x.txt", bomb(50))


async def test_a_hundred_megabytes_of_one_character_are_refused_unread(hand: Hand) -> None:
    said = await answer(hand, "!train", "x.txt", b"x" * (100 * MB))
    assert "too large: 100.0 MB" in said
    assert "I take model files up to" in await answer(hand, "!model import", "x.safetensors", b"x" * (100 * MB))


def test_a_hundred_megabytes_of_one_character_are_a_text_where_they_are_allowed(tmp_path: Path) -> None:
    settings = Settings(corpus_max_mb=200)
    made = from_upload("x.txt", b"x" * (100 * MB), settings)
    assert made.info.chars == 100 * MB
    packed = pack(made.text)
    assert len(packed) < MB
    unpack_to_file(packed, tmp_path / "x", unpacked_limit(settings))
    assert (tmp_path / "x").stat().st_size == 100 * MB


def test_what_is_packed_smaller_than_it_is_does_not_fill_the_memory() -> None:
    packed = pack("x" * (100 * MB))
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="longer than this worker accepts"):
            unpack(packed, 5 * MB)
        assert tracemalloc.get_traced_memory()[1] < 20 * MB
    finally:
        tracemalloc.stop()


async def test_one_line_of_ten_megabytes_is_learned_and_nobody_waits_for_it(hand: Hand) -> None:
    data = (LINE * (10 * MB // len(LINE) + 1))[: 10 * MB].encode()
    busy = asyncio.create_task(_longest_pause())
    assert "Queued" in await answer(hand, "!train", "line.txt", data)
    busy.cancel()
    paused_s = (await asyncio.gather(busy))[0]
    assert paused_s < SLOWEST_S or not FULL


async def _longest_pause() -> float:
    """How long the event loop did nothing else, until cancelled."""
    longest, last = 0.0, time.monotonic()
    try:
        while True:
            await asyncio.sleep(0.01)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
    except asyncio.CancelledError:
        return longest


@pytest.mark.parametrize("recipe", ["char", "word", "classic"])
def test_one_long_line_is_read_by_every_recipe(recipe: Any) -> None:
    from galvanic.text import TextOptions, prepare

    text = (LINE * (2 * MB // len(LINE)))[: 2 * MB]
    prepared = prepare(text, TextOptions(recipe))
    assert len(prepared.vocabulary) > 1


@pytest.mark.parametrize(
    "oddity",
    ["\ud800", "\x00", "\ufeff", "Z" + "\u0335" * 500, "\u202eabc", "\u200b", "👩‍👩‍👧‍👦", "\r", "\u2028"],
    ids=ascii,
)
async def test_a_text_of_nothing_but_one_oddity(oddity: str, hand: Hand) -> None:
    data = (oddity * 2_000).encode("utf-8", "surrogatepass")
    assert await answer(hand, "!train", "x.txt", data)


@pytest.mark.parametrize(
    "name",
    ["../../x.txt", "C:\\CON.txt", "nul", "a\x00b.txt", "x" * 250 + ".txt", "...", "~root", "\u202etxt.exe", "`||x||`"],
    ids=ascii,
)
async def test_names_that_lead_elsewhere_name_a_model_at_most(name: str, hand: Hand) -> None:
    said = await answer(hand, "!train", name, LINE.encode() * 200)
    assert "Queued" in said
    assert "/" not in said.split("\n")[0]
