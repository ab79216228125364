"""How many may wait for a text at once, and cooldowns: begun once, given back only by whom they belong to."""

import contextlib
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from bot.jobs.admission import Admission
from bot.servers import access as access_module
from bot.servers.access import Access, TooSoon
from galvanic.errors import UserError
from playground.places import BOT_ID, GUILD_ID
from shared.settings import Settings
from tests.bot.declared import call_each
from tests.bot.ids import LAB, LIBRARY
from tests.bot.live import Live
from tests.bot.stand_in import TEXT, StandIn, bens_text
from worker.handlers import HANDLERS


@pytest.fixture
def access() -> Access:
    return Access(Settings(), cast(Any, None))


_REQUESTS = itertools.count(1)


def start_cooldown(access: Access) -> Any:
    return access.start_cooldown("train", 1, 2, 60.0, request=next(_REQUESTS))


def test_what_is_done_costs_and_what_fails_does_not(access: Access) -> None:
    with pytest.raises(ValueError, match="failed"), start_cooldown(access):
        raise ValueError("failed")
    with start_cooldown(access):
        pass
    with pytest.raises(TooSoon), start_cooldown(access):
        pass


@pytest.mark.parametrize(("seconds", "told"), [(0.2, "1 s"), (174.4, "2 min 54 s"), (3_600, "1 h 00 min")])
def test_a_cooldown_is_told_as_people_read_times(seconds: float, told: str) -> None:
    assert TooSoon(seconds).remedy == f"Try again in {told}."


def test_what_fails_late_leaves_the_next_requests_cooldown(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_late() -> None:
        with start_cooldown(access):
            now = time.monotonic() + 61
            monkeypatch.setattr(time, "monotonic", lambda: now)
            with start_cooldown(access):
                pass
            raise ValueError("late")

    with pytest.raises(ValueError, match="late"):
        fail_late()
    with pytest.raises(TooSoon), start_cooldown(access):
        pass


def test_a_request_that_comes_twice_is_not_its_own_rival(access: Access) -> None:
    for _ in range(2):
        with access.start_cooldown("train", 1, 2, 60.0, request=10_000):
            pass


def test_cooldowns_that_are_over_are_forgotten(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "_MANY_COOLDOWNS", 3)
    for person in range(9):
        with access.start_cooldown("chat", 1, person, 1e-9, request=person):
            pass
    assert len(access._cooldowns) <= 3


async def test_who_asks_too_fast_is_told_when_to_ask_again(live: Live, worker: StandIn) -> None:
    live.bot.settings.generate_cooldown_s = live.bot.settings.chat_cooldown_s = 600
    assert "No model called" in await live.ask("!generate the sea --model nosuch", person="ben"), "costs nothing"
    await bens_text(live, worker)
    refusal = await live.ask("!generate the sea", person="ben")
    assert "a bit fast" in refusal
    assert "Try again in" in refusal
    await live.ask("!chat on")
    live.send(f"<@{BOT_ID}> hello", person="dora")
    await worker.answer(live)
    early = live.send(f"<@{BOT_ID}> and now?", person="dora")
    await live.until(lambda: early.reactions, "a reaction in place of an answer")
    assert live.answer(early) is None


MENTION = f"<@{BOT_ID}>"


async def told(live: Live, channel: int, words: str) -> int:
    """How often the bot says something after five mentions by Ben, once it has heard them all."""
    before = set(live.world.messages[channel])
    for number in range(5):
        live.send(f"{MENTION} hello {number}", person="ben", channel=channel)
    await live.handled()
    await live.until(lambda: not live.core.responder._turns, "the refusals, which go to a channel one at a time")
    new = [message for number, message in live.world.messages[channel].items() if number not in before]
    answers = [message for message in new if message.author_id == BOT_ID]
    assert all(words in str(answer.embeds) + answer.content for answer in answers)
    return len(answers)


async def test_where_the_bot_lacks_permissions(live: Live) -> None:
    await live.deny("attach_files")
    assert await told(live, LAB, "Attach Files") == 1


async def test_in_direct_messages(live: Live) -> None:
    assert await told(live, live.dm(), "in servers, not in direct messages") == 1


async def test_another_person_is_told_as_well(live: Live) -> None:
    await live.core.servers.change(GUILD_ID, channels=(LIBRARY,))
    assert await told(live, LAB, "not allowed") == 1
    assert "not allowed" in await live.ask(f"{MENTION} hello", person="cleo")


# ---------------------------------------------------------------------- how many may wait for a text at once

A = 101
ONE_SERVERS = int(0.8 * Settings.model_fields["generate_jobs"].default)


def make(folder: Path, **options: int) -> Admission:
    return Admission(Settings(data_dir=folder, _env_file=None, **{"generate_jobs": 20, **options}))  # type: ignore[arg-type]


@contextlib.contextmanager
def filled(admission: Admission, **wanted: int) -> Iterator[dict[str, int]]:
    """So many of each server ask at the same time, in turns; how many of each have got a place."""
    got = dict.fromkeys(wanted, 0)
    with contextlib.ExitStack() as places:
        for turn in range(max(wanted.values())):
            for name, number in wanted.items():
                if turn < number:
                    with contextlib.suppress(UserError):
                        places.enter_context(admission.queue_slot(ord(name)))
                        got[name] += 1
        yield got


def test_places_are_limited_and_come_back(tmp_path: Path) -> None:
    admission = make(tmp_path)
    with filled(admission, a=15, b=15) as got:
        assert got == {"a": 10, "b": 10}
        with pytest.raises(UserError, match="20 texts in line") as refused, admission.queue_slot(ord("c")):
            pass
        assert refused.value.problem.startswith("More people are asking")
        assert refused.value.remedy == "Try again in 5 s."
    assert admission.waiting == 0
    with filled(admission, b=1) as got:
        assert got == {"b": 1}


def test_a_server_leaves_room_for_others(tmp_path: Path) -> None:
    admission = make(tmp_path)
    with filled(admission, a=30) as got:
        assert got == {"a": 16}
        with pytest.raises(UserError, match=r"This server is asking.*16 texts in line"), admission.queue_slot(ord("a")):
            pass
        with filled(admission, b=9) as other:
            assert other == {"b": 4}


def test_servers_that_ask_at_once_get_their_share(tmp_path: Path) -> None:
    with filled(make(tmp_path), a=40, b=40, c=2, d=40) as got:
        assert got["c"] == 2
        assert max(got.values()) - min(got["a"], got["b"], got["d"]) <= 1
        assert sum(got.values()) <= 20


def test_a_failed_request_gives_its_place_back(tmp_path: Path) -> None:
    admission = make(tmp_path)
    with pytest.raises(ValueError, match="broken"), admission.queue_slot(A):
        raise ValueError("broken")
    assert admission.waiting == 0


@pytest.mark.parametrize("crowd", [{"a": 9}, dict.fromkeys("bcdefghij", 1), {"a": 3, **dict.fromkeys("bcdefg", 1)}])
def test_nobody_is_let_in_behind_a_crowd_that_waits_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crowd: dict[str, int]
) -> None:
    """Too long is a quarter of 60 s."""
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    admission = make(tmp_path, generate_jobs=1_000)
    with filled(admission, **crowd):
        now += 14
        with filled(admission, a=1) as got:
            assert got == {"a": 1}
        now += 2
        with pytest.raises(UserError, match="9 texts in line") as refused, admission.queue_slot(ord("a")):
            pass
        assert refused.value.remedy == "Try again in 16 s."
        admission.written()
        with filled(admission, a=1) as got:
            assert got == {"a": 1}, "the others are too few to tell"


