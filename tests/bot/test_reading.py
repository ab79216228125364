"""Channels are read page by page, by a real bot from a local Discord: what is taken, from whom, and what is refused."""

import asyncio

import pytest

from bot.channels.consent import Mode
from galvanic.read.pseudonyms import NAMES, pseudonyms
from playground.places import BOT_ID, GUILD_ID
from tests.bot.channels import Pages, agreed, being_read, lines_of, members_of, queued, talked
from tests.bot.ids import ADA, BEN, LAB, LIBRARY
from tests.bot.live import Live, text_of

pytestmark = pytest.mark.usefixtures("opted_in")


@pytest.fixture(autouse=True)
def no_waits(no_waits: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A card is edited once a second at most: readings go on between edits."""
    monkeypatch.setattr("bot.train.card.EDIT_EVERY_S", 1.0)


async def test_a_channel_is_read_of_those_who_agreed_and_then_learned(live: Live) -> None:
    await talked(live, 450, "ada", "ben")
    sent = live.send("!train #lab")
    job, lines = await queued(live, sent.id), await lines_of(live, sent)
    assert len([line for line in lines if line.startswith("ada says")]) == 150
    assert len([line for line in lines if line.startswith("ben says")]) == 150
    assert not [line for line in lines if "cleo" in line]
    assert lines == sorted(lines, key=lambda line: int(line.split()[4])), "oldest first"
    assert job.corpus.source == "channel"
    assert job.corpus.title == "#lab"
    assert job.corpus.chars == sum(len(line) + 1 for line in lines)
    card = await live.until(lambda: live.showing(r"Learning \#lab"), "the card of the training")
    assert len(live.shown("#lab")) == 1, "the card of the reading became that of the training"
    assert f"training t-{sent.id}" in text_of(card)


async def test_commands_bots_and_system_messages_are_no_speech(live: Live) -> None:
    await talked(live, 120, "ada", "ben")
    live.world.create_message(LAB, BOT_ID, "a bot says something here")
    live.send("!help everything that is a command")
    live.send("/imagine a command of another bot")
    live.send(f"<@{BOT_ID}> help me with this")
    live.send("ada says the last word number 999")
    lines = await lines_of(live, live.send("!train #lab"))
    assert len(lines) == 81
    assert lines[-1] == "ada says the last word number 999"


async def test_public_threads_are_part_of_it_and_private_ones_are_not(live: Live) -> None:
    await talked(live, 120, "ada", "ben")
    public = live.world.create_thread(LAB, "in the open", ADA)
    archived = live.world.create_thread(LAB, "of last year", ADA)
    private = live.world.create_thread(LAB, "behind doors", ADA, type=12)
    for thread, words in ((public, "open"), (archived, "archived"), (private, "secret")):
        live.world.create_message(thread.id, ADA, f"this was said in the {words} thread")
    assert archived.thread_metadata is not None
    archived.thread_metadata.archived = True
    lines = await lines_of(live, live.send("!train #lab"))
    assert "this was said in the open thread" in lines
    assert "this was said in the archived thread" in lines
    assert not [line for line in lines if "secret" in line]


async def test_who_withdraws_while_it_is_read_is_not_in_it(live: Live) -> None:
    await talked(live, 900, "ada", "ben")
    with Pages(live) as pages:
        sent = await pages.begin()
        await live.channels.withdrawals.withdraw(GUILD_ID, BEN, why="test")
        lines = await lines_of(live, sent)
    assert len(lines) == 300
    assert not [line for line in lines if "ben" in line]
    assert await members_of(live, await queued(live, sent.id)) == {ADA}, "nor in its note"


async def test_what_is_written_between_a_no_and_the_next_yes_is_not_in_it(live: Live) -> None:
    ids = await talked(live, 300, "ada", "ben")
    await live.channels.withdrawals.withdraw(GUILD_ID, BEN, why="test")
    live.send("ben says this in between, and it is nobody's to learn", person="ben")
    await asyncio.sleep(0.002)  # an id has milliseconds
    await live.consents.agree(GUILD_ID, BEN)
    await asyncio.sleep(0.002)
    live.world.edit_message(LAB, ids[1], {"content": "ben says this of old in other words"})
    live.send("ben says this after all", person="ben")
    lines = await lines_of(live, live.send("!train #lab"))
    assert [line for line in lines if "ben" in line] == ["ben says this after all"]


async def test_who_has_left_the_server_is_not_in_it(live: Live) -> None:
    await talked(live, 300, "ada", "ben")
    live.world.remove_member(GUILD_ID, BEN)
    lines = await lines_of(live, live.send("!train #lab"))
    assert len(lines) == 100
    consents = await live.consents.of(GUILD_ID)
    assert not consents.includes(BEN, 1), "whoever left has withdrawn"


async def test_speakers_have_invented_names(live: Live) -> None:
    await talked(live, 120, "ada", "ben")
    lines = await lines_of(live, live.send("!train #lab --speakers"))
    labels = {line.split(": ")[0] for line in lines}
    assert len(labels) == 2
    first = {line.split(": ")[1].split()[0]: line.split(": ")[0] for line in lines}
    assert all(line.startswith(f"{first['ada']}: ada") or line.startswith(f"{first['ben']}: ben") for line in lines)


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("!train #nowhere", "can't find a channel"),
        ("!train <#1>", "can't find a channel"),
        (f"!train <#{LIBRARY}>", "haven't allowed"),
        ("!train #lab --recipe word --from nothing", "No model called"),
        ("!train frankenstein --speakers", "is for chats"),
        ("!train lab", "If you mean the channel, write `!train #lab`"),
    ],
)
async def test_what_cannot_be_read_is_explained(live: Live, typed: str, problem: str) -> None:
    await agreed(live, "ada")
    assert problem in await live.ask(typed)


async def test_of_several_one_is_read_and_the_others_wait_for_it(live: Live) -> None:
    await talked(live, 1_500, "ada")
    with Pages(live) as pages:
        first = await pages.begin()
        others = [live.send("!train #lab", person=person) for person in ("ben", "cleo")]
        await live.until(lambda: len(live.shown("doing another reading first")) == 2, "two that wait")
        assert len(await being_read(live)) == 3
        assert len(await live.bot.redis.keys("bot:reading:*")) == 2, "pages of one, and how far it is"
    for sent in (first, *others):
        assert len(await lines_of(live, sent)) == 500


@pytest.mark.parametrize(
    ("mode", "problem"), [("off", "CHANNEL_TRAINING=opt-in"), ("opt-in", "No member of this server has agreed")]
)
async def test_nothing_is_read_without_the_operators_and_a_members_yes(live: Live, mode: Mode, problem: str) -> None:
    await talked(live, 120, *(("ada", "ben") if mode == "off" else ()))
    live.bot.settings.channel_training = mode
    with Pages(live) as pages:
        assert problem in await live.ask("!train #lab")
        assert not pages.asked


def test_when_all_names_are_taken_they_come_with_a_number() -> None:
    called = pseudonyms(2 * len(NAMES) + 1)
    assert set(called[: len(NAMES)]) == set(NAMES)
    assert set(called[len(NAMES) : -1]) == {f"{name} 2" for name in NAMES}
    assert called[-1].endswith(" 3")


def test_names_do_not_follow_from_the_ids() -> None:
    # The same 30 names by chance in the same order: less than once in 10^60 runs.
    assert len({tuple(pseudonyms(30)) for _ in range(3)}) == 3
