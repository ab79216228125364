"""What somebody wrote reaches a worker only by their own doing, and goes with them whoever used it meanwhile."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.channels.export import export
from playground.places import BOT_ID, CHANNEL_IDS, GUILD_ID
from shared import keys
from tests.bot.live import Live
from tests.bot.members import ADA, BEN
from tests.bot.stand_in import StandIn, bens_text


async def requests(live: Live, who: int) -> list[dict[str, Any]]:
    """As they are handed out to somebody."""
    user = live.bot.get_user(who) or await live.bot.fetch_user(who)
    (file, *_), _ = await export(live.channels.member_data, user)
    found = json.loads(file.fp.read())["requests"]
    return [one for one in found if one["kind"] != "train"]


async def test_a_surprise_takes_nobody_elses_message(live: Live, worker: StandIn) -> None:
    said = live.send("the tide watches", person="ben")
    assert "somebody else" in await live.ask("!surprise", reply_to=said)
    assert not worker.waiting()
    assert not await requests(live, ADA)


async def test_a_surprise_takes_ones_own_message(live: Live, worker: StandIn) -> None:
    live.send("!surprise", reply_to=live.send("the tide watches"))
    await worker.asked(live)
    (kept,) = await requests(live, ADA)
    assert kept["text"] == "the tide watches"


async def test_a_surprise_takes_no_message_that_quotes_others(live: Live, worker: StandIn) -> None:
    listing = live.world.create_message(CHANNEL_IDS["lab"], BOT_ID, "1. the tide watches")
    assert "can't tell whose words" in await live.ask("!surprise", reply_to=listing)
    hook = live.world.create_message(CHANNEL_IDS["lab"], BOT_ID, "the gulls", webhook_id=5)
    assert "can't tell whose words" in await live.ask("!surprise", reply_to=hook)
    assert not worker.waiting()
    assert not await requests(live, ADA)


@pytest.mark.parametrize("how", ["Continue", "Hotter", "!surprise"])
async def test_words_under_a_text_stay_those_of_whoever_typed_them(live: Live, worker: StandIn, how: str) -> None:
    written = await bens_text(live, worker)
    if how.startswith("!"):
        live.send(how, reply_to=written)
    else:
        live.press("ada", written, how)
    job_id = await worker.asked(live)
    await live.core.jobs.delivered(job_id)
    (adas,) = await requests(live, ADA)
    assert not {"seed", "text"} & set(adas)
    mine = await requests(live, BEN)
    assert len(mine) == 2
    assert all("the sea" in (one.get("seed") or one["text"]) for one in mine)
    assert str(ADA) not in json.dumps(mine)
    assert await live.channels.member_data.forget_requests(BEN, [GUILD_ID]) == 2
    assert not await live.bot.redis.exists(keys.job(job_id))


async def test_a_surprise_of_a_text_that_was_forgotten_is_refused(live: Live, worker: StandIn) -> None:
    written = await bens_text(live, worker)
    await live.channels.member_data.forget_requests(BEN, [GUILD_ID])
    assert "I no longer have this text" in await live.ask("!surprise", reply_to=written)
    assert not worker.waiting()
