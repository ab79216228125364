"""Writes in the local Discord and sees the answers, over the sockets that its page uses."""

from __future__ import annotations

import asyncio
import json
import math
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any

import aiohttp

from benchmarks.load.ledger import asked_at
from benchmarks.news import News
from tests.driver.client import signed_in

_RED = 0xDA373C
"""The colour of the bot's refusals."""


@dataclass(frozen=True)
class Sent:
    """A person's message: its id, and when the playground stored it, seconds since the epoch."""

    message_id: str
    at: float


@dataclass
class Shown:
    """A message of the bot's.

    Attributes:
        states: for its first version and each edit: the time at which the playground stored it, and the number of its
            characters.
        text: its last version, as HTML.
        refused: whether that is a refusal.
    """

    states: list[tuple[float, int]] = field(default_factory=list)
    text: str = ""
    refused: bool = False

    @property
    def edits(self) -> list[float]:
        """Return the times of its edits."""
        return [at for at, _ in self.states[1:]]

    @property
    def written_at(self) -> float:
        """Return the time at which it first had a text; infinite if it never had one."""
        return next((at for at, chars in self.states if chars), math.inf)


class Channels:
    """All channels, as one person sees them; all times are of the playground's clock.

    Args:
        address: of the playground, as it prints it.
    """

    def __init__(self, address: str) -> None:
        self._url, self._headers = signed_in(address)
        self._news = News()
        self.shown: dict[str, Shown] = {}
        self._replies: defaultdict[str, list[Shown]] = defaultdict(list)

    async def __aenter__(self) -> Channels:
        # Each request goes over a connection that is there already, as a browser's does.
        self._session = aiohttp.ClientSession(headers=self._headers)
        self._socket = await self._session.ws_connect(f"{self._url}/control/live?as=ada", max_msg_size=0)
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._reader.cancel()
        await self._socket.close()
        await self._session.close()

    async def write(self, content: str, channel: str, person: str) -> Sent:
        """Write a message as a person."""
        body = {"as": person, "channel": channel, "content": content}
        async with self._session.post(f"{self._url}/control/messages", json=body) as response:
            message = await response.json()
            if response.status != 200:
                raise RuntimeError(f"the playground did not take the message: {message}")
        return Sent(message["id"], asked_at(message["id"]))

    async def wait(self, until: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until a condition on the bot's messages is true; return whether that was in time."""
        return await self._news.wait(until, timeout_s)

    def replies(self, sent: Sent) -> list[Shown]:
        """Return the bot's replies to a message."""
        return self._replies[sent.message_id]

    def answered(self, sent: Sent) -> bool:
        """Return whether a reply to a message holds a text, however long: it ends with a sentence."""
        return any(reply.text and not reply.refused for reply in self.replies(sent))

    async def _read(self) -> None:
        async for frame in self._socket:
            data = json.loads(frame.data)
            if data["type"] == "message":
                self._take(data["message"])
                self._news.tell()

    def _take(self, message: dict[str, Any]) -> None:
        if not message["author"]["bot"]:
            return
        shown = self.shown.get(message["id"])
        if shown is None:
            shown = self.shown[message["id"]] = Shown()
            self._replies[(message["reply"] or {}).get("id") or ""].append(shown)
        shown.text = "\n".join([message["html"], *(embed["html"] for embed in message["embeds"])]).strip()
        shown.refused = any(embed.get("color") == _RED for embed in message["embeds"])
        at = _seconds(message["edited"] or message["timestamp"])
        if not shown.states or at > shown.states[-1][0]:  # a reaction changes it too
            shown.states.append((at, len(shown.text)))


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
