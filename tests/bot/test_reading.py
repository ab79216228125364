"""Channels are read page by page, by a real bot from a local Discord: what is taken, and what interrupts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from bot.transcripts import reading, readings
from bot.transcripts.readings import Readings
from playground.chatter import Said
from playground.faults import OK, Fault
from playground.places import BOT_ID, CHANNEL_IDS, GUILD_ID, USER_IDS
from shared import keys
from shared.connect import connect
from shared.jobs import TrainJob
from shared.settings import Settings
from shared.transcripts import TranscriptInfo, write_text
from tests import transcripts
from tests.bot.live import Live, text_of

LAB = CHANNEL_IDS["lab"]
MESSAGES = rf"/channels/{LAB}/messages"


@pytest.fixture
def settings(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("CHANNEL_TRAINING", "opt-in")
    monkeypatch.setenv("TRAIN_COOLDOWN_S", "0")
    monkeypatch.setenv("CARD_INTERVAL_S", "1")
    return Settings()


async def agreed(live: Live, *people: str, channel_id: int = LAB) -> None:
    """Let an admin allow a channel, and people agree."""
    await live.bot.consents.allow(GUILD_ID, channel_id, USER_IDS["ada"])
    for person in people:
        await live.bot.consents.agree(GUILD_ID, USER_IDS[person])


def talk(live: Live, count: int, *, channel_id: int = LAB, words: str = "word") -> list[int]:
    """So many messages of Ada, Ben and Cleo in turn, and nothing before them; their ids."""
    live.world.messages[channel_id].clear()
    people = ("ada", "ben", "cleo")
    first = datetime.now(UTC) - timedelta(days=30)
    before = set(live.world.messages[channel_id])
    live.world.seed(
        channel_id,
        (
            Said(
                USER_IDS[people[number % 3]],
                f"{people[number % 3]} says {words} number {number} of the long story that we tell",
                first + timedelta(minutes=number),
                False,
                None,
            )
            for number in range(count)
        ),
    )
    return [message_id for message_id in live.world.messages[channel_id] if message_id not in before]


async def queued(live: Live, sent_id: int) -> TrainJob:
    """The training that follows a reading, once it waits in the queue."""

    job_id = f"t-{sent_id}"
    await live.until(lambda: job_id in live.bot.follower._followed, "the training")
    stored = await live.bot.queue.load(job_id)
    assert stored is not None
    assert isinstance(stored.job, TrainJob)
    return stored.job


async def lines_of(live: Live, job: TrainJob, tmp_path: Path) -> list[str]:
    """What a worker would learn."""
    assert job.corpus.transcript is not None
    path = tmp_path / "text.txt"
    client = connect(live.bot.settings)
    await asyncio.to_thread(write_text, client, job.corpus.transcript.transcript_id, path, 10**8)
    return path.read_text("utf-8").splitlines()


async def transcript_words(live: Live, job: TrainJob) -> list[str]:
    assert job.corpus.transcript is not None
    return await transcripts.words(live.bot.transcripts, job.corpus.transcript.transcript_id)


class Pages:
    """Within, each page of #lab takes a moment to come, as it does on Discord; and they are counted."""

    _MOST = 1_000

    def __init__(self, live: Live) -> None:
        self._live = live
        self._fault = live.faults.add(Fault("GET", MESSAGES, OK, times=self._MOST, wait_s=0.1))

    def __enter__(self) -> Pages:
        return self

    def __exit__(self, *_: object) -> None:
        self._fault.wait_s = 0.0

    @property
    def asked(self) -> int:
        """Requests so far."""
        return self._MOST - self._fault.times

    async def begun(self) -> None:
        """Wait until some pages were read."""
        await self._live.until(lambda: self.asked >= 4, "the first pages")


