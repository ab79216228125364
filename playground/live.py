"""The page, and the websocket that keeps it up to date.

A page is told the whole state when it connects and each change after that; it never asks again. What it does goes
through the control API.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from aiohttp import WSCloseCode, web
from simcord.backend.access import channel_accessible
from simcord.backend.models import Message

from playground.gateway import Gateway
from playground.people import MAX_CONTENT, Outcome, People
from playground.present import Presenter
from playground.rest import MAX_FILE_BYTES
from playground.world import BOT_ID, GUILD_ID, GUILD_NAME, USER_IDS, ChangeKind, World

log = structlog.get_logger()

HISTORY = 200
"""Messages of a channel that the page shows when it opens."""
_STATIC = Path(__file__).parent / "static"
_ASSETS = {"app.js", "composer.js", "dom.js", "message.js", "style.css", "icon.svg", "file.svg"}
_REACTIONS = ("MESSAGE_REACTION_ADD", "MESSAGE_REACTION_REMOVE", "MESSAGE_REACTION_REMOVE_ALL")
_STATE_EVENTS = (
    "CHANNEL_CREATE",
    "CHANNEL_UPDATE",
    "CHANNEL_DELETE",
    "THREAD_CREATE",
    "THREAD_UPDATE",
    "THREAD_DELETE",
)


@dataclass(eq=False)
class _Page:
    """One open page, seen through the eyes of one person."""

    user_id: int
    outbox: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)


class Live:
    """Serves the page and its live updates."""

    def __init__(self, world: World, gateway: Gateway, people: People) -> None:
        self._world = world
        self._gateway = gateway
        self._people = people
        self._present = Presenter(world)
        self._pages: set[_Page] = set()
        self._sockets: set[web.WebSocketResponse] = set()
        world.change_listeners.append(self._on_change)
        world.commands_listeners.append(self._on_state)
        world.subscribers.append(self._on_event)
        gateway.presence_listeners.append(self._on_state)
        people.outcome_listeners.append(self._on_outcome)

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to an aiohttp application."""
        return [
            web.get("/", self.page),
            web.get("/static/{name}", self.asset),
            web.get("/control/live", self.socket),
        ]

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The page itself."""
        # Message text is hostile: were any to slip through as HTML, it could load and run nothing.
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
            f"connect-src 'self' ws://{request.host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        headers = {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"}
        return web.FileResponse(_STATIC / "index.html", headers=headers)

    async def asset(self, request: web.Request) -> web.StreamResponse:
        """A script, style or icon of the page."""
        name = request.match_info["name"]
        if name not in _ASSETS:
            raise web.HTTPNotFound
        headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
        return web.FileResponse(_STATIC / name, headers=headers)

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        """Live updates for one page; `as` is the person who looks."""
        page = _Page(self._people.user(request.query.get("as", "ada")))
        socket = web.WebSocketResponse(heartbeat=20.0)
        await socket.prepare(request)
        page.outbox.put_nowait(self._hello(page.user_id))
        self._pages.add(page)
        self._sockets.add(socket)
        writer = asyncio.create_task(_write(page, socket))
        try:
            async for _ in socket:
                pass  # a page only listens here
        finally:
            self._pages.discard(page)
            self._sockets.discard(socket)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return socket

    async def close(self) -> None:
        """Send every page away; it reconnects by itself."""
        for socket in list(self._sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY)

    # ------------------------------------------------------------------- state

    def _state(self, user_id: int) -> dict[str, Any]:
        guild = self._world.guilds[GUILD_ID]
        channel_ids = [*guild.channel_ids, *guild.thread_ids]
        return {
            "guild": GUILD_NAME,
            "me": str(user_id),
            "people": [{**self._present.person(person_id), "key": key} for key, person_id in USER_IDS.items()],
            "bot": {**self._present.person(BOT_ID), "online": self._gateway.online},
            "channels": [
                self._channel(user_id, channel_id)
                for channel_id in channel_ids
                if channel_accessible(self._world, channel_id, user_id)
            ],
            "limits": {"content": MAX_CONTENT, "file": MAX_FILE_BYTES},
        }

    def _channel(self, user_id: int, channel_id: int) -> dict[str, Any]:
        channel = self._world.channels[channel_id]
        may = self._world.may
        return {
            "id": str(channel_id),
            "name": channel.name,
            "topic": channel.topic,
            "thread": channel.is_thread,
            "can_send": may(user_id, channel_id, "send_messages_in_threads" if channel.is_thread else "send_messages"),
            "can_attach": may(user_id, channel_id, "attach_files"),
            "commands": self._people.commands(user_id, channel_id),
        }

    def _hello(self, user_id: int) -> dict[str, Any]:
        state = self._state(user_id)
        history = {}
        for channel in state["channels"]:
            seen = self._people.visible_messages(user_id, int(channel["id"]))[-HISTORY:]
            history[channel["id"]] = [self._present.message(message) for message in seen]
        return {"type": "hello", "state": state, "history": history}

    # ------------------------------------------------------------------ changes

    def _on_change(self, kind: ChangeKind, message: Message) -> None:
        frame: dict[str, Any]
        if kind == "deleted":
            frame = {"type": "gone", "channel_id": str(message.channel_id), "id": str(message.id)}
        else:
            frame = {"type": "message", "message": self._present.message(message)}
        for page in self._pages:
            seen = channel_accessible(self._world, message.channel_id, page.user_id, history=True)
            if seen and message.visible_to(page.user_id):
                page.outbox.put_nowait(frame)

    def _on_event(self, event: str, payload: Mapping[str, Any]) -> None:
        if event == "TYPING_START" and payload["user_id"] == str(BOT_ID):
            self._send_all({"type": "typing", "channel_id": payload["channel_id"], "user_id": payload["user_id"]})
        elif event in _REACTIONS:
            message = self._world.messages.get(int(payload["channel_id"]), {}).get(int(payload["message_id"]))
            if message is not None:
                self._on_change("edited", message)
        elif event == "MESSAGE_DELETE_BULK":
            for message_id in payload["ids"]:
                self._send_all({"type": "gone", "channel_id": payload["channel_id"], "id": message_id})
        elif event in _STATE_EVENTS:
            self._on_state()

    def _on_state(self) -> None:
        for page in self._pages:
            page.outbox.put_nowait({"type": "state", "state": self._state(page.user_id)})

    def _on_outcome(self, outcome: Outcome) -> None:
        for page in self._pages:
            if page.user_id == outcome.user_id:
                page.outbox.put_nowait({"type": "outcome", **outcome.to_json()})

    def _send_all(self, frame: dict[str, Any]) -> None:
        for page in self._pages:
            page.outbox.put_nowait(frame)


async def _write(page: _Page, socket: web.WebSocketResponse) -> None:
    """Send a page its frames, in order."""
    while True:
        await socket.send_str(json.dumps(await page.outbox.get()))
