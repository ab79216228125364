"""A long time of ordinary use while things go wrong: `python -m tests.faults.soak [--minutes 20] [--seed 1]`.

People ask for trainings and texts and cancel some; meanwhile a script drawn from the seed kills parts, takes Redis away
and lets Discord fail. In the end every request must be accounted for, exactly once. Ends with 0 if all are.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from galvanic.errors import UserError
from tests.e2e.acts import lasting, training_of
from tests.e2e.system import System, started
from tests.faults import harm
from tests.faults.conftest import left_in_the_end
from tests.faults.ledger import Asked, account

PEOPLE = ("ada", "ben", "dora")
CHANNELS = ("lab", "library")
ASK_EVERY_S = (1.0, 6.0)
HURT_EVERY_S = (10.0, 35.0)
SETTLES_WITHIN_S = 600.0
_TRAININGS = 0.12
_CANCELS = 0.05
_OPTIONS = ("--layers 1 --units 32 --epochs 1 --batch 8", lasting(0.15), lasting(0.4))


def main(arguments: list[str] | None = None) -> int:
    """Run, and print the ledger as the last line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="galvanic-soak-") as folder:
        running = started(Path(folder), CHECKPOINT_EVERY_S="5", TRAIN_JOBS_PER_USER="3", TRAIN_JOBS_PER_SERVER="20")
        system = next(running)
        try:
            return _run(system, options.minutes, options.seed)
        finally:
            next(running, None)


def _run(system: System, minutes: float, seed: int) -> int:
    system.add_model("poet")
    system.add_model("bard", channel_id=int(system.client.world().channels["library"]))
    people, chaos = People(system, seed), Chaos(system, seed)
    ends = time.monotonic() + 60 * minutes
    people.start()
    while time.monotonic() < ends:
        chaos.hurt()
    chaos.heal()
    people.stop()
    print(f"settling; {len(people.asked)} requests, {sum(chaos.done.values())} faults", file=sys.stderr, flush=True)
    left = left_in_the_end(system, SETTLES_WITHIN_S)
    ledger = account(system, people.asked)
    for fault, times in sorted(chaos.done.items()):
        print(f"{times:4d} x {fault}")
    for remark in ledger.remarks:
        print(remark)
    for what, found in left.items():
        print(f"left over: {what}: {found}")
    if left or ledger.lost or ledger.doubled:
        print(system.logs())
    print(f"seed={seed} minutes={minutes:g} faults={sum(chaos.done.values())} unheard={ledger.unheard}")
    print(ledger.line)
    return 0 if not left and not ledger.lost and not ledger.doubled else 1


class People(threading.Thread):
    """Who asks for something every few seconds, whatever is broken.

    Attributes:
        asked: all of it.
    """

    def __init__(self, system: System, seed: int) -> None:
        super().__init__(name="people", daemon=True)
        self._system = system
        self._random = random.Random(seed)
        self._stopping = threading.Event()
        self.asked: list[Asked] = []

    def run(self) -> None:
        """Ask until told to stop."""
        while not self._stopping.wait(self._random.uniform(*ASK_EVERY_S)):
            chance = self._random.random()
            where = {"person": self._random.choice(PEOPLE), "channel": self._random.choice(CHANNELS)}
            try:
                self._ask(chance, where)
            except (UserError, OSError) as error:  # the playground itself is never hurt
                print(f"not asked: {error}", file=sys.stderr)

    def stop(self) -> None:
        """Stop asking."""
        self._stopping.set()
        self.join()

    def _ask(self, chance: float, where: dict[str, Any]) -> None:
        client = self._system.client
        online = client.world().bot_online
        if chance < _CANCELS:
            cards = [one for one in client.messages(**where) if _runs(one)]
            if cards:
                client.send(f"!cancel {training_of(self._random.choice(cards))}", **where)
            return
        if chance < _CANCELS + _TRAININGS:
            sent = client.send(f"!train harbour {self._random.choice(_OPTIONS)}", **where)
            self.asked.append(Asked("train", sent["id"], where["channel"], online))
            return
        length = self._random.choice((20, 100, 400))
        sent = client.send(f"!generate the fog --length {length}", **where)
        self.asked.append(Asked("generate", sent["id"], where["channel"], online))


def _runs(message: dict[str, object]) -> bool:
    embeds = message["embeds"]
    return bool(embeds) and str(embeds[0].get("title", "")).startswith("Learning")  # type: ignore[index]


class Chaos:
    """What goes wrong, one thing after the other.

    Attributes:
        done: what, and how often.
    """

    def __init__(self, system: System, seed: int) -> None:
        self._system = system
        self._random = random.Random(seed + 1)
        self.done: dict[str, int] = {}
        self._faults: dict[str, Callable[[], object]] = {
            "kill -9 of the bot": lambda: harm.kill(harm.bot(system)),
            "kill -9 of the train child": lambda: harm.kill(harm.child(system)),
            "kill -9 of the train worker": lambda: harm.kill_worker(system, "train"),
            "kill -9 of the generate worker": lambda: harm.kill_worker(system, "generate"),
            "kill -9 of Redis": lambda: harm.kill(harm.redis_server(system)),
            "Redis away for some seconds": self._without_redis,
            "Redis hangs for some seconds": lambda: self._freeze(harm.redis_server(system)),
            "the train worker stands still": lambda: self._freeze(harm.worker(system, "train"), harm.child(system)),
            "the bot stands still": lambda: self._freeze(harm.bot(system)),
            "SIGTERM to the train worker": lambda: harm.worker(system, "train").terminate(),
            "Discord's gateway is dropped": lambda: system.client.drop_gateway(self._random.uniform(0, 10)),
            "Discord answers 500": lambda: self._discord(500),
            "Discord answers 500, and did it": lambda: self._discord(500, late=True),
            "Discord answers 429": lambda: self._discord(429, retry_after=2.0),
            "Discord cuts connections": lambda: self._discord(0),
        }

    def hurt(self) -> None:
        """Let something go wrong after some seconds."""
        time.sleep(self._random.uniform(*HURT_EVERY_S))
        name = self._random.choice(sorted(self._faults))
        print(f"{time.strftime('%H:%M:%S')} {name}", file=sys.stderr, flush=True)
        self._faults[name]()
        self.done[name] = self.done.get(name, 0) + 1

    def heal(self) -> None:
        """Let nothing go wrong any more."""
        self._system.client.clear_faults()

    def _without_redis(self) -> None:
        with harm.without_redis(self._system):
            time.sleep(self._random.uniform(2, 25))

    def _freeze(self, *processes: psutil.Process) -> None:
        with harm.frozen(*processes):
            time.sleep(self._random.uniform(2, 25))

    def _discord(self, status: int, **fields: object) -> None:
        method, path = self._random.choice(
            (("POST", r".*/channels/\d+/messages"), ("PATCH", r".*/channels/\d+/messages/\d+"))
        )
        self._system.client.add_fault(method, path, status, times=self._random.randrange(1, 12), **fields)


if __name__ == "__main__":
    sys.exit(main())