async def test_a_channel_is_read_of_those_who_agreed_and_then_learned(live: Live, tmp_path: Path) -> None:
    talk(live, 450)
    await agreed(live, "ada", "ben")
    sent = live.send("!train #lab")
    job = await queued(live, sent.id)
    lines = await lines_of(live, job, tmp_path)
    assert len([line for line in lines if line.startswith("ada says")]) == 150
    assert len([line for line in lines if line.startswith("ben says")]) == 150
    assert not [line for line in lines if "cleo" in line]
    assert lines == sorted(lines, key=lambda line: int(line.split()[4])), "oldest first"
    assert job.corpus.source == "channel"
    assert job.corpus.title == "#lab"
    assert job.corpus.chars == sum(len(line) + 1 for line in lines)
    card = await live.until(lambda: live.showing(r"Learning \#lab"), "the card of the training")
    assert len(live.shown("#lab")) == 1, "the card of the reading became that of the training"
    assert f"job t-{sent.id}" in text_of(card)


async def test_commands_bots_and_system_messages_are_no_speech(live: Live, tmp_path: Path) -> None:
    talk(live, 120)
    await agreed(live, "ada", "ben")
    live.world.create_message(LAB, BOT_ID, "a bot says something here")
    live.send("!help everything that is a command")
    live.send("/imagine a command of another bot")
    live.send(f"<@{BOT_ID}> help me with this")
    live.send("ada says the last word number 999")
    job = await queued(live, live.send("!train #lab").id)
    lines = await lines_of(live, job, tmp_path)
    assert len(lines) == 81
    assert lines[-1] == "ada says the last word number 999"


async def test_public_threads_are_part_of_it_and_private_ones_are_not(live: Live, tmp_path: Path) -> None:
    talk(live, 120)
    await agreed(live, "ada", "ben")
    public = live.world.create_thread(LAB, "in the open", USER_IDS["ada"])
    archived = live.world.create_thread(LAB, "of last year", USER_IDS["ada"])
    private = live.world.create_thread(LAB, "behind doors", USER_IDS["ada"], type=12)
    for thread, words in ((public, "open"), (archived, "archived"), (private, "secret")):
        live.world.create_message(thread.id, USER_IDS["ada"], f"this was said in the {words} thread")
    assert archived.thread_metadata is not None
    archived.thread_metadata.archived = True
    job = await queued(live, live.send("!train #lab").id)
    lines = await lines_of(live, job, tmp_path)
    assert "this was said in the open thread" in lines
    assert "this was said in the archived thread" in lines
    assert not [line for line in lines if "secret" in line]


async def test_a_thread_that_is_deleted_meanwhile_does_not_end_the_reading(live: Live) -> None:
    talk(live, 600)
    await agreed(live, "ada")
    gone, stays = (live.world.create_thread(LAB, name, USER_IDS["ada"]) for name in ("one", "two"))
    for thread in (gone, stays):
        live.world.create_message(thread.id, USER_IDS["ada"], f"this was said in thread {thread.name}")
    with Pages(live) as pages:
        sent = live.send("!train #lab")
        await pages.begun()
        live.world.delete_channel(gone.id)
    lines = await transcript_words(live, await queued(live, sent.id))
    assert [line for line in lines if "in thread" in line] == ["this was said in thread two"]
    assert len(lines) == 201


async def test_what_is_deleted_or_edited_while_reading_is_respected(live: Live, tmp_path: Path) -> None:
    ids = talk(live, 900)
    await agreed(live, "ada", "ben")
    with Pages(live) as pages:
        sent = live.send("!train #lab")
        await pages.begun()
        live.world.delete_message(LAB, ids[0])  # read already
        live.world.edit_message(LAB, ids[1], {"content": "ben says this instead"})
        live.world.delete_message(LAB, ids[899 - 2])  # not read yet
        job = await queued(live, sent.id)
    lines = await lines_of(live, job, tmp_path)
    numbers = [line.split()[4] for line in lines if " number " in line]
    assert "0" not in numbers
    assert "1" not in numbers
    assert str(899 - 2) not in numbers
    assert "ben says this instead" in lines
    assert len(lines) == 598


