"""Cooldowns: begun once, given back only by whom they belong to; who mentions the bot again and again is told once."""

import itertools
from typing import Any
from unittest.mock import AsyncMock

import pytest
import redis.asyncio
from redis.exceptions import ConnectionError as AwayError

from bot.servers.access import Access, TooSoon
from bot.servers.settings import GuildSettingsStore
from playground.places import BOT_ID, GUILD_ID
from shared import keys
from shared.settings import Settings
from tests.bot.ids import LAB, LIBRARY
from tests.bot.live import Live
from tests.bot.stand_in import StandIn, bens_text

KEY = keys.cooldown("train", 1, 2)


@pytest.fixture
def access(settings: Settings, client: redis.asyncio.Redis) -> Access:
    return Access(settings, GuildSettingsStore(settings, client), client)


_REQUESTS = itertools.count(1)


def start_cooldown(access: Access) -> Any:
    return access.start_cooldown("train", 1, 2, 60.0, request=next(_REQUESTS))


async def test_what_is_done_costs_and_what_fails_does_not(access: Access) -> None:
    with pytest.raises(ValueError, match="failed"):
        async with start_cooldown(access):
            raise ValueError("failed")
    async with start_cooldown(access):
        pass
    with pytest.raises(TooSoon, match=r"Try again in ([1-9]|[1-5]\d|60) s\."):
        async with start_cooldown(access):
            pass


async def test_what_fails_late_leaves_the_next_requests_cooldown(access: Access, client: redis.asyncio.Redis) -> None:
    async def fail_late() -> None:
        async with start_cooldown(access):
            await client.delete(KEY)  # as if its time had run out
            async with start_cooldown(access):
                pass
            raise ValueError("late")

    with pytest.raises(ValueError, match="late"):
        await fail_late()
    assert await client.exists(KEY)


async def test_a_request_whose_first_reply_was_lost_is_not_its_own_rival(
    access: Access, client: redis.asyncio.Redis
) -> None:
    for _ in range(2):  # as redis-py asks again when the connection breaks in between
        async with access.start_cooldown("train", 1, 2, 60.0, request=10_000):
            assert await client.exists(KEY)


async def test_an_outage_does_not_hide_what_failed(access: Access) -> None:
    async def fail_in_an_outage() -> None:
        async with start_cooldown(access):
            access._give_back = AsyncMock(side_effect=AwayError)  # type: ignore[method-assign]
            raise ValueError("failed")

    with pytest.raises(ValueError, match="failed"):
        await fail_in_an_outage()


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
