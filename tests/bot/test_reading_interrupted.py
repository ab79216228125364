"""A reading that is interrupted or cancelled loses nothing and ends once, whatever breaks off meanwhile."""

from typing import Any

import pytest
import redis.asyncio

from bot.channels.pages import PAGES_TTL_S, PageStore, ReadingState
from playground.places import GUILD_ID
from shared.corpora.lines import Line
from shared.events import Event
from tests.bot.channels import MESSAGES, Pages, being_read, lines_of, look, next_run, queued, talked, until
from tests.bot.ids import ADA, BEN, CLEO, LAB
from tests.bot.live import Live, text_of
from tests.driver.faults import Fault

pytestmark = pytest.mark.usefixtures("opted_in")


async def nothing_kept(live: Live) -> None:
    """Wait until no word of a reading is left."""

    async def is_gone() -> bool:
        return not await live.bot.redis.keys("bot:reading*")

    await until(is_gone)


async def test_after_a_crash_it_goes_on_with_the_next_page(live: Live) -> None:
    await talked(live, 900, "ada", "ben")
    with Pages(live) as pages:
        sent = await pages.begin()
        await live.readings.stop()
    assert await live.core.jobs.unread(f"t-{sent.id}") is not None
    await next_run(live)
    lines = await lines_of(live, sent)
    assert len(lines) == 600
    assert len(set(lines)) == 600, "no page twice"
    assert pages.asked <= 10 + 1, "what was read is not read again"
    assert len(live.shown("#lab")) == 1


@pytest.mark.parametrize(("mode", "people"), [("opt-in", ("ada", "ben")), ("opt-out", ())])
async def test_who_left_and_spoke_on_the_first_pages_alone_is_withdrawn(
    live: Live, mode: Any, people: tuple[str, ...]
) -> None:
    live.bot.settings.channel_training = live.consents._mode = mode
    for message_id in (await talked(live, 900, *people))[100:]:
        if live.world.messages[LAB][message_id].author_id == BEN:
            del live.world.messages[LAB][message_id]
    del live.world.guilds[GUILD_ID].members[BEN]  # without an event, as while the bot is off
    with Pages(live) as pages:
        sent = await pages.begin()
        await live.readings.stop()
    await next_run(live)
    assert not [line for line in await lines_of(live, sent) if "ben" in line]
    answer = await live.consents.answer(GUILD_ID, BEN)
    assert answer is not None
    assert answer.state == "out"


@pytest.mark.parametrize("status", [503, 404, 0])
async def test_discord_in_trouble_interrupts_and_nothing_is_lost(live: Live, status: int) -> None:
    await talked(live, 500, "ada", "ben")
    fault = live.faults.add(Fault("GET", MESSAGES, status, times=7, late=True))
    lines = await lines_of(live, live.send("!train #lab"))
    assert len(lines) == len(set(lines)) == 334
    assert fault.times == 0


async def test_a_reading_whose_pages_are_gone_begins_with_the_first_one(live: Live) -> None:
    await talked(live, 900, "ada")
    with Pages(live) as pages:
        sent = await pages.begin()
        await live.readings.stop()
        (job,) = await being_read(live)
        assert job.reading is not None
        await live.models.registry.notes.forget(job.reading.reading_id)
    await next_run(live)
    assert len(await lines_of(live, sent)) == 300


async def test_pages_expire_and_no_worker_may_see_them(live: Live) -> None:
    await talked(live, 900, "ada")
    with Pages(live) as pages:
        await pages.begin()
        names = await live.bot.redis.keys("bot:reading:*")
        assert len(names) == 2, "pages, and how far it is"
        assert all([0 < await live.bot.redis.ttl(name) <= PAGES_TTL_S for name in names])
        assert not await live.bot.redis.keys("job:*:text")


async def test_threads_and_the_oldest_pages_go_while_it_is_read_if_the_text_gets_too_long(live: Live) -> None:
    live.bot.settings.corpus_max_mb = 0.02
    await talked(live, 900, "ada", "ben")
    thread = live.world.create_thread(LAB, "of last year", ADA)
    live.world.create_message(thread.id, ADA, "this was said in the thread")
    await live.until(lambda: live.guild.get_thread(thread.id), "the thread")
    sent = live.send("!train #lab")
    lines = await lines_of(live, sent)
    assert 100 < len(lines) < 600
    assert sum(len(line) + 1 for line in lines) <= 20_000
    assert "number 898 " in lines[-1], "the newest stay"
    assert (await queued(live, sent.id)).corpus.title == "#lab (its newest part)"


async def test_of_many_short_lines_only_as_many_are_kept_as_the_memory_can_hold(client: redis.asyncio.Redis) -> None:
    pages, state = PageStore(client), ReadingState()
    for _ in range(3):
        after = state.model_copy(update={"read": state.read + 100})
        state = await pages.append(GUILD_ID, "r" * 24, state, after, [Line(1, 2, "ok")] * 100, most_bytes=4_000)
    assert (state.lines, state.left_out) == (200, 100)


async def test_only_its_owner_and_moderators_cancel_it(live: Live) -> None:
    await talked(live, 900, "ada", "ben")
    live.world.get_channel(LAB).overwrites.clear()  # Cleo may write there, too
    with Pages(live):
        live.send("!train #lab", person="ben")
        card = await live.until(lambda: live.showing("Reading"), "the card")
        (button,) = [item for row in card.components for item in row["components"]]
        live.acts.click(CLEO, LAB, card.id, button["custom_id"])
        await live.until(lambda: live.whispered("cleo", "isn't yours"), "a refusal")
        live.acts.click(BEN, LAB, card.id, button["custom_id"])
        await live.until(lambda: live.showing("Cancelled"), "the end")
        await nothing_kept(live)


async def test_a_cancel_outlives_the_bot(live: Live) -> None:
    await talked(live, 900, "ada", "ben")
    live.faults.add(Fault("GET", MESSAGES, 503, times=99))
    live.send("!train #lab")
    await live.until(lambda: live.showing("Discord is having trouble"), "an interruption")
    await live.readings.stop()
    assert "Cancelled before it started" in await live.ask("!cancel")
    await next_run(live)
    await look(live)
    await nothing_kept(live)


async def test_it_ends_when_the_channel_is_no_longer_allowed(live: Live) -> None:
    await talked(live, 900, "ada", "ben")
    with Pages(live) as pages:
        await pages.begin()
        await live.consents.disallow(GUILD_ID, LAB, ADA)
        card = await live.until(lambda: live.showing("Could not learn"), "the end")
    assert "haven't allowed" in text_of(card)
    await nothing_kept(live)


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        ("opt-in", ("by 1 member who agreed", "!optin")),
        ("opt-out", ("by 1 member who didn't say no", "Try again when more has been said.")),
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
    await nothing_kept(live)  # though the card can't be posted yet
    fault.times = 0
    said = text_of(await live.until(lambda: live.showing("Could not learn"), "the end"))
    for words in (*why, "Nothing of it was kept"):
        assert words in said
    assert len(live.shown("lab")) == 1