async def test_who_withdraws_while_it_is_read_is_not_in_it(live: Live, tmp_path: Path) -> None:
    talk(live, 900)
    await agreed(live, "ada", "ben")
    with Pages(live) as pages:
        sent = live.send("!train #lab")
        await pages.begun()
        await live.bot.withdrawals.withdraw(GUILD_ID, [USER_IDS["ben"]], why="test")
        job = await queued(live, sent.id)
    lines = await lines_of(live, job, tmp_path)
    assert len(lines) == 300
    assert not [line for line in lines if "ben" in line]


async def test_who_has_left_the_server_is_not_in_it(live: Live, tmp_path: Path) -> None:
    talk(live, 300)
    await agreed(live, "ada", "ben")
    live.world.remove_member(GUILD_ID, USER_IDS["ben"])
    job = await queued(live, live.send("!train #lab").id)
    lines = await lines_of(live, job, tmp_path)
    assert len(lines) == 100
    consents = await live.bot.consents.of(GUILD_ID)
    assert not consents.includes(USER_IDS["ben"], 1), "whoever left has withdrawn"


async def test_after_a_crash_it_goes_on_with_the_next_page(live: Live, tmp_path: Path) -> None:
    talk(live, 900)
    await agreed(live, "ada", "ben")
    with Pages(live) as pages:
        sent = live.send("!train #lab")
        await pages.begun()
        await live.bot.readings.stop()
    assert await live.bot.queue.load(f"t-{sent.id}") is None
    live.bot.readings = Readings(live.bot)
    live.bot.readings.start()
    job = await queued(live, sent.id)
    lines = await lines_of(live, job, tmp_path)
    assert len(lines) == 600
    assert len(set(lines)) == 600, "no page twice"
    assert pages.asked <= 10 + 1, "what was read is not read again"
    assert len(live.shown("#lab")) == 1


