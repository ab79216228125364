"""The people of the playground: they ask and see the answers, over the sockets of its page."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import defaultdict, deque
from collections.abc import Callable
from types import TracebackType
from typing import Any

import aiohttp

from benchmarks.load.ledger import Request, Seen
from benchmarks.load.plan import PEOPLE, Ask
from benchmarks.news import News
from tests.driver.client import signed_in

_PRESSABLE = 40
"""Last texts of a channel whose buttons may be pressed."""


class NotTaken(RuntimeError):
    """The playground refused a person's action."""


class Crowd:
    """All people, in a channel of each server.

    Args:
        address: that of the playground, as it prints it.
        channels: ids of the channels, by number of the server.
        seed: random seed for the buttons that are pressed.
    """

    def __init__(self, address: str, channels: list[str], seed: int) -> None:
        self._url, self._headers = signed_in(address)
        self._channels = channels
        self._random = random.Random(seed)
        self._messages: dict[str, Seen] = {}
        self._texts: defaultdict[str, deque[str]] = defaultdict(lambda: deque(maxlen=_PRESSABLE))
        self._requests: dict[str, Request] = {}
        self._early: defaultdict[str, list[Seen]] = defaultdict(list)
        self._readers: list[asyncio.Task[None]] = []
        self._news = News()

    async def __aenter__(self) -> Crowd:
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(headers=self._headers, connector=connector)
        for person in PEOPLE:
            socket = await self._session.ws_connect(f"{self._url}/control/live?as={person}", max_msg_size=0)
            self._readers.append(asyncio.create_task(self._read(socket, person)))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        await self._session.close()

    async def wait(self, until: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until a condition on the bot's messages is true; return whether that was in time."""
        return await self._news.wait(until, timeout_s)

    def watch_over(self) -> None:
        """Check that all pages are still open. Raises the error that ended one, or NotTaken."""
        for reader in self._readers:
            if reader.done():
                reader.result()
                raise NotTaken("the playground closed a page")

    async def ask(self, ask: Ask, words: str) -> Request:
        """Make a request; `words` follow the command's name.

        Raises:
            NotTaken: the playground refused it.
        """
        place = {"as": ask.person, "channel": self._channels[ask.server]}
        texts = self._texts[self._channels[ask.server]]
        if ask.how == "button" and texts:
            of = self._random.choice(texts)
            message = self._messages[of]
            again = next(press for press in message.presses if ":again:" in press)
            pressed = self._random.choice([again, *(press for press in message.presses if ":continue:" in press)])
            press = {**place, "message_id": of, "custom_id": pressed}
            return self._asked(ask, await self._post("click", press))
        if ask.how == "slash":
            call = {**place, "command": "generate", "options": {"seed": words}}
            return self._asked(ask, await self._post("slash", call))
        command = "train" if ask.how == "train" else "generate"
        return self._asked(ask, await self._post("messages", {**place, "content": f"!{command} {words}"}))

    async def _post(self, what: str, body: dict[str, Any]) -> str:
        async with self._session.post(f"{self._url}/control/{what}", json=body) as response:
            answer = await response.json()
            if response.status != 200:
                raise NotTaken(f"{what}: {answer}")
        return str(answer.get("interaction_id") or answer["id"])

    def _asked(self, ask: Ask, request_id: str) -> Request:
        request = self._requests[request_id] = Request(request_id, ask.server, ask.person)
        request.answers += self._early.pop(request_id, [])
        return request

    async def _read(self, socket: aiohttp.ClientWebSocketResponse, person: str) -> None:
        async for frame in socket:
            data = json.loads(frame.data)
            if data["type"] == "gone":
                if data["id"] in self._messages:
                    self._messages[data["id"]].gone = time.time()
            elif data["type"] == "message" and data["message"]["author"]["bot"]:
                # A message that all people see counts once: for the first of them.
                mine = person == PEOPLE[0] or data["message"]["ephemeral"]
                if mine:
                    self._take(data["message"])
            self._news.tell()

    def _take(self, message: dict[str, Any]) -> None:
        fresh = message["id"] not in self._messages
        seen = self._messages.setdefault(message["id"], Seen())
        before, was_text = seen.request_id, seen.text
        seen.show(message)
        if not seen.request_id and seen.person:
            seen.request_id = before or self._unanswered(seen)
        if seen.text and not was_text and any(":again:" in press for press in seen.presses):
            self._texts[seen.channel_id].append(message["id"])
        if not fresh and seen.request_id == before:
            return
        if before and not fresh:
            self._of(before).remove(seen)
        self._of(seen.request_id).append(seen)

    def _unanswered(self, seen: Seen) -> str:
        """Return the id of a person's oldest request without an answer in a channel, which an answer "for" them is
        to."""
        return next(
            (
                request.id
                for request in self._requests.values()
                if request.person == seen.person
                and self._channels[request.server] == seen.channel_id
                and request.state == "pending"
            ),
            "",
        )

    def _of(self, request_id: str) -> list[Seen]:
        request = self._requests.get(request_id)
        return request.answers if request is not None else self._early[request_id]
