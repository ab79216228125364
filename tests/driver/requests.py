"""The last requests of the bot, for tests that ask what it really sent. Tokens and files are left out."""

from __future__ import annotations

import itertools
import json
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any

KEPT = 500
_TOKEN = re.compile(r"(/(?:interactions|webhooks)/\d+/)[^/]+")


@dataclass
class Sent:
    """One request; its body stays as it came until somebody asks for it."""

    number: int
    method: str
    path: str
    raw: str | bytes
    files: list[str] = field(default_factory=list)
    status: int = 0

    def to_json(self) -> dict[str, Any]:
        """For the control API."""
        body = json.loads(self.raw) if self.raw else None
        path = _TOKEN.sub(r"\1{token}", self.path)
        return {
            "number": self.number,
            "method": self.method,
            "path": path,
            "body": body,
            "files": self.files,
            "status": self.status,
        }


class RequestLog:
    """Remembers the last requests."""

    def __init__(self) -> None:
        self._sent: deque[Sent] = deque(maxlen=KEPT)
        self._numbers = itertools.count(1)

    def add(self, method: str, path: str, raw: str | bytes, files: list[str]) -> Sent:
        """Take down a request; its status is set once it is answered."""
        sent = Sent(next(self._numbers), method, path, raw, files)
        self._sent.append(sent)
        return sent

    def after(self, number: int) -> list[dict[str, Any]]:
        """The requests after a number, oldest first."""
        return [sent.to_json() for sent in self._sent if sent.number > number]
