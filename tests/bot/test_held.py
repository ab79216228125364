"""Members see what is held of them, as a page and as a file."""

from __future__ import annotations

import gzip
import json
import time
from typing import Any

import aiohttp
import pytest

from bot.channels import embeds, held
from bot.channels.consent import Allowed, Said
from bot.channels.embeds import Terms
from bot.channels.export import packed
from bot.channels.withdrawals import Withdrawn
from galvanic.options import TranscriptRef
from playground.places import ANNEX_ID, CHANNEL_IDS, GUILD_ID, USER_IDS
from shared import keys
from shared.settings import Settings
from tests import factories
from tests.bot.live import Live, text_of
from tests.bot.members import ADA, BEN, CELLAR, DORA, TAVERN, asked_for, ben_and_dora, model_of, stored
from tests.transcripts import state_of


@pytest.fixture
def settings(opted_in: None) -> Settings:
    return Settings()


async def test_privacy_tells_what_is_stored_and_where_it_is_used(live: Live) -> None:
    await live.bot.consents.allow(GUILD_ID, TAVERN, ADA)
    await live.bot.consents.allow(GUILD_ID, CELLAR, ADA)
    transcript_id = await stored(live, BEN, DORA)
    model_of(live, transcript_id)
    live.slash("dora", "privacy")
    shown = text_of(await live.until(lambda: live.whispered("dora", "What I store about you"), "the answer"))
    for words in ("**Yes**", f"<#{TAVERN}>: 2 lines, until", "`chatter`, from", "members who said yes", "7 days"):
        assert words in shown, words
    assert f"<#{CELLAR}>" not in shown
    assert "made again" not in shown
    await live.bot.withdrawals.withdraw(GUILD_ID, [BEN], why="test")
    await live.ask("!privacy", person="dora", channel=live.dm("dora"))
    again = text_of(await live.directly("dora", "made again, or deleted, by"))
    assert "`chatter`" in again


async def test_of_words_that_are_deleted_it_tells_the_numbers_once(live: Live) -> None:
    for number in range(3):
        model_of(live, transcript_id := await stored(live, DORA), f"chatter-{number}")
        await live.bot.redis.delete(keys.transcript_text(transcript_id))
    live.slash("dora", "privacy")
    shown = text_of(await live.until(lambda: live.whispered("dora", "What I store about you"), "the answer"))
    assert shown.count("I keep only how many lines") == 1
    assert "to find these models: 2, 2, 2" in shown


async def test_a_channels_models_are_not_told_to_who_cannot_read_it(live: Live) -> None:
    transcript_id = await stored(live, BEN, channel_id=CELLAR)
    model_of(live, transcript_id, "hidden", CELLAR)
    await live.bot.withdrawals.withdraw(GUILD_ID, [BEN], why="test")
    dora, ben = [await live.bot.fetch_user(who) for who in (DORA, BEN)]
    assert not (await live.bot.holdings.in_server(GUILD_ID, dora)).due
    assert (await live.bot.holdings.in_server(GUILD_ID, ben)).due.keys() == {"hidden"}


async def test_somebody_unknown_is_told_that_nothing_is_held(live: Live) -> None:
    assert "I store nothing about you" in await live.ask("!privacy", person="cleo", channel=live.dm("cleo"))
    await asked_for(live, "g-1", USER_IDS["cleo"], "a seed of cleo")
    assert "about you in Galvanic playground" in await live.ask("!privacy", person="cleo", channel=live.dm("cleo"))


async def test_requests_are_found_without_those_of_others(live: Live) -> None:
    await ben_and_dora(live)
    found = {who: [job.job_id async for job in live.bot.holdings.requests_of(who)] for who in (BEN, DORA)}
    assert found == {BEN: ["g-1"], DORA: ["g-2"]}
    await live.bot.redis.delete(keys.job("g-1"), keys.asked("g-1"))
    assert [job async for job in live.bot.holdings.requests_of(BEN)] == []
    assert not await live.bot.redis.exists(keys.requests(BEN)), "what expired is no longer listed"
    await live.bot.holdings.forget_requests(DORA, [GUILD_ID])
    assert not await live.bot.redis.exists(keys.requests(DORA))


async def test_all_servers_are_looked_through_once_in_a_while(live: Live) -> None:
    live.patch.setattr("bot.channels.cog.EVERYWHERE_EVERY_S", 30.0)
    for command in ("privacy", "optout", "forget-me"):
        await live.ask(f"!{command}", person="ben", channel=live.dm("ben"))
        assert "a bit fast" in await live.ask(f"!{command}", person="ben", channel=live.dm("ben"))
        assert "a bit fast" not in await live.ask(f"!{command}", person="ben")


async def test_a_direct_message_tells_of_every_server(live: Live) -> None:
    await live.bot.consents.agree(GUILD_ID, BEN)
    await live.bot.consents.allow(ANNEX_ID, CHANNEL_IDS["atrium"], BEN)
    await live.ask("!privacy", person="ben", channel=live.dm("ben"))
    await live.directly("ben", "store about you in Galvanic playground")
    await live.directly("ben", "store about you in The Annex")


async def test_the_file_has_all_of_one_person_and_nothing_of_others(live: Live) -> None:
    await ben_and_dora(live)
    live.slash("ben", "export-data")
    sent = await live.until(lambda: live.whispered("ben", "all that I store"), "the file")
    (attached,) = sent.attachments
    data = await read(attached)
    found = json.loads(data)
    (server,) = [one for one in found["servers"] if one["guild_id"] == str(GUILD_ID)]
    assert server["consent"]["state"] == "in"
    assert [line["text"] for line in server["your_words"][0]["messages"]] == [f"secret {BEN} part {n}" for n in (0, 1)]
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


async def test_the_fullest_page_fits_into_discords_limits(live: Live) -> None:
    transcript_id = await stored(live, BEN)
    words = held.Words(await state_of(live.bot.transcripts, transcript_id), 10**9, name="Somebody 2")
    models = tuple(
        factories.record(
            name="n" * 32, transcripts=[TranscriptRef(transcript_id="a", revision=0, guild_id=1, channel_id=10**18 + n)]
        )
        for n in range(40)
    )
    full = held.Held(
        guild_id=GUILD_ID,
        name="*" * 100,
        said=Said(state="in", at=time.time(), since=10**18),
        channels=tuple(range(10**18, 10**18 + 500)),
        allowances={1: Allowed(by=1, at=1)},
        words=(words,) * 40,
        learned=models,
        behind=models,
        due={model.model_id: time.time() for model in models},
        owned=models,
        trainings=(factories.train_job(),) * 40,
    )
    terms = Terms(
        Settings(
            channel_training="opt-out",
            channel_training_without_asking=True,
            channel_corpus_days=365.0,
            channel_model_days=3_650.0,
            forget_within_hours=720.0,
        ),
        "!!!!!",
    )
    taken = [("*" * 100, Withdrawn(10, 10**9, models))] * 40
    for embed in (
        embeds.privacy_page(full, terms),
        embeds.opted_out(taken, terms),
        embeds.forgotten(taken, 10**6, terms),
        embeds.forget_question(["*" * 100] * 40, terms),
        embeds.consent_question("*" * 100, full.channels, Said(state="out", at=1, since=10**18), terms),
        embeds.allowed_channels(dict.fromkeys(full.channels, Allowed(by=10**18, at=1)), 10**6, terms),
        embeds.notice("*" * 100, terms),
    ):
        assert len(embed) <= 6_000
        assert len(embed.title or "") <= 256
        assert len(embed.description or "") <= 4_096
        assert all(0 < len(field.value or "") <= 1_024 for field in embed.fields)
