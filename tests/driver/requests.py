"""The last requests of the bot, for tests that ask what it really sent. Tokens and files are left out."""

from __future__ import annotations

import itertools
import json
import re
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any

_TOKEN = re.compile(r"(/(?:interactions|webhooks)/\d+/)[^/]+")


@dataclass
class Sent:
    """One request; its body is JSON until somebody asks for it."""

    method: str
    path: str
    body: str
    files: list[str]
    status: int = 0
    number: int = field(default_factory=itertools.count(1).__next__)


class RequestLog:
    def __init__(self) -> None:
        self._sent: deque[Sent] = deque(maxlen=500)

    def add(self, method: str, path: str, body: str, files: list[str]) -> Sent:
        """Take down a request; its status is set once it is answered."""
        self._sent.append(Sent(method, _TOKEN.sub(r"\1{token}", path), body, files))
        return self._sent[-1]

    def after(self, number: int) -> list[dict[str, Any]]:
        """The requests after a number, oldest first."""
        return [asdict(sent) | {"body": json.loads(sent.body)} for sent in self._sent if sent.number > number]
