"""Measure the memory of the processes and of Redis."""

import psutil
import redis

from shared import keys
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE
from shared.queues import lists_of

Sizes = dict[str, dict[str, float]]
"""Megabytes by process: resident, and of these its own alone."""


def sizes(pids: dict[str, int]) -> Sizes:
    """Measure the processes, and the train worker's child, which is a new one for each training."""
    measured: Sizes = {}
    for name, pid in pids.items():
        process = psutil.Process(pid)
        measured[name] = _size(process)
        if name == TRAIN_QUEUE:
            measured["train's child"] = _sum(process.children(recursive=True))
    return measured


def largest(before: Sizes, current: Sizes) -> Sizes:
    """Return the larger of each two sizes."""
    return {
        name: {kind: max(size, before.get(name, {}).get(kind, 0.0)) for kind, size in kinds.items()}
        for name, kinds in current.items()
    }


def _size(process: psutil.Process) -> dict[str, float]:
    info = process.memory_full_info()
    return {"rss": info.rss / 1e6, "uss": info.uss / 1e6}


def _sum(processes: list[psutil.Process]) -> dict[str, float]:
    total = {"rss": 0.0, "uss": 0.0}
    for process in processes:
        try:
            for kind, size in _size(process).items():
                total[kind] += size
        except psutil.NoSuchProcess:
            continue
    return total


def store(client: redis.Redis) -> dict[str, float]:
    """Return the megabytes and the number of keys of Redis."""
    return {"used_mb": client.info("memory")["used_memory"] / 1e6, "keys": float(client.dbsize())}


def left(client: redis.Redis) -> dict[str, int]:
    """Count what runs or waits in Redis; all are 0 once all is over."""
    with client.pipeline(transaction=True) as pipe:
        pipe.hlen(keys.ACTIVE)
        pipe.scard(keys.OUTBOX)
        pipe.hlen("unacked")
        pipe.zcard("unacked_index")
        queues = (*lists_of(TRAIN_QUEUE), *lists_of(GENERATE_QUEUE))
        for name in queues:
            pipe.llen(name)
        names = ("active", "undelivered", "unacked", "index", *queues)
        return dict(zip(names, pipe.execute(), strict=True))
