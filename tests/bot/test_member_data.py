"""Members see what is stored of them, as a page and as a file."""

from __future__ import annotations

import gzip
import json
from typing import Any

import aiohttp
import pytest

from bot.channels.export import packed
from playground.places import GUILD_ID, USER_IDS
from shared import keys
from shared.settings import Settings
from tests.bot.live import Live, text_of
from tests.bot.members import ADA, BEN, CELLAR, DORA, TAVERN, asked_for, ben_and_dora, model_of, stored


@pytest.fixture
def settings(opted_in: None) -> Settings:
    return Settings()


async def test_privacy_tells_what_is_stored_and_where_it_is_used(live: Live) -> None:
    await live.channels.consents.allow(GUILD_ID, TAVERN, ADA)
    await live.channels.consents.allow(GUILD_ID, CELLAR, ADA)
    model_of(live, await stored(live, BEN, DORA))
    live.slash("dora", "privacy")
    shown = text_of(await live.until(lambda: live.whispered("dora", "What I store about you"), "the answer"))
    for words in ("**Yes**", f"`chatter`, from <#{TAVERN}>", "members who said yes", "30 days"):
        assert words in shown, words
    assert f"<#{CELLAR}>" not in shown
    assert "made again, or deleted, by" not in shown
    await live.channels.withdrawals.withdraw(GUILD_ID, [BEN], why="test")
    await live.ask("!privacy", person="dora", channel=live.dm("dora"))
    again = text_of(await live.directly("dora", "made again, or deleted, by"))
    assert "`chatter`" in again


async def test_models_are_told_only_to_those_whose_words_they_learned(live: Live) -> None:
    note = await stored(live, BEN, channel_id=CELLAR)
    model_of(live, note, "hidden", CELLAR)
    dora, ben = [await live.bot.fetch_user(who) for who in (DORA, BEN)]
    assert not (await live.channels.member_data.in_server(GUILD_ID, dora)).learned
    (learned,) = (await live.channels.member_data.in_server(GUILD_ID, ben)).learned
    assert (learned.model.name, learned.name, learned.gone_by) == ("hidden", None, None)


async def test_somebody_unknown_is_told_that_nothing_is_held(live: Live) -> None:
    assert "I store nothing about you" in await live.ask("!privacy", person="cleo", channel=live.dm("cleo"))
    await asked_for(live, "g-1", USER_IDS["cleo"], "a seed of cleo")
    assert "about you in Galvanic playground" in await live.ask("!privacy", person="cleo", channel=live.dm("cleo"))


async def test_requests_are_found_without_those_of_others(live: Live) -> None:
    await ben_and_dora(live)
    found = {who: [job.job_id async for job in live.channels.member_data.requests_of(who)] for who in (BEN, DORA)}
    assert found == {BEN: ["g-1"], DORA: ["g-2"]}
    await live.bot.redis.delete(keys.job("g-1"), keys.asked("g-1"))
    assert [job async for job in live.channels.member_data.requests_of(BEN)] == []
    assert not await live.bot.redis.exists(keys.requests(BEN)), "what expired is no longer listed"
    await live.channels.member_data.forget_requests(DORA, [GUILD_ID])
    assert not await live.bot.redis.exists(keys.requests(DORA))


async def test_the_file_has_all_of_one_person_and_nothing_of_others(live: Live) -> None:
    await ben_and_dora(live)
    live.slash("ben", "export-data")
    sent = await live.until(lambda: live.whispered("ben", "all that I store"), "the file")
    (attached,) = sent.attachments
    data = await read(attached)
    found = json.loads(data)
    (server,) = [one for one in found["servers"] if one["guild_id"] == str(GUILD_ID)]
    assert server["consent"]["state"] == "in"
    assert server["models_that_learned_from_you"][0]["name"] == "chatter"
    assert [job["seed"] for job in found["requests"]] == ["a seed of ben"]
    for other in (str(DORA), "dora", "blocklisted"):
        assert other not in data.decode()
    live.slash("ben", "export-data")
    await live.until(lambda: live.whispered("ben", "a bit fast"), "the cooldown")


async def read(attached: Any) -> bytes:
    """The bytes of a file that was posted."""
    url = attached["url"] if isinstance(attached, dict) else attached.url
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.read()


def test_a_large_file_is_compressed_and_one_that_still_is_comes_in_pieces() -> None:
    data = {"words": [str(number) for number in range(2_000)]}
    ((name, plain),) = packed(data, 10**6)
    assert name.endswith(".json")
    ((name, small),) = packed(data, len(plain) - 1)
    assert name.endswith(".json.gz")
    assert gzip.decompress(small) == plain
    pieces = packed(data, 1_000)
    assert len(pieces) > 1
    assert all(len(piece) <= 1_000 for _, piece in pieces)
    assert gzip.decompress(b"".join(piece for _, piece in sorted(pieces))) == plain