def test_a_server_does_not_wait_for_the_crowd_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    admission = make(tmp_path, generate_jobs=1_000)
    with filled(admission, a=50):
        now += 50
        with filled(admission, b=8) as got:
            assert got == {"b": 8}


@pytest.fixture
def full(live: Live) -> Iterator[Live]:
    """A bot that so many of its first server ask for a text that there is no place left for it."""
    with contextlib.ExitStack() as places:
        for _ in range(ONE_SERVERS):
            places.enter_context(live.core.admission.queue_slot(GUILD_ID))
        yield live


@pytest.mark.parametrize("words", ["!generate the sea", "!compare the sea", "!surprise the sea", f"<@{BOT_ID}> hello"])
async def test_who_finds_no_place_is_told_in_the_channel(full: Live, words: str) -> None:
    await full.bot.core.servers.choose(LAB, "chat", True)
    said = await full.ask(words)
    assert "This server is asking for more texts than I can serve: 204 texts in line." in said
    assert "Try again in 5 s." in said


@pytest.mark.parametrize("room", [True, False])
async def test_no_command_writes_a_text_where_there_is_no_place(live: Live, worker: StandIn, room: bool) -> None:
    with contextlib.ExitStack() as places:
        for _ in range(0 if room else ONE_SERVERS):
            places.enter_context(live.core.admission.queue_slot(GUILD_ID))
        called = call_each(live)
        await live.until(lambda: all(call.responded or call.modal for call in called.values()), "an answer to each")
        await live.handled()
        if room:
            await live.until(
                lambda: any(job_id.startswith("g-") for job_id in worker.waiting()), "a text to be asked for"
            )
        jobs = [await live.core.jobs.load(job_id) for job_id in await live.core.jobs.undelivered()]
    kinds = {stored.job.kind for stored in jobs if stored is not None} - {"train"}
    written = {kind for kind in kinds if HANDLERS[kind].in_passes}
    assert bool(written) is room


async def test_another_server_still_gets_its_text(full: Live) -> None:
    assert "No model called" in await full.ask("!generate the sea --model nosuch", channel="atrium")
    assert full.bot.core.admission.waiting == ONE_SERVERS


async def test_a_place_is_free_again_after_the_answer(live: Live, worker: StandIn) -> None:
    live.send("!generate the sea")
    job_id = await worker.asked(live)
    assert live.core.admission.waiting == 1
    worker.write(job_id)
    await live.until(lambda: live.showing(TEXT), "the text")
    await live.until(lambda: not live.core.admission.waiting, "the place to be free")
