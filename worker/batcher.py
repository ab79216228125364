"""Requests that come while others are being served wait, and are then served together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Request = TypeVar("Request")
Result = TypeVar("Result")
MOST_TOGETHER = 64


@dataclass
class _Waiting(Generic[Request, Result]):
    request: Request
    result: Result | None = None
    error: BaseException | None = None
    over: bool = False


class Batcher(Generic[Request, Result]):
    """Gathers the requests of many threads into few passes.

    Whoever finds nobody at work does the work for all who wait. A lone request is served at once.

    Args:
        serve: does one pass: a result, or an error to be raised where the request came from, for each request.
        most: requests in a pass.
    """

    def __init__(
        self, serve: Callable[[Sequence[Request]], Sequence[Result | BaseException]], most: int = MOST_TOGETHER
    ) -> None:
        self._serve = serve
        self._most = most
        self._waiting: list[_Waiting[Request, Result]] = []
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def submit(self, request: Request) -> Result:
        """Wait for the result of a request.

        Raises:
            BaseException: what `serve` raised for this request or gave in place of its result.
        """
        mine: _Waiting[Request, Result] = _Waiting(request)
        with self._lock:
            self._waiting.append(mine)
        with self._turn:
            while not mine.over:
                with self._lock:
                    together, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                self._pass(together)
        if mine.error is not None:
            raise mine.error
        return mine.result  # type: ignore[return-value]  # None only where that is the result

    def _pass(self, together: list[_Waiting[Request, Result]]) -> None:
        try:
            results = self._serve([one.request for one in together])
        except BaseException as error:
            if len(together) > 1:  # one of them may have broken it: each gets its own chance
                for one in together:
                    self._pass([one])
                return
            results = [error]
        for one, result in zip(together, results, strict=True):
            if isinstance(result, BaseException):
                one.error = result
            else:
                one.result = result
            one.over = True
