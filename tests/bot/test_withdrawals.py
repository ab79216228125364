"""Words that are taken back leave every transcript, whatever breaks in between; models that learned them are stale."""

from __future__ import annotations

from typing import Any
from unittest.mock import AsyncMock

import pytest
import redis.asyncio
from redis.exceptions import RedisError

from bot.channels.store import Line, TranscriptStore
from bot.leader import Leader
from playground.places import ANNEX_ID, CHANNEL_IDS, GUILD_ID, USER_IDS
from shared import keys
from shared.connect import connect
from shared.transcripts import TranscriptInfo, is_being_purged, revision_of
from tests.bot.channels import model_of, until, worked_off
from tests.bot.live import Live
from tests.transcripts import words, written

ADA, BEN, CLEO = (USER_IDS[name] for name in ("ada", "ben", "cleo"))
TAVERN, LIBRARY = CHANNEL_IDS["tavern"], CHANNEL_IDS["library"]

pytestmark = pytest.mark.usefixtures("opted_in")


async def agreed(live: Live, *users: int, guild_id: int = GUILD_ID) -> None:
    for user in users:
        await live.channels.consents.agree(guild_id, user)


def said(*authors: int) -> list[Line]:
    """A line of each author in turn."""
    return [Line(1_000 + number, author, f"{number} by {author}") for number, author in enumerate(authors)]


async def transcript(live: Live, *authors: int, channel_id: int = TAVERN, **fields: Any) -> TranscriptInfo:
    return await written(
        live.channels.transcripts,
        said(*authors),
        **{"guild_id": GUILD_ID, "channel_id": channel_id, **fields},
    )


async def left(live: Live, info: TranscriptInfo) -> list[str]:
    await worked_off(live.core.chores)
    return await words(live.channels.transcripts, info.transcript_id)


async def gone(live: Live, info: TranscriptInfo) -> bool:
    return not await words(live.channels.transcripts, info.transcript_id)


async def test_a_members_words_leave_every_transcript_of_the_server(live: Live) -> None:
    await agreed(live, ADA, BEN)
    await agreed(live, BEN, guild_id=ANNEX_ID)
    one = await transcript(live, ADA, BEN, ADA, BEN, BEN)
    other = await transcript(live, *[BEN, ADA] * 30, channel_id=LIBRARY)
    without = await transcript(live, ADA)
    elsewhere = await transcript(live, BEN, guild_id=ANNEX_ID, channel_id=CHANNEL_IDS["atrium"])
    learned = model_of(live, "learned", one.ref(0))
    model_of(live, "innocent", without.ref(0))
    done = await live.channels.withdrawals.withdraw(GUILD_ID, [BEN], why="optout")
    assert (done.transcripts, done.lines, [model.name for model in done.models]) == (2, 33, [learned.name])
    consents = await live.channels.consents.of(GUILD_ID)
    assert not consents.includes(BEN, 10**18)
    assert consents.includes(ADA, 10**18)
    assert await left(live, one) == [f"0 by {ADA}", f"2 by {ADA}"]
    assert len(await left(live, other)) == 30
    assert len(await left(live, without)) == len(await left(live, elsewhere)) == 1
    assert await live.channels.transcripts.members(one.transcript_id) == {ADA: 2}
    revisions = await live.models.registry.revisions([one.transcript_id, without.transcript_id])
    assert revisions[one.transcript_id].withdrawn > 0
    assert revisions[without.transcript_id].now == 0


async def test_no_training_reads_words_of_whom_was_told_that_they_are_out(live: Live) -> None:
    """The text is locked for workers, and what was learned is stale, before anybody is told."""
    await agreed(live, ADA, BEN)
    info = await transcript(live, BEN, ADA)
    other = await transcript(live, BEN, channel_id=LIBRARY)
    store, client = live.channels.transcripts, connect(live.bot.settings)
    async with store.numbering:  # nothing can be taken out yet
        done = await live.channels.withdrawals.withdraw(GUILD_ID, [BEN], why="optout")
        assert (done.transcripts, done.lines) == (2, 2)
        for one in (info, other):
            assert is_being_purged(client, one.transcript_id)
            assert (revision := revision_of(client, one.transcript_id)) is not None
            assert revision.withdraws(one.ref(0))
    assert await left(live, info) == [f"1 by {ADA}"]
    assert await left(live, other) == []


