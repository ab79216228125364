"""Requests that come while others are being served wait, and are then served together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Request = TypeVar("Request")
Result = TypeVar("Result")
MOST_TOGETHER = 16
"""As many as one batch of the writing loop has (`galvanic.streams.BUCKETS`): what is more waits for the next pass,
and those of this one are answered meanwhile."""


@dataclass
class _Waiting(Generic[Request, Result]):
    request: Request
    result: Result | None = None
    error: BaseException | None = None
    over: bool = False


class Batcher(Generic[Request, Result]):
    """Gathers the requests of many threads into few passes.

    Whoever finds a place free does the work for all who wait. A lone request is served at once.

    Args:
        serve: does one pass: a result, or an error to be raised where the request came from, for each request.
        most: requests in a pass.
        at_once: passes that may run side by side.
    """

    def __init__(
        self,
        serve: Callable[[Sequence[Request]], Sequence[Result | BaseException]],
        most: int = MOST_TOGETHER,
        at_once: int = 1,
    ) -> None:
        self._serve = serve
        self._most = most
        self._free = at_once
        self._waiting: list[_Waiting[Request, Result]] = []
        self._changed = threading.Condition()

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
        with self._changed:
            self._waiting.extend(mine)
        while together := self._next(mine):
            try:
                self._pass(together)
            finally:
                with self._changed:
                    self._free += 1
                    self._changed.notify_all()
        # A result is None only where `serve` gave that.
        return [one.result if one.error is None else one.error for one in mine]  # type: ignore[misc]

    def _next(self, mine: list[_Waiting[Request, Result]]) -> list[_Waiting[Request, Result]]:
        """The requests of a pass that is this thread's to do; none once its own are over."""
        with self._changed:
            self._changed.wait_for(lambda: all(one.over for one in mine) or (self._free and self._waiting))
            if all(one.over for one in mine):
                return []
            together, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            self._free -= 1
            return together

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
