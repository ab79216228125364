"""What a training tells while it runs, and waiting for the moment at which something is to go wrong."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import psutil
import redis

from shared import keys
from shared.events import TERMINAL, Event, Progress, Started, parse_event
from tests.driver.client import Message, text_of
from tests.e2e.acts import lasting, training_of
from tests.e2e.system import TRAIN_S, System
from tests.faults import harm
from tests.processes import wait_until

CHECKPOINT_S = 2
"""Between two checkpoints of the trainings in these tests."""
LEAST_MINUTES = 0.3
"""How long a training takes in which something goes wrong at once."""
_POLL_S = 0.05


@dataclass(frozen=True)
class Told:
    """An event, with the number of the attempt that told it and when it was heard (`time.monotonic`)."""

    at: float
    attempt: int
    event: Event


class Training:
    """One training, from its command to its end, and all that is told of it; use as a context manager.

    Args:
        system: that runs.
        name: of the model, and so also of this training.
        options: of the command, beside the name; None: it is `lasting`.
    """

    def __init__(self, system: System, name: str, options: str | None = None) -> None:
        self.system = system
        self.name = name
        self._options = lasting(LEAST_MINUTES) if options is None else options
        self.told: list[Told] = []
        self.card: Message = {}
        self.job_id = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Training:
        self.card = self.system.ask(f"!train harbour --name {self.name} {self._options}")
        assert "training t-" in text_of(self.card), text_of(self.card)
        self.job_id = training_of(self.card)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _listen(self) -> None:
        client, after = self.system.redis, "-"
        while not self._over.wait(_POLL_S):
            try:
                entries = cast(list[tuple[bytes, Any]], client.xrange(keys.job_events(self.job_id), after))
            except (redis.RedisError, OSError):
                continue
            for entry, fields in entries:
                after = f"({entry.decode()}"
                attempt = int(entry.decode().partition("-")[0])
                self.told.append(Told(time.monotonic(), attempt, parse_event(fields[b"event"])))

    # ------------------------------------------------------------------ what it has told

    def events(self, kind: type[Event] | Any = None) -> list[Any]:
        """The events of a kind, or all, in the order in which they were heard."""
        return [one.event for one in list(self.told) if kind is None or isinstance(one.event, kind)]

    @property
    def ends(self) -> list[Event]:
        """Its last events: there must be one."""
        return [one.event for one in list(self.told) if one.event.kind in TERMINAL]

    def attempts(self) -> list[Started]:
        """The beginnings of all attempts."""
        return self.events(Started)

    def lost_s(self) -> float:
        """Seconds of training that were done twice: from the last progress before the newest attempt to its first."""
        told = [(one.at, one.attempt, one.event) for one in list(self.told) if isinstance(one.event, Progress)]
        newest = max(attempt for _, attempt, _ in told)
        before = [(at, _position(event)) for at, attempt, event in told if attempt < newest]
        first = next(_position(event) for _, attempt, event in told if attempt == newest)
        learning = [one for one in before if one[1] > 0]  # the first step is compiled, which takes seconds
        begun, ended = learning[0], learning[-1]
        speed = (ended[1] - begun[1]) / max(ended[0] - begun[0], 1e-9)
        return max(0.0, (ended[1] - first) / max(speed, 1e-9))

    # ------------------------------------------------------------------ moments

    def until(self, what: str, predicate: Callable[[], Any], timeout: float = 120) -> Any:
        """Wait for something."""
        return self.system.client.wait_for(predicate, timeout, what)

    def is_read(self) -> None:
        """Its worker reads the text: the attempt has begun, and nothing is learned yet."""
        self.until("the worker to read", self.attempts)

    def trains(self) -> None:
        """It learns, and there is a checkpoint."""
        self.until("the training to run", lambda: any(one.train_loss is not None for one in self.events(Progress)))
        self.until("a checkpoint", lambda: list(self.files.glob("*/checkpoint.safetensors")))
        time.sleep(1.0)  # so that there is something to lose

    def is_saved(self, child: psutil.Process) -> bool:
        """Wait until its model is being written, and freeze the child there; False: it was too quick, and told its end.

        A busy machine may let this process wait while that moment passes.
        """
        # The moment is over in milliseconds, so there is no pause between two looks.
        wait_until(lambda: self.ends or list(self.files.glob("*/model.safetensors")), 120, look_every_s=0)
        if not self.ends:
            child.suspend()
            time.sleep(2 * _POLL_S)
        if self.ends:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.resume()
            return False
        return True

    @contextmanager
    def posting(self) -> Iterator[None]:
        """In it the end is there, and the bot stands still; afterwards it goes on, and posts the end."""
        self.trains()
        with harm.frozen(harm.bot(self.system)):
            self.until("the end", lambda: self.ends)
            yield

    def next_attempt(self, after: int, timeout: float = 120) -> Told:
        """The beginning of an attempt with a higher number."""

        def begun() -> Told | None:
            return next((t for t in list(self.told) if t.attempt > after and isinstance(t.event, Started)), None)

        return cast(Told, self.until("the next attempt", begun, timeout))

    @property
    def attempt(self) -> int:
        """Number of the newest attempt."""
        return max((one.attempt for one in list(self.told)), default=0)

    @property
    def files(self) -> Path:
        """Where its worker keeps its files."""
        return self.system.view / "checkpoints" / self.job_id

    # ------------------------------------------------------------------ the end

    def ended(self, *words: str, timeout: float = TRAIN_S) -> Message:
        """Wait until its card tells the end, and see that there is one card, one end, and no other message."""
        card = self.system.client.wait_for(lambda: self._shows(words), timeout, f"{words} on the card of {self.name}")
        cards = [one for one in self.system.client.messages() if self.job_id in text_of(one)]
        assert [one["id"] for one in cards] == [card["id"]], "one card"
        self.until("the end in the stream", lambda: self.ends, 20)
        assert len(self.ends) == 1, "one end"
        return card

    def learned(self, timeout: float = TRAIN_S) -> Message:
        """As `ended`, with a model."""
        return self.ended(f"`{self.name}` is now this channel's model", timeout=timeout)

    def _shows(self, words: tuple[str, ...]) -> Message | None:
        # It may have been posted anew.
        return next(
            (
                one
                for one in self.system.client.messages()
                if self.job_id in text_of(one) and all(word in text_of(one) for word in words)
            ),
            None,
        )


@contextmanager
def caught_saving(system: System, name: str) -> Iterator[Training]:
    """A training whose worker's child stands still in the midst of saving the model."""
    for attempt in range(5):
        with Training(system, f"{name}-{attempt}") as training:
            training.trains()
            if training.is_saved(harm.child(system)):
                yield training
                return
            training.learned()
    raise AssertionError("the moment was missed five times")


def _position(event: Progress) -> float:
    return (event.epoch - 1) * event.steps + event.step