async def test_models_are_stale_although_the_words_are_no_longer_kept(live: Live) -> None:
    await agreed(live, BEN)
    info = await transcript(live, BEN, BEN)
    model_of(live, "learned", info.ref(0))
    await live.channels.transcripts.drop_text(info.transcript_id)
    done = await live.channels.withdrawals.withdraw(GUILD_ID, [BEN], why="optout")
    assert (done.transcripts, done.lines, len(done.models)) == (1, 0, 1)
    assert await left(live, info) == []
    assert (await live.models.registry.revisions([info.transcript_id]))[info.transcript_id].withdrawn > 0


async def test_who_is_in_nothing_makes_nothing_stale(live: Live) -> None:
    await agreed(live, ADA)
    info = await transcript(live, ADA)
    told: list[str] = []

    async def on_words_withdrawn() -> None:
        told.append("stale")

    live.bot.add_listener(on_words_withdrawn)
    done = await live.channels.withdrawals.withdraw(GUILD_ID, [BEN], why="optout")
    assert (done.transcripts, done.lines, done.models) == (0, 0, ())
    assert await left(live, info) == [f"0 by {ADA}"]
    assert told == []
    await live.channels.withdrawals.withdraw(GUILD_ID, [ADA], why="optout")
    await live.until(lambda: told, "the event")


async def test_what_a_crash_cut_off_is_made_up_for(live: Live) -> None:
    await agreed(live, ADA, BEN, CLEO)
    noted = await transcript(live, ADA, BEN)
    deleted = await transcript(live, ADA, ADA)
    ended = await transcript(live, ADA, CLEO)
    model_of(live, "learned", ended.ref(0))
    await live.channels.transcripts.note_withdrawn(noted.transcript_id, [BEN])
    await live.channels.transcripts.note_gone(deleted.transcript_id, {1_000: ""})
    await live.channels.consents.refuse(GUILD_ID, CLEO, 0)  # and then the bot ended, before it was noted anywhere
    await live.channels.withdrawals.resume()
    assert await left(live, noted) == [f"0 by {ADA}"]
    assert await left(live, deleted) == [f"1 by {ADA}"]
    assert await left(live, ended) == [f"0 by {ADA}"]
    for info in (noted, deleted, ended):
        assert not await live.bot.redis.exists(keys.transcript_gone(info.transcript_id))
    revisions = await live.models.registry.revisions([ended.transcript_id])
    assert revisions[ended.transcript_id].withdrawn > 0, "what learned from it is stale"
    await live.channels.withdrawals.resume()
    await worked_off(live.core.chores)
    assert await live.models.registry.revisions([ended.transcript_id]) == revisions, "and only once"


async def test_where_members_are_asked_only_words_of_those_who_agreed_stay(live: Live) -> None:
    """The operator was laxer before."""
    await agreed(live, ADA)
    info = await transcript(live, ADA, BEN)
    await live.channels.withdrawals.resume()
    assert await left(live, info) == [f"0 by {ADA}"]


async def test_for_what_cannot_be_read_nothing_is_destroyed(live: Live) -> None:
    await live.bot.redis.hset(keys.consent(GUILD_ID), str(BEN), '{"state": "in"}')
    info = await transcript(live, BEN)
    await live.channels.withdrawals.resume()
    assert await left(live, info) == [f"0 by {BEN}"]
    assert not (await live.channels.consents.of(GUILD_ID)).includes(BEN, 1_000)


async def test_what_redis_did_not_take_out_is_taken_out_later(live: Live) -> None:
    await agreed(live, BEN)
    info = await transcript(live, BEN)
    with live.patch.context() as broken:
        broken.setattr(TranscriptStore, "purge", AsyncMock(side_effect=redis.ConnectionError))
        assert (await live.channels.withdrawals.withdraw(GUILD_ID, [BEN], why="optout")).lines == 1
        assert await words(live.channels.transcripts, info.transcript_id) == [f"0 by {BEN}"]
    assert await live.bot.redis.exists(keys.transcript_gone(info.transcript_id)), "no worker reads it meanwhile"
    await until(lambda: gone(live, info))


@pytest.mark.parametrize(("service", "method"), [(Leader, "write"), (TranscriptStore, "note_withdrawn")])
async def test_an_outage_is_told_and_leaves_a_no(live: Live, service: type, method: str) -> None:
    await agreed(live, BEN)
    info = await transcript(live, BEN)
    with live.patch.context() as broken:
        broken.setattr(service, method, AsyncMock(side_effect=redis.ConnectionError))
        with pytest.raises(RedisError):
            await live.channels.withdrawals.withdraw(GUILD_ID, [BEN], why="optout")
    assert not (await live.channels.consents.of(GUILD_ID)).includes(BEN, 10**18)
    await live.channels.withdrawals.resume()
    assert await left(live, info) == []