@pytest.mark.parametrize("status", [503, 0])
async def test_discord_in_trouble_interrupts_and_nothing_is_lost(
    live: Live, tmp_path: Path, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.transcripts.reading.RETRY_S", (0.1,))
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
    monkeypatch.setattr(reading, "RETRY_S", (0.05,))
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
    monkeypatch.setattr(reading, "RETRY_S", (0.05,))
    talk(live, 150 if method == "append" else 3)
    await agreed(live, "ada")
    works, tries = getattr(live.bot.transcripts, method), 0

    async def refuses(*args: Any) -> None:
        nonlocal tries
        tries += 1
        if tries <= 3:
            raise redis.ResponseError("MISCONF Redis is configured to save RDB snapshots")
        await works(*args)

    monkeypatch.setattr(live.bot.transcripts, method, refuses)
    with capture_logs() as logs:
        sent = live.send("!train #lab")
        if method == "append":
            assert len(await transcript_words(live, await queued(live, sent.id))) == 50
        else:
            await live.until(lambda: live.showing("at least"), "the end")
    assert tries > 3
    assert not [entry for entry in logs if entry["event"] == "reading_failed"]


async def test_commands_are_answered_meanwhile(live: Live) -> None:
    talk(live, 900)
    await agreed(live, "ada", "ben")
    with Pages(live) as pages:
        sent = live.send("!train #lab")
        await pages.begun()
        assert "Catalogue" in await live.ask("!catalogue", channel="library")
        assert await live.bot.queue.load(f"t-{sent.id}") is None, "it is still being read"
    await queued(live, sent.id)


async def test_only_its_owner_and_moderators_cancel_it(live: Live) -> None:
    talk(live, 900)
    await agreed(live, "ada", "ben")
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
        await live.bot.readings.cancel(transcript_id, GUILD_ID, await live.bot.fetch_user(USER_IDS["ada"]))
        return await purge(transcript_id)

    monkeypatch.setattr(live.bot.transcripts, "purge", slow)
    live.send("!train #lab")
    await live.until(lambda: live.showing("ancelled"), "the end")
    assert await live.bot.readings.of_guild(GUILD_ID) == []
    assert not live.bot.follower._followed
    assert not live.bot.readings._cancelled


async def start_again(live: Live) -> None:
    """As a bot that was killed, and the next run of it."""
    await live.bot.readings.stop()
    live.faults.clear()
    live.bot.readings = Readings(live.bot)
    live.bot.readings.start()


def untold(live: Live) -> dict[bytes, bytes]:
    with connect(live.bot.settings) as client:
        return client.hgetall(keys.READINGS_ENDED)


async def test_what_a_bot_began_to_read_that_had_lost_the_lead_is_gone_on_with(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "_LOOK_AGAIN_S", 0.1)
    talk(live, 150)
    await agreed(live, "ada")
    heir = Readings(live.bot)
    heir.start()
    await live.bot.readings.stop()  # which begins one all the same, and does not go on with it
    sent = live.send("!train #lab")
    job = await queued(live, sent.id)
    live.bot.readings = heir
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
    await start_again(live)
    await live.until(lambda: live.showing("Could not learn"), "the end")
    await live.until(lambda: not untold(live), "the end to be noted")
    assert len(live.shown("lab")) == 1


async def test_an_end_is_shown_though_the_reply_to_it_was_lost(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "RETRY_S", (0.05,))
    talk(live, 6)
    await agreed(live, "ada")
    forget = live.bot.transcripts.forget

    async def lost(*args: Any) -> None:
        await forget(*args)
        raise redis.ConnectionError("away")

    monkeypatch.setattr(live.bot.transcripts, "forget", lost)
    live.send("!train #lab")
    await live.until(lambda: live.showing("Could not learn"), "the end")


async def test_a_cancel_that_was_acknowledged_outlives_the_bot(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "RETRY_S", (600.0,))
    talk(live, 900)
    await agreed(live, "ada", "ben")
    live.faults.add(Fault("GET", MESSAGES, 503, times=99))
    sent = live.send("!train #lab")
    await live.until(lambda: live.showing("Discord is having trouble"), "an interruption")
    (transcript,) = await live.bot.transcripts.all()
    ada = await live.bot.fetch_user(USER_IDS["ada"])
    assert "Cancelling" in await live.bot.readings.cancel(transcript.transcript_id, GUILD_ID, ada)
    await start_again(live)
    await live.until(lambda: live.showing("Cancelled"), "the end")
    assert await live.bot.transcripts.all() == []
    assert await live.bot.queue.load(f"t-{sent.id}") is None


@pytest.mark.parametrize("lost", [False, True])
async def test_a_cancel_while_the_training_is_entered_cancels_that(
    live: Live, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    monkeypatch.setattr(reading, "RETRY_S", (0.05,))
    talk(live, 150)
    await agreed(live, "ada")
    submit = live.bot.queue.submit_train

    async def meanwhile(job: TrainJob, *args: Any, **options: Any) -> Any:
        entered = await submit(job, *args, **options)
        assert job.corpus.transcript is not None
        ada = await live.bot.fetch_user(USER_IDS["ada"])
        await live.bot.readings.cancel(job.corpus.transcript.transcript_id, GUILD_ID, ada)
        if lost:
            raise redis.ConnectionError("away")
        return entered

    monkeypatch.setattr(live.bot.queue, "submit_train", meanwhile)
    live.send("!train #lab")
    await live.until(lambda: live.showing("ancelled"), "the end")
    assert await live.bot.redis.hlen(keys.ACTIVE) == 0
    assert await live.bot.redis.zcard(keys.WAITING) == 0
    assert await live.bot.readings.of_guild(GUILD_ID) == []


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


async def test_too_little_is_said_with_numbers(live: Live) -> None:
    talk(live, 6)
    await agreed(live, "ada")
    live.send("!train #lab")
    card = await live.until(lambda: live.showing("Could not learn"), "the end")
    assert "by 1 member who agreed" in text_of(card)
    assert "!optin" in text_of(card)


async def test_speakers_have_invented_names(live: Live, tmp_path: Path) -> None:
    talk(live, 120)
    await agreed(live, "ada", "ben")
    job = await queued(live, live.send("!train #lab --speakers").id)
    lines = await lines_of(live, job, tmp_path)
    labels = {line.split(": ")[0] for line in lines}
    assert len(labels) == 2
    first = {line.split(": ")[1].split()[0]: line.split(": ")[0] for line in lines}
    assert all(line.startswith(f"{first['ada']}: ada") or line.startswith(f"{first['ben']}: ben") for line in lines)


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("!train #nowhere", "can't find a channel"),
        ("!train <#1>", "can't find a channel"),
        (f"!train <#{CHANNEL_IDS['library']}>", "haven't allowed"),
        ("!train #lab --recipe word --from nothing", "No model called"),
        ("!train frankenstein --speakers", "for channels only"),
        ("!train lab", "If you mean the channel, write `!train #lab`"),
    ],
)
async def test_what_cannot_be_read_is_explained(live: Live, typed: str, problem: str) -> None:
    await agreed(live, "ada")
    assert problem in await live.ask(typed)


