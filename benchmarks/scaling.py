"""Measure how throughput grows with workers: `python -m benchmarks.scaling [--rounds 3] [--trainings 8] [--texts 200]`.

Each worker runs on one core of this machine, as if on a host of its own. In each round all numbers of workers have
their turn, so that other load on the machine meets them all.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import psutil
import redis

from benchmarks import report
from benchmarks.models import default_model
from benchmarks.own_redis import redis_server
from bot.jobs.client import JobClient
from galvanic.options import CorpusInfo, TrainOptions
from shared import keys, presence
from shared.connect import connect, connect_async
from shared.events import TERMINAL, parse_event
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE, GenerateJob, Job, Place, TrainJob
from shared.settings import Settings
from worker.store import ModelStore

TRAIN_WORKERS = (1, 2, 4)
GENERATE_WORKERS = (1, 2)
MODELS = 4
_SERVERS = 4
_TRAINING = TrainOptions(epochs=2, layers=1, units=64, batch=16, random_seed=1)
_START_S = 180.0
_LIMIT_S = 1_200.0
_LOOK_EVERY_S = 0.02
_SENTENCE = "The harbour {} watches the {} boats, and an old sailor counts {} bells. "


def babble(characters: int = 40_000) -> str:
    """Return a made-up text, the same each time."""
    sentences = (_SENTENCE.format(n * 7 % 101, n * 31 % 97, n * 13 % 89) for n in range(characters // 50))
    return "".join(sentences)[:characters]


class Bench:
    """A Redis of its own, a model store, and as many workers as are asked for."""

    def __init__(self, work: Path, redis_url: str) -> None:
        self.work = work
        self._environment = {"REDIS_URL": redis_url, "MODEL_STORE": str(work / "models")}
        self.settings = Settings(_env_file=None, redis_url=redis_url, model_store=str(work / "models"), data_dir=work)
        self.client: redis.Redis = connect(self.settings)
        self.text = babble()
        self.corpus = CorpusInfo(name="harbour", title="Harbour", source="file", chars=len(self.text), sha256="0" * 64)

    @contextlib.contextmanager
    def workers(self, queue: str, count: int) -> Iterator[None]:
        """Let `count` workers serve a queue within the block, each on one core."""
        self.client.flushall()
        cores = sorted(os.sched_getaffinity(0))
        processes = []
        for number in range(count):
            data = self.work / f"{queue}{number}"
            data.mkdir(exist_ok=True)
            own = self._environment | {"DATA_DIR": str(data), "WORKER_NAME": data.name}
            with (data / "log").open("ab") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "worker", "serve", queue],
                    env=os.environ | own,
                    cwd=Path(__file__).parent.parent,
                    stdout=log,
                    stderr=log,
                )
            psutil.Process(process.pid).cpu_affinity([cores[number % len(cores)]])  # its children have the same
            processes.append(process)
        try:
            until = time.monotonic() + _START_S
            while len(presence.alive(self.client, queue)) < count:
                if time.monotonic() > until:
                    raise RuntimeError(f"the workers did not start: see {self.work}")
                time.sleep(_LOOK_EVERY_S)
            yield
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(60)

    def seconds(self, jobs: Sequence[Job]) -> float:
        """Return the seconds from the first job's entry to the last one's end."""
        return asyncio.run(self._seconds(jobs))

    async def _seconds(self, jobs: Sequence[Job]) -> float:
        client = connect_async(self.settings)
        queue = JobClient(self.settings, client)
        queue.start()
        begun = time.monotonic()
        try:
            for job in jobs:
                if isinstance(job, TrainJob):
                    await queue.submit_train(job, self.text)
                else:
                    await queue.submit(job)
            open_jobs = {job.job_id for job in jobs}
            while open_jobs:
                if time.monotonic() - begun > _LIMIT_S:
                    raise RuntimeError(f"{len(open_jobs)} jobs are not over: see {self.work}")
                await asyncio.sleep(_LOOK_EVERY_S)
                for job_id in sorted(open_jobs):
                    newest = cast(Any, self.client.xrevrange(keys.job_events(job_id), count=1))
                    kind = parse_event(newest[0][1][b"event"]).kind
                    if kind in ("failed", "cancelled"):
                        raise RuntimeError(f"{job_id} {kind}: see {self.work}")
                    if kind in TERMINAL:
                        open_jobs.discard(job_id)
            return time.monotonic() - begun
        finally:
            await queue.stop()
            await client.aclose()

    def trainings(self, count: int) -> list[Job]:
        """Return jobs for trainings, of several servers."""
        return [
            TrainJob(
                job_id=f"t-{number}",
                place=Place(guild_id=1 + number % _SERVERS, channel_id=2, user_id=3),
                corpus=self.corpus,
                options=_TRAINING,
            )
            for number in range(count)
        ]

    def texts(self, count: int) -> list[Job]:
        """Return jobs for texts, of several models in turn."""
        return [
            GenerateJob(
                job_id=f"g-{number}",
                place=Place(guild_id=1 + number % _SERVERS, channel_id=2, user_id=3),
                model_id=f"m{number % MODELS}",
                model_name="harbour",
                seed="The harbour",
                length=300,
                random_seed=number,
            )
            for number in range(count)
        ]

    def add_models(self) -> None:
        """Put models with the default network into the store."""
        folder = default_model(self.work, self.text)
        for number in range(MODELS):
            ModelStore(self.settings).save(folder, f"m{number}")

    def register(self) -> None:
        """Put the models into the registry: workers forget others."""
        for number in range(MODELS):
            self.client.set(keys.model(f"m{number}"), "{}")


def measure(bench: Bench, rounds: int, trainings: int, texts: int) -> dict[str, dict[int, list[float]]]:
    """Return the jobs a minute in each round, by kind and number of workers. A kind without jobs is left out."""
    rates: dict[str, dict[int, list[float]]] = {}
    if trainings:
        rates["trainings"] = {count: [] for count in TRAIN_WORKERS}
    if texts:
        rates["texts"] = {count: [] for count in GENERATE_WORKERS}
        bench.add_models()
    for number in range(rounds):
        for count in rates.get("trainings", ()):
            with bench.workers(TRAIN_QUEUE, count):
                rate = 60 * trainings / bench.seconds(bench.trainings(trainings))
            rates["trainings"][count].append(rate)
            print(f"round {number + 1}: {count} train: {rate:.2f} a minute", file=sys.stderr, flush=True)
        for count in rates.get("texts", ()):
            with bench.workers(GENERATE_QUEUE, count):
                bench.register()
                bench.seconds([job.model_copy(update={"job_id": f"w-{job.job_id}"}) for job in bench.texts(64)])
                rate = 60 * texts / bench.seconds(bench.texts(texts))
            rates["texts"][count].append(rate)
            print(f"round {number + 1}: {count} generate: {rate:.0f} a minute", file=sys.stderr, flush=True)
    return rates


def table(measured: dict[str, dict[int, list[float]]], machine: dict[str, Any]) -> str:
    """Return a table of the medians, and of their ratios to one worker (the median of each round's ratio)."""
    lines = [
        f"{machine['cores']} cores of {machine['cpu']}, each worker on one; load {machine.get('load', '?')}",
        "",
        "| workers | jobs a minute (median) | times one worker's (median of the rounds; least to most) |",
        "|---|---|---|",
    ]
    for kind, rates in measured.items():
        for count, each in rates.items():
            ratios = [rate / alone for rate, alone in zip(each, rates[1], strict=True)]
            spread = f" ({min(ratios):.2f} to {max(ratios):.2f})" if count > 1 else ""
            middle = statistics.median(each)
            lines.append(f"| {count}, {kind} | {middle:.4g} | {statistics.median(ratios):.2f}{spread} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trainings", type=int, default=8, help="for each number of workers; 0: none")
    parser.add_argument("--texts", type=int, default=200, help="as well")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the figures go, as JSON")
    options = parser.parse_args(arguments)
    machine = report.machine(Path(sys.executable))
    with tempfile.TemporaryDirectory(prefix="galvanic-scaling-") as work, redis_server(Path(work)) as url:
        measured = measure(Bench(Path(work), url), options.rounds, options.trainings, options.texts)
    machine["load"] = [round(load, 1) for load in os.getloadavg()]
    if options.out is not None:
        options.out.write_text(json.dumps({"machine": machine, "a_minute": measured}, indent=2) + "\n", "utf-8")
    print(table(measured, machine))
    return 0


if __name__ == "__main__":
    sys.exit(main())
