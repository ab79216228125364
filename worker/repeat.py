"""A thread that does something again and again."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable

import redis
import structlog

from worker.remote import StoreAway

_ENDS_WITHIN_S = 5.0

log = structlog.get_logger()


class Repeating:
    """Calls `step` at once and every `every_s` seconds; use as a context manager.

    `trouble` names what is logged, once, while a step fails, which is waited out. The thread logs in the context of
    whoever made this.
    """

    def __init__(self, step: Callable[[], None], every_s: float, trouble: str) -> None:
        self._step = step
        self._every_s = every_s
        self._trouble = trouble
        self._ended = threading.Event()
        run = contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(self._run,), name=trouble, daemon=True)

    def _run(self) -> None:
        works = True
        while not self._ended.is_set():
            try:
                self._step()
                works = True
            except Exception as error:
                if works:
                    away = isinstance(error, redis.RedisError | StoreAway)
                    log.log(logging.WARNING if away else logging.ERROR, self._trouble, error=type(error).__name__)
                works = False
            self._ended.wait(self._every_s)

    def __enter__(self) -> Repeating:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(_ENDS_WITHIN_S)
