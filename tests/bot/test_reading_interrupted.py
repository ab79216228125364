"""A reading that is interrupted or cancelled loses nothing and ends once, whatever breaks off meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from bot.channels import importer
from playground.places import GUILD_ID, USER_IDS
from shared.events import Event
from shared.settings import Settings
from tests.bot.channels import LAB, MESSAGES, Pages, being_read, lines_of, next_run, talked, until
from tests.bot.live import Live, text_of
from tests.driver.faults import Fault


@pytest.fixture
def settings(opted_in: None, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr("bot.train.card.EDIT_EVERY_S", 1.0)
    monkeypatch.setattr(importer, "RETRY_S", 0.05)
    return Settings()


async def nothing_kept(live: Live) -> None:
    """Wait until no word of a reading is left."""

    async def is_gone() -> bool:
        return not await live.channels.transcripts.all() and not await live.bot.redis.keys("transcript:*")

    await until(is_gone)


async def test_after_a_crash_it_goes_on_with_the_next_page(live: Live) -> None:
    await talked(live, 900, "ada", "ben")
    with Pages(live) as pages:
        sent = await pages.begin()
        await live.channels.importer.stop()
    assert await live.core.jobs.importing(f"t-{sent.id}") is not None
    await next_run(live)
    lines = await lines_of(live, sent)
    assert len(lines) == 600
    assert len(set(lines)) == 600, "no page twice"
    assert pages.asked <= 10 + 1, "what was read is not read again"
    assert len(live.shown("#lab")) == 1


@pytest.mark.parametrize("status", [503, 404, 0])
async def test_discord_in_trouble_interrupts_and_nothing_is_lost(live: Live, status: int) -> None:
    await talked(live, 500, "ada", "ben")
    fault = live.faults.add(Fault("GET", MESSAGES, status, times=7, late=True))
    lines = await lines_of(live, live.send("!train #lab"))
    assert len(lines) == len(set(lines)) == 334
    assert fault.times == 0


async def test_a_training_whose_words_redis_has_lost_fails(live: Live) -> None:
    await talked(live, 900, "ada")
    with Pages(live) as pages:
        await pages.begin()
        await live.channels.importer.stop()
        (transcript,) = await being_read(live)
        await live.channels.transcripts.forget(transcript.transcript_id)
    await next_run(live)
    await live.until(lambda: live.showing("has lost what I read"), "the end")


async def test_only_its_owner_and_moderators_cancel_it(live: Live) -> None:
    await talked(live, 900, "ada", "ben")
    live.world.get_channel(LAB).overwrites.clear()  # Cleo may write there, too
    with Pages(live):
        live.send("!train #lab", person="ben")
        card = await live.until(lambda: live.showing("Reading"), "the card")
        (button,) = [item for row in card.components for item in row["components"]]
        live.acts.click(USER_IDS["cleo"], LAB, card.id, button["custom_id"])
        await live.until(lambda: live.whispered("cleo", "isn't yours"), "a refusal")
        live.acts.click(USER_IDS["ben"], LAB, card.id, button["custom_id"])
        await live.until(lambda: live.showing("Cancelled"), "the end")
        await nothing_kept(live)


async def test_a_cancel_outlives_the_bot(live: Live) -> None:
    await talked(live, 900, "ada", "ben")
    live.faults.add(Fault("GET", MESSAGES, 503, times=99))
    live.send("!train #lab")
    await live.until(lambda: live.showing("Discord is having trouble"), "an interruption")
    await live.channels.importer.stop()
    assert "Cancelled before it started" in await live.ask("!cancel")
    await next_run(live)
    await nothing_kept(live)


async def test_it_ends_when_the_channel_is_no_longer_allowed(live: Live) -> None:
    await talked(live, 900, "ada", "ben")
    with Pages(live) as pages:
        await pages.begin()
        await live.channels.consents.disallow(GUILD_ID, LAB, USER_IDS["ada"])
        card = await live.until(lambda: live.showing("Could not learn"), "the end")
    assert "haven't allowed" in text_of(card)
    assert await live.channels.transcripts.all() == []


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        ("opt-in", ("by 1 member who agreed", "!optin")),
        ("opt-out", ("by 1 member who didn't say no", "Try again when more was said.")),
    ],
)
async def test_how_it_ended_is_kept_without_a_word_and_shown_once_discord_takes_it(
    live: Live, mode: Any, why: tuple[str, str]
) -> None:
    live.bot.settings.channel_training = mode
    await talked(live, 6, "ada")
    fault = live.faults.add(Fault("PATCH", rf"{MESSAGES}/\d+", 503, times=99))
    sent = live.send("!train #lab")

    async def end() -> list[Event]:
        return [event for _, event in await live.core.jobs.events(f"t-{sent.id}", "0") if event.kind == "failed"]

    await until(end)
    assert "long story" not in str(await end())
    assert not await live.bot.redis.keys("transcript:*"), "the words go before the card"
    fault.times = 0
    said = text_of(await live.until(lambda: live.showing("Could not learn"), "the end"))
    for words in (*why, "Nothing of it was kept"):
        assert words in said
    assert len(live.shown("lab")) == 1