async def test_nothing_is_read_before_anybody_has_agreed(live: Live) -> None:
    talk(live, 120)
    await agreed(live)
    with Pages(live) as pages:
        assert "No member of this server has agreed" in await live.ask("!train #lab")
        assert not pages.asked


async def test_one_channel_at_a_time(live: Live) -> None:
    talk(live, 900)
    await agreed(live, "ada", "ben")
    with Pages(live):
        live.send("!train #lab")
        await live.until(lambda: live.showing("Reading"), "the card")
        assert "already reading" in await live.ask("!train #lab", person="ben")


@pytest.mark.parametrize("lost", [["save_card"], ["facts_of", "forget"]])
async def test_a_reading_that_redis_was_lost_for_at_its_beginning_does_not_block_others(
    live: Live, monkeypatch: pytest.MonkeyPatch, lost: list[str]
) -> None:
    monkeypatch.setattr(reading, "RETRY_S", (0.05,))
    talk(live, 150)
    await agreed(live, "ada")

    def failing_once(at: object, name: str) -> None:
        works = getattr(at, name)

        async def fails(*args: Any) -> Any:
            monkeypatch.setattr(at, name, works)
            raise redis.ConnectionError("away")

        monkeypatch.setattr(at, name, fails)

    for name in lost:
        failing_once(readings if name == "facts_of" else live.bot.transcripts, name)
    sent = live.send("!train #lab")
    if lost == ["save_card"]:
        await queued(live, sent.id)
    else:
        await live.until(lambda: live.showing("ancelled"), "the end")
        await queued(live, live.send("!train #lab").id)
    assert await live.bot.readings.of_guild(GUILD_ID) == []


async def test_of_several_that_are_asked_for_at_once_one_is_read(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    talk(live, 900)
    await agreed(live, "ada")
    create = live.bot.transcripts.create

    async def slow(**fields: Any) -> TranscriptInfo:
        await asyncio.sleep(0.2)
        return await create(**fields)

    monkeypatch.setattr(live.bot.transcripts, "create", slow)
    with Pages(live):
        for person in ("ada", "ben", "cleo"):
            live.send("!train #lab", person=person)
        await live.until(lambda: len(live.shown("already reading")) == 2, "two refusals")
        assert len(await live.bot.readings.of_guild(GUILD_ID)) == 1


async def test_nothing_is_read_while_the_operator_has_not_turned_it_on(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk(live, 120)
    await agreed(live, "ada", "ben")
    monkeypatch.setattr(live.bot, "settings", live.bot.settings.model_copy(update={"channel_training": "off"}))
    with Pages(live) as pages:
        assert "CHANNEL_TRAINING=opt-in" in await live.ask("!train #lab")
        assert not pages.asked
