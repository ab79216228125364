"""Discord's gateway over a real websocket: identify, heartbeats, resuming, and the backend's events.

Payloads, intents and their effects are simcord's; protocol and close codes follow
https://discord.com/developers/docs/events/gateway and .../topics/opcodes-and-status-codes.
"""

from __future__ import annotations

import asyncio
import functools
import json
import secrets
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import discord
import structlog
from aiohttp import WSCloseCode, WSMsgType, web
from simcord import intents as rules
from simcord.backend import serializers
from simcord.backend.access import channel_accessible
from simcord.gateway import FakeGateway

from playground.guard import is_same
from playground.world import World

log = structlog.get_logger()

HEARTBEAT_MS = 41_250
_ACK_DELAY_S = 0.05  # an instant acknowledgement races discord.py's bookkeeping of its latency
_DISPATCH, _HEARTBEAT, _IDENTIFY, _RESUME, _INVALID, _HELLO, _ACK = 0, 1, 2, 6, 9, 10, 11
_CLOSE_BAD_TOKEN, _CLOSE_DECODE, _CLOSE_INTENTS = 4004, 4002, 4014


@asynccontextmanager
async def sender(socket: web.WebSocketResponse) -> AsyncIterator[asyncio.Queue[dict[str, Any]]]:
    """Give a queue of frames, which one task sends in order: events are made synchronously."""

    async def send() -> None:
        while True:
            await socket.send_str(json.dumps(await outbox.get()))

    outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    sending = asyncio.create_task(send())
    try:
        yield outbox
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


class Connection:
    """A bot's connection to the gateway, or its session after the connection is lost."""

    def __init__(self, world: World, socket: web.WebSocketResponse, outbox: asyncio.Queue[dict[str, Any]]) -> None:
        self._world = world
        self.socket = socket
        self._outbox = outbox
        self._sequence = 0
        self.session_id = secrets.token_hex(16)
        self._dispatched: deque[dict[str, Any]] = deque(maxlen=1_000)
        self.intents: discord.Intents | None = None
        """The intents that the bot identified with, or None before that."""

    def send(self, opcode: int, data: Any = None) -> None:
        """Queue a frame that is no event."""
        self._outbox.put_nowait({"op": opcode, "d": data, "s": None, "t": None})

    def dispatch(self, event: str, data: Any) -> None:
        """Queue an event for this connection alone."""
        self._sequence += 1
        self._dispatched.append({"op": _DISPATCH, "d": data, "s": self._sequence, "t": event})
        if not self.socket.closed:  # nobody empties the queue of a lost connection
            self._outbox.put_nowait(self._dispatched[-1])

    def resume(self, lost: Connection, seen: int) -> None:
        """Continue a lost connection, for a bot that has seen events up to number `seen`."""
        self.session_id, self.intents = lost.session_id, lost.intents
        self._sequence, self._dispatched = lost._sequence, lost._dispatched
        for frame in self._dispatched:
            if frame["s"] > seen:
                self._outbox.put_nowait(frame)
        self.dispatch("RESUMED", {})

    def feed(self, event: str, payload: Mapping[str, Any]) -> None:
        """Queue an event as far as the bot's intents let it see it."""
        if self.intents is not None:
            # simcord's gateway gives the event's parser what the bot may see.
            bot = SimpleNamespace(intents=self.intents, parsers={event: functools.partial(self.dispatch, event)})
            FakeGateway(self._world, bot).feed(event, payload)

    def identify(self, intents: discord.Intents, shard: list[int] | None) -> None:
        self.intents = intents
        world = self._world
        self.dispatch(
            "READY",
            {
                "v": 10,
                "user": dict(serializers.user_payload(world.bot_user)),
                "guilds": [{"id": str(guild_id), "unavailable": True} for guild_id in world.guilds],
                "session_id": self.session_id,
                "resume_gateway_url": world.cdn.base_url.replace("http", "ws", 1) + "/gateway",
                "shard": shard or [0, 1],
                "application": {"id": str(world.application_id), "flags": 0},
            },
        )
        for guild in world.guilds.values():
            self.feed("GUILD_CREATE", serializers.guild_create_payload(world, guild))


class Gateway:
    """Discord's gateway: sends events to the bots that are connected."""

    def __init__(self, world: World, token: str) -> None:
        self._world = world
        self._token = token
        self._connections: set[Connection] = set()
        self.lost: Connection | None = None
        """The last connection that was lost. A bot that resumes it gets the events that it missed, 1,000 at most."""
        world.subscribers.append(self._broadcast)

    @property
    def online(self) -> bool:
        return any(connection.intents is not None for connection in self._connections)

    def _broadcast(self, event: str, payload: Mapping[str, Any]) -> None:
        channel_id = int(payload.get("channel_id") or 0)
        # A bot hears nothing from a channel that it may not see, but is asked to act wherever it is called.
        if (
            event != "INTERACTION_CREATE"
            and channel_id in self._world.channels
            and not channel_accessible(self._world, channel_id, self._world.bot_user.id)
        ):
            return
        for connection in [*self._connections, *([self.lost] if self.lost else [])]:
            connection.feed(event, payload)

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=2**20)
        await socket.prepare(request)
        async with sender(socket) as outbox:
            connection = Connection(self._world, socket, outbox)
            self._connections.add(connection)
            connection.send(_HELLO, {"heartbeat_interval": HEARTBEAT_MS})
            try:
                async for frame in socket:
                    if frame.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                        await self._receive(connection, frame.data)
            finally:
                self._connections.discard(connection)
                if connection.intents is not None:
                    self.lost = connection
                    log.info("bot disconnected", close_code=socket.close_code)
                    self._world.state_changed()
        return socket

    async def close(self) -> None:
        """Send every bot away; it comes back by itself once it can."""
        for connection in list(self._connections):
            await connection.socket.close(code=WSCloseCode.GOING_AWAY, message=b"Discord is away")

    async def _receive(self, connection: Connection, raw: str | bytes) -> None:
        try:
            frame = json.loads(raw)
            opcode, data = frame["op"], frame.get("d")
            if opcode == _HEARTBEAT:
                await asyncio.sleep(_ACK_DELAY_S)
                connection.send(_ACK)
            elif opcode == _IDENTIFY:
                await self._identify(connection, data)
            elif opcode == _RESUME:
                self._resume(connection, data)
        except (ValueError, KeyError, TypeError, AttributeError):
            await connection.socket.close(code=_CLOSE_DECODE, message=b"Decode error")

    def _is_bot(self, token: object) -> bool:
        return is_same(str(token).removeprefix("Bot ").strip(), self._token)

    def _resume(self, connection: Connection, data: dict[str, Any]) -> None:
        lost = self.lost
        if lost is None or lost.session_id != data["session_id"] or not self._is_bot(data["token"]):
            connection.send(_INVALID, False)  # the bot is to identify again
            return
        connection.resume(lost, int(data["seq"]))
        self.lost = None
        log.info("bot resumed")
        self._world.state_changed()

    async def _identify(self, connection: Connection, data: dict[str, Any]) -> None:
        if not self._is_bot(data.get("token", "")):
            await connection.socket.close(code=_CLOSE_BAD_TOKEN, message=b"Authentication failed")
            return
        asked = discord.Intents.none()
        asked.value = int(data["intents"])
        if rules.missing_privileged_intents(asked, self._world.granted):
            await connection.socket.close(code=_CLOSE_INTENTS, message=b"Disallowed intents")
            return
        connection.identify(asked, data.get("shard"))
        log.info("bot connected")
        self._world.state_changed()
