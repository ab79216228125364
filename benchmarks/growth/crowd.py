"""Measure the bot's work on a queue in which very many trainings wait."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bot.jobs.client import JobClient
from bot.jobs.recovery import Recovery
from bot.jobs.snapshot import Snapshots
from galvanic.options import CorpusInfo, TrainOptions
from shared.connect import connect, connect_async
from shared.jobs import Place, TrainJob
from shared.settings import Settings

_TIMES = 10


def crowd(folder: Path, redis_url: str, at_once: int = 100, waiting: int = 1_000) -> dict[str, float]:
    """Let many members ask for a training at once, then others until so many wait.

    Returns:
        The number of the first that the queue took, and the seconds until all had their answer; the milliseconds of
        processor time of one further request, of a sweep, and of a look at the queue, as cards need it.
    """
    settings = Settings(_env_file=None, redis_url=redis_url, data_dir=folder)
    with connect(settings) as client:
        client.flushall()
    return asyncio.run(_measure(settings, at_once, waiting))


async def _measure(settings: Settings, at_once: int, waiting: int) -> dict[str, float]:
    connection = connect_async(settings)
    jobs = JobClient(settings, connection)
    begun = time.monotonic()
    answers = await asyncio.gather(*(_enter(jobs, number) for number in range(at_once)), return_exceptions=True)
    seconds = time.monotonic() - begun
    for number in range(at_once, waiting):
        await _enter(jobs, number)
    numbers = iter(range(waiting, waiting + _TIMES))
    figures = {
        "entered": float(answers.count(True)),
        "entered_s": seconds,
        "request_ms": await _cpu_ms(lambda: _enter(jobs, next(numbers))),
        "sweep_ms": await _cpu_ms(Recovery(connection, jobs).look),
        "snapshot_ms": await _cpu_ms(lambda: Snapshots(connection, settings).look(now=True)),
    }
    await jobs.stop()
    await connection.aclose()
    return figures


async def _enter(jobs: JobClient, number: int) -> bool:
    """Enter a training, whatever the quotas say."""
    place = Place(guild_id=1 + number, channel_id=2, user_id=3 + number)
    corpus = CorpusInfo(name="book", title="Book", source="file", chars=9_000, sha256="0" * 64)
    job = TrainJob(job_id=f"t-{number}", place=place, corpus=corpus, options=TrainOptions())
    return await jobs.submit_train(job, "the sea " * 1_000)


async def _cpu_ms(work: Callable[[], Awaitable[object]]) -> float:
    begun = time.process_time()
    for _ in range(_TIMES):
        await work()
    return 1_000 * (time.process_time() - begun) / _TIMES
