"""What the processes and Redis hold, before, at the worst and after."""

from __future__ import annotations

import psutil
import redis

from shared import keys
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE

Sizes = dict[str, dict[str, float]]
"""By process: megabytes resident, and of these its own alone."""


def sizes(pids: dict[str, int]) -> Sizes:
    """What the processes hold; of a train worker also what its child holds, which is a fresh one for each training."""
    found: Sizes = {}
    for name, pid in pids.items():
        process = psutil.Process(pid)
        found[name] = _size(process)
        if name == TRAIN_QUEUE:
            found["train's child"] = _sum(process.children(recursive=True))
    return found


def largest(before: Sizes, now: Sizes) -> Sizes:
    """The larger of each."""
    return {
        name: {kind: max(size, before.get(name, {}).get(kind, 0.0)) for kind, size in kinds.items()}
        for name, kinds in now.items()
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
    """Redis' own megabytes, and how many keys it has."""
    return {"used_mb": client.info("memory")["used_memory"] / 1e6, "keys": float(client.dbsize())}


def left(client: redis.Redis) -> dict[str, int]:
    """What is under way or waits in Redis; nothing once all is over."""
    with client.pipeline(transaction=True) as pipe:
        pipe.hlen(keys.ACTIVE)
        pipe.scard(keys.OUTBOX)
        pipe.llen(TRAIN_QUEUE)
        pipe.llen(GENERATE_QUEUE)
        pipe.hlen("unacked")
        pipe.zcard("unacked_index")
        names = ("active", "undelivered", "train queue", "generate queue", "unacked", "index")
        return dict(zip(names, pipe.execute(), strict=True))
