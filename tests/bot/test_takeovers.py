"""Whatever bots take over from each other in the midst of a reading, and whenever one of before wakes up and goes on:
nothing of a member who withdrew is there, no line twice, and none is lost.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import pytest
import redis.asyncio
from hypothesis import HealthCheck, given, settings as tries, strategies as st
from redis.asyncio.client import Pipeline

from bot.channels.consent import ConsentStore
from bot.channels.store import Line, TranscriptStore
from bot.leader import Leader, Overtaken
from bot.lock import BotLock
from shared import keys
from shared.settings import Settings
from tests.transcripts import begun, state_of

GUILD, ROOM = 1, 2
ADA, BEN, CLEO = PEOPLE = 11, 22, 33
MESSAGES = [(number, PEOPLE[number * 7 % 3]) for number in range(1, 13)]
PAGE = 3
T = TypeVar("T")
_IDS = itertools.count()


class Halting(Leader):
    """Stands still where a process may: each time between what the reading's task has read and what it writes."""

    def __init__(self, client: redis.asyncio.Redis, lock: BotLock) -> None:
        super().__init__(client, lock)
        self.task: asyncio.Task[None] | None = None
        self._may_go = asyncio.Event()
        self._stands = asyncio.Event()
        self._free = False

    async def go(self) -> None:
        """Let it go as far as the next place, or to its end."""
        assert self.task is not None
        if self.task.done():
            return
        self._stands.clear()
        self._may_go.set()
        stands = asyncio.create_task(self._stands.wait())
        await asyncio.wait({stands, self.task}, return_when=asyncio.FIRST_COMPLETED)
        stands.cancel()

    def free(self) -> None:
        """Let it go to its end."""
        self._free = True
        self._may_go.set()

    async def halt(self) -> None:
        if asyncio.current_task() is self.task and not self._free:
            self._may_go.clear()
            self._stands.set()
            await self._may_go.wait()

    async def step(self, work: Callable[[Pipeline], Awaitable[T]], *watched: str) -> T:
        async def slowly(pipe: Pipeline) -> T:
            done = await work(pipe)
            await self.halt()
            return done

        return await super().step(slowly, *watched)


class Bot:
    """One that leads from now on, and reads on where the last one was."""

    def __init__(self, settings: Settings, client: redis.asyncio.Redis, transcript_id: str) -> None:
        self._client = client
        self.lock = BotLock(client)
        self.fence = Halting(client, self.lock)
        self.consents = ConsentStore(settings, client, self.fence)
        self.store = TranscriptStore(client, self.fence)
        self._transcript_id = transcript_id
        self._later: list[asyncio.Task[int]] = []

    async def begin(self) -> None:
        await self._client.delete(keys.BOT_LOCK)  # the one before was not heard of for long
        await self.lock.take()
        self.fence.task = asyncio.create_task(self._read())
        await self.fence.go()

    async def end(self) -> None:
        self.fence.free()
        assert self.fence.task is not None
        with suppress(Overtaken):
            await self.fence.task
        for task in self._later:
            with suppress(Overtaken):
                await task

    async def withdraw(self, member: int) -> None:
        """As `bot.channels.withdrawals` does it."""
        await self.consents.refuse(GUILD, member, 10**9)
        await self.store.note_withdrawn(self._transcript_id, [member])
        self._later.append(asyncio.create_task(self.store.purge(self._transcript_id)))

    async def _read(self) -> None:
        """As `bot.channels.reading` does it."""
        while (now := await self.store.load(self._transcript_id)) is not None and now.reading is not None:
            start = now.reading.read
            page = [Line(number, who, f"{who} says {number}") for number, who in MESSAGES[start : start + PAGE]]
            if not page:
                break
            await self.fence.halt()
            kept = now.reading.model_copy(update={"read": start + len(page)})
            await self.store.append(self._transcript_id, page, kept, after=now.reading, consents=self.consents)
        members = await self.store.members(self._transcript_id)
        refused = (await self.consents.of(GUILD, members.keys())).refused(members)
        await self.store.note_withdrawn(self._transcript_id, refused)
        await self.store.purge(self._transcript_id)
        await self.store.complete(self._transcript_id)


pytestmark = pytest.mark.usefixtures("opted_in")


_GO = st.integers(0, 2)
"""Let the bot of this number go on; the newest, which leads, is 0."""
_WITHDRAW = st.sampled_from([str(person) for person in PEOPLE])
ACTIONS = st.lists(st.one_of(_GO, _GO, _GO, st.just("take over"), _WITHDRAW), max_size=40)


@tries(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS)
async def test_nothing_withdrawn_nothing_twice_nothing_lost(
    settings: Settings, client: redis.asyncio.Redis, actions: list[int | str]
) -> None:
    await client.flushall()
    before = ConsentStore(settings, client)
    for person in PEOPLE:
        await before.agree(GUILD, person)
    name = f"{next(_IDS):024x}"
    await begun(TranscriptStore(client), guild_id=GUILD, channel_id=ROOM, transcript_id=name)
    bots = [Bot(settings, client, name)]
    await bots[0].begin()
    withdrawn = set()
    for action in actions:
        if action == "take over":
            bots.insert(0, Bot(settings, client, name))
            await bots[0].begin()
        elif isinstance(action, str):
            withdrawn.add(int(action))
            await bots[0].withdraw(int(action))
        elif action < len(bots):
            await bots[action].fence.go()
    for bot in (*bots[1:], bots[0]):
        await bot.end()
    store = bots[0].store
    known = await state_of(store, name)
    assert known.reading is None
    assert not await client.exists(keys.transcript_gone(name))
    lines = [line async for _, page in store.pages(name) for line in page]
    left = [number for number, who in MESSAGES if who not in withdrawn]
    assert [line.message_id for line in lines] == left
    assert known.lines == len(lines) == sum((await store.members(name)).values())
