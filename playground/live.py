"""The page, and the websocket that keeps it up to date.

A page is told the whole state when it connects and each change after that; it never asks again. It acts through the
control API.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from aiohttp import WSCloseCode, web
from simcord.backend.access import channel_accessible, message_accessible
from simcord.backend.models import Guild, Message

from playground.gateway import Gateway, sender
from playground.interactions import Interactions
from playground.people import People
from playground.places import BOT_ID, FILE_LIMIT, USER_IDS
from playground.present import Presenter
from playground.world import ChangeKind, World

log = structlog.get_logger()

HISTORY = 200  # messages of a channel that the page shows when it opens
_STATIC = Path(__file__).parent / "static"
_REACTIONS = ("MESSAGE_REACTION_ADD", "MESSAGE_REACTION_REMOVE", "MESSAGE_REACTION_REMOVE_ALL")
_STATE_EVENTS = re.compile(
    "(CHANNEL|THREAD)_(CREATE|UPDATE|DELETE)|GUILD_(CREATE|ROLE_CREATE|MEMBER_(ADD|UPDATE|REMOVE))"
)


@dataclass(eq=False)
class _Page:
    """An open page of a person."""

    user_id: int
    socket: web.WebSocketResponse
    outbox: asyncio.Queue[dict[str, Any]]


class Live:
    """Serves the page, and keeps the open ones up to date."""

    def __init__(self, world: World, gateway: Gateway, people: People, interactions: Interactions) -> None:
        self._world = world
        self._gateway = gateway
        self._people = people
        self._interactions = interactions
        self._present = Presenter(world)
        self._pages: set[_Page] = set()
        world.change_listeners.append(self._on_change)
        world.state_listeners.append(self._on_state)
        world.subscribers.append(self._on_event)
        interactions.outcome_listeners.append(self._on_outcome)

    def routes(self) -> list[web.AbstractRouteDef]:
        return [web.get("/", self.page), web.static("/static", _STATIC), web.get("/control/live", self.socket)]

    async def page(self, _request: web.Request) -> web.StreamResponse:
        return web.FileResponse(_STATIC / "index.html")

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        """Updates for one page; `as` is the person who looks: Ada, unless it names another."""
        user_id = USER_IDS.get(request.query.get("as", ""), USER_IDS["ada"])
        socket = web.WebSocketResponse(heartbeat=20.0)
        await socket.prepare(request)
        async with sender(socket) as outbox:
            outbox.put_nowait(self._hello(user_id))
            page = _Page(user_id, socket, outbox)
            self._pages.add(page)
            try:
                async for _ in socket:
                    pass  # a page only listens here
            finally:
                self._pages.discard(page)
        return socket

    async def close(self) -> None:
        """Send every page away; it reconnects by itself."""
        for page in list(self._pages):
            await page.socket.close(code=WSCloseCode.GOING_AWAY)

    def _state(self, user_id: int) -> dict[str, Any]:
        guilds = [guild for guild in self._world.guilds.values() if user_id in guild.members]
        channel_ids = [channel_id for guild in guilds for channel_id in self._in_order(guild)]
        channel_ids.append(self._world.dm_channels[user_id])
        return {
            "me": str(user_id),
            "people": [{**self._present.person(person_id), "key": key} for key, person_id in USER_IDS.items()],
            "bot": {**self._present.person(BOT_ID), "online": self._gateway.online},
            "guilds": [self._guild(guild) for guild in guilds],
            "channels": [
                self._channel(user_id, channel_id)
                for channel_id in channel_ids
                if channel_accessible(self._world, channel_id, user_id)
            ],
        }

    def _in_order(self, guild: Guild) -> list[int]:
        """Return the ids of a server's channels, each followed by its threads."""
        threads = [self._world.channels[thread_id] for thread_id in guild.thread_ids]
        order: list[int] = []
        for channel_id in guild.channel_ids:
            order += [channel_id, *(thread.id for thread in threads if thread.parent_id == channel_id)]
        return order

    def _guild(self, guild: Guild) -> dict[str, Any]:
        roles = sorted(guild.roles.values(), key=lambda role: -role.position)
        return {
            "id": str(guild.id),
            "name": guild.name,
            "owner": str(guild.owner_id),
            "roles": [
                {"id": str(role.id), "name": role.name, "colour": role.color, "managed": role.managed} for role in roles
            ],
            "members": [
                {
                    **self._present.person(member.user_id),
                    "roles": [str(role.id) for role in roles if role.id in member.role_ids],
                }
                for member in guild.members.values()
            ],
        }

    def _channel(self, user_id: int, channel_id: int) -> dict[str, Any]:
        channel = self._world.channels[channel_id]
        may = self._world.may
        direct = channel.guild_id is None
        return {
            "id": str(channel_id),
            "type": int(channel.type),
            "guild_id": None if direct else str(channel.guild_id),
            "name": self._world.bot_user.name if direct else channel.name,
            "topic": "Between you and the bot: nobody else reads this." if direct else channel.topic,
            "thread": channel.is_thread,
            "can_send": may(user_id, channel_id, "send_messages_in_threads" if channel.is_thread else "send_messages"),
            "can_attach": may(user_id, channel_id, "attach_files"),
            "can_start_threads": not direct
            and not channel.is_thread
            and may(user_id, channel_id, "create_public_threads"),
            "file_limit": FILE_LIMIT,
            "commands": self._interactions.commands(user_id, channel_id),
            "message_commands": list(self._interactions.message_commands(user_id, channel_id)),
        }

    def _hello(self, user_id: int) -> dict[str, Any]:
        state = self._state(user_id)
        seen = {
            channel["id"]: self._people.visible_messages(user_id, int(channel["id"]), HISTORY)
            for channel in state["channels"]
        }
        history = {channel_id: list(map(self._present.message, messages)) for channel_id, messages in seen.items()}
        return {"type": "hello", "state": state, "history": history}

    def _on_change(self, kind: ChangeKind, message: Message) -> None:
        frame: dict[str, Any] | None = None
        for page in self._pages:
            if message_accessible(self._world, message.channel_id, message, page.user_id, history=True):
                frame = frame or self._frame(kind, message)
                page.outbox.put_nowait(frame)

    def _frame(self, kind: ChangeKind, message: Message) -> dict[str, Any]:
        if kind == "deleted":
            return {"type": "gone", "channel_id": str(message.channel_id), "id": str(message.id)}
        return {"type": "message", "message": self._present.message(message)}

    def _on_event(self, event: str, payload: Mapping[str, Any]) -> None:
        if event == "TYPING_START" and payload["user_id"] == str(BOT_ID):
            channel_id = payload["channel_id"]
            for page in self._pages:
                if channel_accessible(self._world, int(channel_id), page.user_id):
                    page.outbox.put_nowait({"type": "typing", "channel_id": channel_id})
        elif event in _REACTIONS:
            message = self._world.messages.get(int(payload["channel_id"]), {}).get(int(payload["message_id"]))
            if message is not None:
                self._on_change("edited", message)
        elif _STATE_EVENTS.fullmatch(event):
            self._on_state()

    def _on_state(self) -> None:
        for page in self._pages:
            page.outbox.put_nowait({"type": "state", "state": self._state(page.user_id)})

    def _on_outcome(self, user_id: int, frame: dict[str, Any]) -> None:
        for page in self._pages:
            if page.user_id == user_id:
                page.outbox.put_nowait(frame)
