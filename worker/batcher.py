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
        (outcome,) = self.submit_all([request])
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def submit_all(self, requests: Sequence[Request]) -> list[Result | BaseException]:
        """Wait for the results of several requests, which are served in the same pass if it has room.

        Returns:
            For each its result, or what `serve` raised for it or gave in place of its result.
        """
        mine: list[_Waiting[Request, Result]] = [_Waiting(request) for request in requests]
        with self._lock:
            self._waiting.extend(mine)
        with self._turn:
            while not all(one.over for one in mine):
                with self._lock:
                    together, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                self._pass(together)
        # A result is None only where `serve` gave that.
        return [one.result if one.error is None else one.error for one in mine]  # type: ignore[misc]

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
