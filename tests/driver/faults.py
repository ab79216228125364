"""Failures of Discord's REST interface on demand, for tests of what a bot makes of them."""

import re
from dataclasses import dataclass
from typing import Any

OK = 200
"""HTTP status of a request that only takes its time."""


@dataclass
class Fault:
    """What is to go wrong with the next requests of a kind.

    Attributes:
        method: of the requests.
        path: a regular expression that their whole path matches.
        status: of the answer; 0: the connection closes without one; 200: nothing goes wrong but the time it takes.
        code: Discord's own number for the error.
        times: how many requests it befalls.
        late: the request is carried out all the same; only its answer is lost.
        wait_s: how long the answer takes.
        retry_after: seconds that a 429 asks the bot to wait; None: it does not say.
        everywhere: the 429 is about all requests of the bot.
        guard: the answer is not Discord's own, but of what stands before it.
    """

    method: str
    path: str
    status: int
    code: int = 0
    times: int = 1
    late: bool = False
    wait_s: float = 0.0
    retry_after: float | None = None
    everywhere: bool = False
    guard: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer: by `Via` discord.py tells Discord's own 429, which it waits out, from a ban."""
        asked = {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:g}"}
        return asked if self.guard or self.retry_after is None else {"Via": "1.1 playground", **asked}

    @property
    def body(self) -> dict[str, Any]:
        """Of the answer."""
        told = {"message": "A fault", "code": self.code}
        if self.retry_after is None or self.guard:
            return told
        return {**told, "retry_after": self.retry_after, "global": self.everywhere}


class Faults:
    """The faults that are yet to happen."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Let something go wrong; the fault counts down its `times`."""
        self._waiting.append(fault)
        return fault

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self._waiting.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """What goes wrong with this request, None for nothing."""
        for fault in self._waiting:
            if fault.times > 0 and fault.method == method and re.fullmatch(fault.path, path):
                fault.times -= 1
                return fault
        return None
