"""Stand in for train workers: send the real events of trainings that nobody does.

One machine cannot train twenty models at once, but a bot with several workers has twenty live cards.
"""

from __future__ import annotations

import itertools
import random
import threading
from types import TracebackType
from typing import cast

import redis

from shared import keys, lifecycle
from shared.events import Cancelled, Event, Progress, Sample, Started
from shared.jobs import TRAIN_QUEUE
from shared.settings import Settings
from worker.events import JobEvents, run_script
from worker.threads import Heartbeat

WORKER = "benchmark"
EPOCHS, STEPS_A_SECOND, SECONDS_AN_EPOCH = 40, 25, 10
SAMPLE_CHARS = 280


class StandIn:
    """A thread that reports progress of each training every second within the block; after it, they are cancelled.

    Args:
        settings: those of the product.
        client: a connection to its Redis.
        job_ids: the trainings.
        text: the text that samples are cut from.

    Attributes:
        told: number of events so far.
    """

    def __init__(self, settings: Settings, client: redis.Redis, job_ids: list[str], text: str) -> None:
        self._heartbeat = Heartbeat(settings, TRAIN_QUEUE, WORKER)
        self._client = client
        self._logs = [JobEvents(client, job_id) for job_id in job_ids]
        self._text = text
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="stand-in", daemon=True)
        self.told = 0

    def __enter__(self) -> StandIn:
        self._heartbeat.__enter__()
        for log in self._logs:
            nonce = cast(bytes, self._client.hget(keys.job(log.job_id), "nonce"))
            log.begin(1, nonce.decode(), worker=WORKER, training=True)
            log.publish(Started(worker=WORKER))
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopping.set()
        self._thread.join()
        for log in self._logs:
            log.publish(Cancelled())
        self._heartbeat.__exit__()

    def _tell(self) -> None:
        # One job after the other, spread over the second: real workers know nothing of each other.
        for second in itertools.count(1):
            for log in self._logs:
                if self._stopping.wait(1 / len(self._logs)):
                    return
                run_script(self._client, lifecycle.renew(log.job_id, log.holder))
                for event in self._news(second):
                    log.publish(event)
                    self.told += 1

    def _news(self, second: int) -> list[Event]:
        epoch, passed = divmod(second, SECONDS_AN_EPOCH)
        loss = 1.2 + 2.0 / (1 + second / 10)
        news: list[Event] = [
            Progress(
                done=second / (EPOCHS * SECONDS_AN_EPOCH),
                epoch=epoch + 1,
                epochs=EPOCHS,
                step=STEPS_A_SECOND * passed,
                steps=STEPS_A_SECOND * SECONDS_AN_EPOCH,
                train_loss=loss,
                heldout_loss=loss + 0.1 if epoch else None,
                eta_s=float(EPOCHS * SECONDS_AN_EPOCH - second),
                chars_per_s=random.uniform(20_000, 25_000),
            )
        ]
        if not passed:
            start = random.randrange(len(self._text) - SAMPLE_CHARS)
            sample = self._text[start : start + SAMPLE_CHARS]
            news.append(Sample(epoch=epoch, text=sample, train_loss=loss, heldout_loss=loss + 0.1))
        return news
