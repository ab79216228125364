"""A reading that is interrupted or cancelled loses nothing and ends once, whatever breaks off meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from bot.channels import importer
from playground.places import GUILD_ID, USER_IDS
from shared import keys
from shared.connect import connect
from shared.jobs import TrainJob
from shared.settings import Settings
from tests.bot.channels import LAB, MESSAGES, Pages, agreed, lines_of, next_run, queued, talk, transcript_words
from tests.bot.live import Live, text_of
from tests.driver.faults import Fault


@pytest.fixture
def settings(opted_in: None, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("CARD_INTERVAL_S", "1")
    return Settings()


async def test_after_a_crash_it_goes_on_with_the_next_page(live: Live, tmp_path: Path) -> None:
    talk(live, 900)
    await agreed(live, "ada", "ben")
    with Pages(live) as pages:
        sent = live.send("!train #lab")
        await pages.begun()
        await live.bot.importer.stop()
    assert await live.bot.queue.load(f"t-{sent.id}") is None
    await next_run(live)
    job = await queued(live, sent.id)
    lines = await lines_of(live, job, tmp_path)
    assert len(lines) == 600
    assert len(set(lines)) == 600, "no page twice"
    assert pages.asked <= 10 + 1, "what was read is not read again"
    assert len(live.shown("#lab")) == 1


@pytest.mark.parametrize("status", [503, 404, 0])
async def test_discord_in_trouble_interrupts_and_nothing_is_lost(
    live: Live, tmp_path: Path, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "RETRY_S", (0.1, 0.1))
    talk(live, 500)
    await agreed(live, "ada", "ben")
    fault = live.faults.add(Fault("GET", MESSAGES, status, times=7, late=True))
    job = await queued(live, live.send("!train #lab").id)
    lines = await lines_of(live, job, tmp_path)
    assert len(lines) == len(set(lines)) == 334
    assert fault.times == 0


async def test_a_server_that_is_away_is_not_taken_for_a_deleted_channel(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "RETRY_S", (0.05, 0.05))
    talk(live, 900)
    await agreed(live, "ada")
    guild = live.bot.get_guild(GUILD_ID)
    assert guild is not None
    with Pages(live) as pages:
        sent = live.send("!train #lab")
        await pages.begun()
        guild.unavailable, channel = True, guild._channels.pop(LAB)  # as after a start, in an outage of Discord's
        await live.until(lambda: live.showing("Discord is having trouble"), "an interruption")
        guild.unavailable, guild._channels[LAB] = False, channel
    job = await queued(live, sent.id)
    assert len(await transcript_words(live, job)) == 300


@pytest.mark.parametrize("method", ["append", "forget"])
async def test_a_redis_that_takes_nothing_interrupts_and_nothing_is_lost(
    live: Live, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(importer, "RETRY_S", (0.05, 0.05))
    talk(live, 150 if method == "append" else 3)
    await agreed(live, "ada")
    works, tries = getattr(live.bot.transcripts, method), 0

    async def refuses(*args: Any, **options: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries <= 3:
            raise redis.ResponseError("MISCONF Redis is configured to save RDB snapshots")
        return await works(*args, **options)

    monkeypatch.setattr(live.bot.transcripts, method, refuses)
    with capture_logs() as logs:
        sent = live.send("!train #lab")
        if method == "append":
            assert len(await transcript_words(live, await queued(live, sent.id))) == 50
        else:
            await live.until(lambda: live.showing("at least"), "the end")
    assert tries > 3
    assert not [entry for entry in logs if entry["event"] == "import_failed"]


def untold(live: Live) -> dict[bytes, bytes]:
    with connect(live.bot.settings) as client:
        return client.hgetall(keys.READINGS_ENDED)


async def test_what_a_bot_began_to_read_that_had_lost_the_lead_is_gone_on_with(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "LOOK_AGAIN_S", 0.1)
    talk(live, 150)
    await agreed(live, "ada")
    heir = live.bot._make_importer()
    heir.start()
    await live.bot.importer.stop()  # which begins one all the same, and does not go on with it
    sent = live.send("!train #lab")
    job = await queued(live, sent.id)
    live.bot.importer = heir
    assert len(await transcript_words(live, job)) == 50
    assert len(live.shown("#lab")) == 1


async def test_an_end_that_discord_did_not_take_is_shown_by_the_next_run(live: Live) -> None:
    talk(live, 6)
    await agreed(live, "ada")
    live.faults.add(Fault("PATCH", rf"{MESSAGES}/\d+", 503, times=99))
    live.send("!train #lab")
    kept = await live.until(lambda: untold(live), "the end")
    assert await live.bot.transcripts.all() == []
    assert await live.bot.redis.keys("transcript:*") == [], "the words go before the card"
    assert not any(b"long story" in ending for ending in kept.values())
    await next_run(live)
    await live.until(lambda: live.showing("Could not learn"), "the end")
    await live.until(lambda: not untold(live), "the end to be noted")
    assert len(live.shown("lab")) == 1


async def test_an_end_is_shown_though_the_reply_to_it_was_lost(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importer, "RETRY_S", (0.05, 0.05))
    talk(live, 6)
    await agreed(live, "ada")
    forget = live.bot.transcripts.forget

    async def lost(*args: Any) -> None:
        await forget(*args)
        raise redis.ConnectionError("away")

    monkeypatch.setattr(live.bot.transcripts, "forget", lost)
    live.send("!train #lab")
    await live.until(lambda: live.showing("Could not learn"), "the end")


async def test_only_its_owner_and_moderators_cancel_it(live: Live) -> None:
    talk(live, 900)
    await agreed(live, "ada", "ben")
    live.world.get_channel(LAB).overwrites.clear()  # Cleo may write there, too
    with Pages(live):
        sent = live.send("!train #lab", person="ben")
        card = await live.until(lambda: live.showing("Reading"), "the card")
        (button,) = [item for row in card.components for item in row["components"]]
        live.acts.click(USER_IDS["cleo"], LAB, card.id, button["custom_id"])
        await live.until(lambda: live.whispered("cleo", "isn't yours"), "a refusal")
        live.acts.click(USER_IDS["ben"], LAB, card.id, button["custom_id"])
        await live.until(lambda: live.showing("Cancelled"), "the end")
    assert await live.bot.transcripts.all() == []
    assert await live.bot.queue.load(f"t-{sent.id}") is None


async def test_it_can_be_cancelled_to_the_very_end(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    talk(live, 150)
    await agreed(live, "ada")
    purge = live.bot.transcripts.purge

    async def slow(transcript_id: str) -> int:
        (job_id,) = await live.bot.importer.by_job(GUILD_ID)
        await live.bot.importer.cancel(job_id, GUILD_ID, await live.bot.fetch_user(USER_IDS["ada"]))
        return await purge(transcript_id)

    monkeypatch.setattr(live.bot.transcripts, "purge", slow)
    live.send("!train #lab")
    await live.until(lambda: live.showing("ancelled"), "the end")
    assert await live.bot.importer.of_guild(GUILD_ID) == []
    assert not live.bot.delivery.in_background
    assert not live.bot.importer._cancelled


async def test_a_cancel_that_was_acknowledged_outlives_the_bot(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importer, "RETRY_S", (600.0, 600.0))
    talk(live, 900)
    await agreed(live, "ada", "ben")
    live.faults.add(Fault("GET", MESSAGES, 503, times=99))
    sent = live.send("!train #lab")
    await live.until(lambda: live.showing("Discord is having trouble"), "an interruption")
    ada = await live.bot.fetch_user(USER_IDS["ada"])
    assert await live.bot.importer.cancel(f"t-{sent.id}", GUILD_ID, ada)
    await next_run(live)
    await live.until(lambda: live.showing("Cancelled"), "the end")
    assert await live.bot.transcripts.all() == []
    assert await live.bot.queue.load(f"t-{sent.id}") is None


@pytest.mark.parametrize("lost", [False, True])
async def test_a_cancel_while_the_training_is_entered_cancels_that(
    live: Live, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    monkeypatch.setattr(importer, "RETRY_S", (0.05, 0.05))
    talk(live, 150)
    await agreed(live, "ada")
    submit = live.bot.queue.submit_train

    async def meanwhile(job: TrainJob, *args: Any, **options: Any) -> Any:
        entered = await submit(job, *args, **options)
        assert job.corpus.transcript is not None
        ada = await live.bot.fetch_user(USER_IDS["ada"])
        await live.bot.importer.cancel(job.job_id, GUILD_ID, ada)
        if lost:
            raise redis.ConnectionError("away")
        return entered

    monkeypatch.setattr(live.bot.queue, "submit_train", meanwhile)
    live.send("!train #lab")
    await live.until(lambda: live.showing("ancelled"), "the end")
    assert await live.bot.redis.hlen(keys.ACTIVE) == 0
    assert await live.bot.redis.hlen(keys.ACTIVE) == 0
    assert await live.bot.importer.of_guild(GUILD_ID) == []


async def test_it_ends_when_the_channel_is_no_longer_allowed(live: Live) -> None:
    talk(live, 900)
    await agreed(live, "ada", "ben")
    with Pages(live) as pages:
        live.send("!train #lab")
        await pages.begun()
        await live.bot.consents.disallow(GUILD_ID, LAB, USER_IDS["ada"])
        card = await live.until(lambda: live.showing("Could not learn"), "the end")
    assert "haven't allowed" in text_of(card)
    assert await live.bot.transcripts.all() == []


@pytest.mark.parametrize("lost", [["save_card"], ["members", "forget"]])
async def test_a_reading_that_redis_was_lost_for_at_its_beginning_does_not_block_others(
    live: Live, monkeypatch: pytest.MonkeyPatch, lost: list[str]
) -> None:
    monkeypatch.setattr(importer, "RETRY_S", (0.05, 0.05))
    talk(live, 150)
    await agreed(live, "ada")

    def failing_once(at: object, name: str) -> None:
        works = getattr(at, name)

        async def fails(*args: Any) -> Any:
            monkeypatch.setattr(at, name, works)
            raise redis.ConnectionError("away")

        monkeypatch.setattr(at, name, fails)

    for name in lost:
        failing_once(live.bot.transcripts, name)
    sent = live.send("!train #lab")
    if lost == ["save_card"]:
        await queued(live, sent.id)
    else:
        await live.until(lambda: live.showing("ancelled"), "the end")
        await queued(live, live.send("!train #lab").id)
    assert await live.bot.importer.of_guild(GUILD_ID) == []
