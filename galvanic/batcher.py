"""Gathers the requests of many threads into few passes of a model."""

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

MOST_TOGETHER = 16
"""Requests in a pass: as many as are written side by side (`galvanic.streams.Streams.together`). Others wait for the
next pass, while those of this one are answered."""

Request = TypeVar("Request")
Result = TypeVar("Result")


class Batcher(Generic[Request, Result]):
    """Gathers the requests of many threads into few passes; a lone request is served at once.

    `serve` does one pass: for each request a result, or an error to raise where that came from. `at_once`: passes side
    by side.
    """

    def __init__(
        self, serve: Callable[[Sequence[Request]], Sequence[Result | BaseException]], at_once: int = 1
    ) -> None:
        self._serve = serve
        self._waiting: SimpleQueue[tuple[Request, Future[Result]]] = SimpleQueue()
        self._passes = ThreadPoolExecutor(at_once, "pass")

    def submit(self, requests: Sequence[Request]) -> list[Future[Result]]:
        """They are served in one pass if it has room. Each call brings the passes that its requests fill."""
        waiting: list[tuple[Request, Future[Result]]] = [(asked, Future()) for asked in requests]
        for request in waiting:
            self._waiting.put(request)
        for _ in range(0, len(waiting), MOST_TOGETHER):
            self._passes.submit(self._pass)
        return [future for _, future in waiting]

    def _pass(self) -> None:
        together: list[tuple[Request, Future[Result]]] = []
        with contextlib.suppress(Empty):
            while len(together) < MOST_TOGETHER:
                together.append(self._waiting.get_nowait())
        if together:
            self._answer(together)

    def _answer(self, together: Sequence[tuple[Request, Future[Result]]]) -> None:
        try:
            results = self._serve([request for request, _ in together])
        except BaseException as error:
            if len(together) > 1:  # one of them may have broken it: each gets its own chance
                for request in together:
                    self._answer([request])
                return
            results = [error]
        for (_, future), result in zip(together, results, strict=True):
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)
