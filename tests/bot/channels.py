"""Channels that are read and learned from: people talk, agree and disagree, and what the bot then has."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from simcord.backend.models import Message

from bot.background import Chores
from bot.models.readings import ReadingNote
from galvanic.options import TrainOptions
from playground.places import GUILD_ID, USER_IDS, OldMessage
from shared.connect import connect
from shared.jobs import ReadingRef, TrainJob
from shared.models import ModelRecord
from tests.bot.ids import ADA, LAB
from tests.bot.live import PATIENCE_S, Live
from tests.driver.faults import OK, Fault
from tests.factories import channel_corpus, record
from tests.registered import register

MESSAGES = rf"/channels/{LAB}/messages"


async def agreed(live: Live, *people: str, channel_id: int = LAB) -> None:
    """Let an admin allow a channel, and people agree."""
    await live.consents.allow(GUILD_ID, channel_id, ADA)
    for person in people:
        await live.consents.agree(GUILD_ID, USER_IDS[person])


def talk(live: Live, count: int, *, channel_id: int = LAB) -> list[int]:
    """So many messages of Ada, Ben and Cleo in turn, and nothing before them; their ids."""
    live.world.messages[channel_id].clear()
    people = ("ada", "ben", "cleo")
    first = datetime.now(UTC) - timedelta(days=30)
    before = set(live.world.messages[channel_id])
    live.world.add_old_messages(
        channel_id,
        (
            OldMessage(
                USER_IDS[people[number % 3]],
                f"{people[number % 3]} says word number {number} of the long story that we tell",
                first + timedelta(minutes=number),
            )
            for number in range(count)
        ),
    )
    return [message_id for message_id in live.world.messages[channel_id] if message_id not in before]


async def talked(live: Live, count: int, *people: str) -> list[int]:
    """As `talk`, in a channel that an admin allows, and these people agreed; the messages' ids."""
    ids = talk(live, count)
    await agreed(live, *people)
    return ids


async def queued(live: Live, sent_id: int) -> TrainJob:
    """The training that follows a reading, once it waits in the queue."""
    job_id = f"t-{sent_id}"

    async def waits() -> TrainJob | None:
        stored = await live.core.jobs.load(job_id)
        job = stored.job if stored is not None else None
        return job if isinstance(job, TrainJob) and not job.is_unread else None

    await until(waits)
    job = await waits()
    assert job is not None
    return job


async def lines_of(live: Live, sent: Message) -> list[str]:
    """Return what a worker would learn of the training that was asked for, once it waits."""
    job = await queued(live, sent.id)
    return (await text_of(live, job.job_id)).splitlines()


async def text_of(live: Live, job_id: str) -> str:
    """Return the text of a training; empty when it has none."""
    found = await live.core.jobs.channel_text(job_id)
    return found[0] if found is not None else ""


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

    async def begin(self) -> Message:
        """Ask for a training on #lab, and wait until some pages were read: the others take long from then on."""
        sent = self._live.send("!train #lab")
        await self._live.until(lambda: self.asked >= 4, "the first pages")
        self._fault.wait_s = 1.0
        return sent


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.02)


async def worked_off(chores: Chores) -> None:
    """Wait until all is done that was to be done by now, and what follows from that."""
    left: list[float] | None = None

    async def look() -> None:
        nonlocal left
        left = [due for due in chores._due.values() if due < asyncio.get_running_loop().time() + 60]

    async def none_left() -> bool:
        if left is None or left:
            chores.add(look)
        return left == []

    await until(none_left)


async def next_run(live: Live) -> None:
    """Let the readings of a bot that was killed go on in the next run of it."""
    await live.readings.stop()
    live.faults.clear()
    live.trainings.readings = again = dataclasses.replace(live.readings)
    live.core.services.append(again)
    again.start()


async def read(live: Live, *, people: tuple[str, ...] = ("ada", "ben"), typed: str = "!train #lab") -> TrainJob:
    """Read #lab, where Ada, Ben and Cleo talk in turn; the training, once it waits."""
    await talked(live, 300, *people)
    return await queued(live, live.send(typed).id)


def model_of(live: Live, name: str, *readings: ReadingRef | ReadingNote, **fields: Any) -> ModelRecord:
    """A finished model of some readings, as a worker enters it; its id is its name."""
    place = {"guild_id": GUILD_ID, "channel_id": LAB, "owner_id": ADA}
    own = {"model_id": name, "name": name, **place, "options": TrainOptions()}
    refs = tuple(one.ref if isinstance(one, ReadingNote) else one for one in readings)
    if refs:
        own["corpus"] = channel_corpus(refs[0].reading_id)
    own |= {"readings": refs, "author_id": next((ref.author_id for ref in refs if ref.author_id), 0)}
    return register(connect(live.bot.settings), record(**{**own, **fields}), current=False)


async def look(live: Live) -> None:
    """Have the bot look after its models now, and twice after readings, as it does every minute."""
    await live.remaking.look(live.guild)
    for _ in range(2):
        await live.remaking.forget_unused()


async def names(live: Live, guild_id: int = GUILD_ID) -> list[str]:
    """Of a server's models."""
    return sorted(model.name for model in await live.models.registry.all(guild_id))


async def being_read(live: Live) -> list[TrainJob]:
    """Return the trainings whose channels are being read."""
    trainings = (await live.core.snapshots.look(now=True)).trainings
    return [training.job for training in trainings if training.job.is_unread]


async def note_of(live: Live, job: TrainJob) -> ReadingNote:
    """Return the reading note of a training that waits."""
    assert job.reading is not None
    note = await live.models.registry.notes.load(job.reading.reading_id)
    assert note is not None
    return note


async def members_of(live: Live, job: TrainJob) -> set[int]:
    """Return the members whose words a training's reading has."""
    assert job.reading is not None
    return set(await live.models.registry.notes.members(job.reading.reading_id))


class Away:
    """A Redis that cannot be reached by the bot, once `gone` is set."""

    def __init__(self, live: Live) -> None:
        self.gone = False
        self.refused = 0
        pool = live.bot.redis.connection_pool
        connect: Any = pool.get_connection

        async def get_connection(*args: Any, **options: Any) -> Any:
            if self.gone:
                self.refused += 1
                raise redis.ConnectionError("away")
            return await connect(*args, **options)

        live.patch.setattr(pool, "get_connection", get_connection)
