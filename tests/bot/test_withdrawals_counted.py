"""Withdrawals counted, repeated, in several servers, of what is forgotten, and while Redis is away."""

from __future__ import annotations

import asyncio

import pytest
import redis

from bot.channels.store import Line
from bot.channels.withdrawals import Withdrawn
from playground.places import ANNEX_ID, CHANNEL_IDS, GUILD_ID, USER_IDS
from shared import keys
from shared.jobs import TranscriptRef
from shared.settings import Settings
from shared.transcripts import TranscriptInfo
from tests import factories
from tests.bot.channels import taken_out
from tests.bot.live import Live
from tests.transcripts import begun

ADA, BEN, CLEO = USER_IDS["ada"], USER_IDS["ben"], USER_IDS["cleo"]
LAB, ATRIUM = CHANNEL_IDS["lab"], CHANNEL_IDS["atrium"]
WHY = "test"


@pytest.fixture
def settings(opted_in: None) -> Settings:
    return Settings()


async def transcript(
    live: Live, authors: list[int], *, guild_id: int = GUILD_ID, complete: bool = True
) -> TranscriptInfo:
    """One with a line of each author, in this order."""
    store = live.bot.transcripts
    channel_id = LAB if guild_id == GUILD_ID else ATRIUM
    info = await begun(store, guild_id=guild_id, channel_id=channel_id, until=10**19)
    await live.bot.consents.allow(guild_id, channel_id, ADA)
    lines = [Line(number, author, f"line {number}") for number, author in enumerate(authors, 1)]
    await store.append(info.transcript_id, lines, "{}")
    if complete:
        await store.complete(info.transcript_id)
    return info


async def authors_of(live: Live, info: TranscriptInfo) -> list[int]:
    return [line.author_id async for _, page in live.bot.transcripts.pages(info.transcript_id) for line in page]


async def register(live: Live, name: str, *refs: TranscriptRef) -> None:
    """A model, as a worker enters it."""
    record = factories.record(model_id=name, name=name, guild_id=GUILD_ID, transcripts=refs)
    await live.bot.redis.hset(keys.guild_models(GUILD_ID), name, name)
    await live.bot.redis.set(keys.model(name), record.model_dump_json())


async def withdraw(live: Live, guild_id: int, user_ids: list[int], *, why: str) -> Withdrawn:
    """Members withdraw, and their words are gone."""
    done = await live.bot.withdrawals.withdraw(guild_id, user_ids, why=why)
    await taken_out(live)
    return done


async def test_it_counts_what_goes_and_names_the_models(live: Live) -> None:
    await live.bot.consents.agree(GUILD_ID, ADA)
    first, second = await transcript(live, [ADA, BEN, BEN]), await transcript(live, [BEN, ADA])
    other = await transcript(live, [ADA, ADA])
    await register(live, "of-first", first.ref(0))
    await register(live, "heir", other.ref(0), second.ref(0))
    await register(live, "of-other", other.ref(0))
    await register(live, "of-a-book")
    withdrawn = await withdraw(live, GUILD_ID, [BEN, CLEO], why=WHY)
    assert (withdrawn.transcripts, withdrawn.lines) == (2, 3)
    assert sorted(model.name for model in withdrawn.models) == ["heir", "of-first"]
    revisions = await live.bot.registry.revisions([first.transcript_id, second.transcript_id, other.transcript_id])
    stale = {model.name for model in await live.bot.registry.all(GUILD_ID) if model.is_stale(revisions)}
    assert stale == {"heir", "of-first"}
    assert [await authors_of(live, one) for one in (first, second, other)] == [[ADA], [ADA], [ADA, ADA]]
    consents = await live.bot.consents.of(GUILD_ID)
    assert {who for who, said in consents.said.items() if said.state == "out"} == {BEN, CLEO}


async def test_twice_is_as_once(live: Live) -> None:
    await transcript(live, [ADA, BEN])
    await withdraw(live, GUILD_ID, [BEN], why=WHY)
    withdrawn = await withdraw(live, GUILD_ID, [BEN], why=WHY)
    assert (withdrawn.transcripts, withdrawn.lines, withdrawn.models) == (0, 0, ())


async def test_servers_are_apart(live: Live) -> None:
    here, there = await transcript(live, [BEN]), await transcript(live, [BEN], guild_id=ANNEX_ID)
    await live.bot.consents.agree(ANNEX_ID, BEN)
    await live.bot.consents.agree(GUILD_ID, BEN)
    await withdraw(live, GUILD_ID, [BEN], why=WHY)
    assert await authors_of(live, here) == []
    assert await authors_of(live, there) == [BEN]
    assert (await live.bot.consents.of(ANNEX_ID)).includes(BEN, 1)
    assert not (await live.bot.consents.of(GUILD_ID)).includes(BEN, 1)


async def test_whoever_agrees_again_begins_anew(live: Live) -> None:
    await live.bot.consents.agree(GUILD_ID, BEN)
    old = live.send("said before", person="ben")
    await withdraw(live, GUILD_ID, [BEN], why=WHY)
    await live.bot.consents.agree(GUILD_ID, BEN)
    consents = await live.bot.consents.of(GUILD_ID)
    assert not consents.includes(BEN, old.id)
    assert consents.includes(BEN, old.id + (60_000 << 22))


async def test_their_consent_has_ended_even_when_redis_is_away(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    await live.bot.consents.agree(GUILD_ID, BEN)

    async def away(*_: object, **_options: object) -> None:
        raise redis.ConnectionError("away")

    with monkeypatch.context() as outage:
        outage.setattr(live.bot.redis, "transaction", away)
        with pytest.raises(redis.ConnectionError):
            await withdraw(live, GUILD_ID, [BEN], why=WHY)
    assert not (await live.bot.consents.of(GUILD_ID)).includes(BEN, 10**18)


async def test_a_forgotten_transcript_does_not_come_back(live: Live) -> None:
    info = await transcript(live, [ADA, BEN], complete=False)
    store = live.bot.transcripts
    await store.forget(info.transcript_id)
    await store.note_withdrawn(info.transcript_id, [BEN])
    await store.note_gone(info.transcript_id, {1: ""}, [2])
    await store.append(info.transcript_id, [Line(5, BEN, "too late")], "{}")
    await store.purge(info.transcript_id)
    assert await live.bot.registry.revisions([info.transcript_id]) == {}
    assert await live.bot.redis.keys(f"*{info.transcript_id}*") == []


async def test_a_note_of_the_same_message_during_a_purge_is_not_lost(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = await transcript(live, [ADA, BEN])
    store = live.bot.transcripts
    await store.note_gone(info.transcript_id, {1: "first"})
    end, later = store._end_purge, []

    async def slow_end(*arguments: object) -> None:
        later.append(asyncio.create_task(store.note_gone(info.transcript_id, {1: "second"})))
        await asyncio.sleep(0.1)
        await end(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as slow:
        slow.setattr(store, "_end_purge", slow_end)
        await store.purge(info.transcript_id)
    await asyncio.gather(*later)
    await store.purge(info.transcript_id)
    assert [line.text for line in await store.lines_of(info.transcript_id, ADA)] == ["second"]
