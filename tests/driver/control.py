"""What tests do to a playground beyond what its page does: look at it, change its servers, let Discord fail.

`python -m playground` adds it where `GALVANIC_PLAYGROUND_EXTENSION` names this module.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict, deque
from typing import Any

import discord
from aiohttp import web
from aiohttp.typedefs import Handler
from simcord.backend import serializers
from simcord.backend.models import Message

from galvanic.errors import UserError
from playground.control import Act, answering
from playground.places import BOT_ID, DM_IDS, GUILD_ID, USER_IDS
from playground.rest import API_PREFIX
from playground.server import Playground
from playground.world import ChangeKind
from tests.driver.admin import Admin
from tests.driver.faults import OK, Fault, Faults

Body = dict[str, Any]


def extend(playground: Playground) -> Driver:
    driver = Driver(playground)
    playground.app.add_routes(driver.routes())
    playground.app.middlewares.extend([driver.outage, driver.failure])
    return driver


class Driver:
    """Request handlers below `/control/`, and what stands around the answers to a bot's requests."""

    def __init__(self, playground: Playground) -> None:
        self.playground = playground
        self.faults = Faults()
        self._world = playground.world
        self._gateway = playground.gateway
        self._people = playground.people
        self._resolver = playground.resolver
        self.admin = Admin(playground.world, playground.resolver)
        self._refuse_with: int | None = None
        self._away_until = 0.0
        self._edit_times: defaultdict[int, deque[float]] = defaultdict(lambda: deque(maxlen=5_000))
        self._world.change_listeners.append(self._changed)

    def routes(self) -> list[web.RouteDef]:
        acts: list[tuple[str, str, Act]] = [
            ("GET", "world", self.world),
            ("GET", "messages", self.messages),
            ("DELETE", "messages/{message_id}", self.delete),
            ("GET", "edits", self.edits),
            ("POST", "intents", self.intents),
            ("POST", "faults", self.add_fault),
            ("DELETE", "faults", self.clear_faults),
            ("POST", "gateway", self.drop_gateway),
        ]
        acts += self.admin.acts()
        return [web.route(method, f"/control/{path}", answering(act)) for method, path, act in acts]

    def _changed(self, kind: ChangeKind, message: Message) -> None:
        if kind == "edited":
            self._edit_times[message.id].append(time.time())

    @web.middleware
    async def failure(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.rel_url.raw_path
        rest = path.startswith(API_PREFIX)
        fault = self.faults.take(request.method, path.removeprefix(API_PREFIX)) if rest else None
        if fault is None or fault.late or fault.status == OK:
            response = await handler(request)
        else:
            await request.read()
        if fault is not None and fault.wait_s:
            await asyncio.sleep(fault.wait_s)
        if fault is not None and fault.status != OK:
            if fault.status == 0:
                assert request.transport is not None
                request.transport.close()
            # discord.py parses a body only when the type is exactly this, without a charset.
            headers = {"Content-Type": "application/json", **fault.headers}
            response = web.Response(body=json.dumps(fault.body).encode(), status=fault.status or 500, headers=headers)
        return response

    async def world(self, _body: Body) -> Any:
        """Who and what there is."""
        commands = {command["name"] for scope in self._world.commands.values() for command in scope.values()}
        return {
            "guild_id": str(GUILD_ID),
            "guilds": {key: str(guild_id) for guild_id, key in self.admin.guild_keys.items()},
            "channels": {
                str(channel.name): str(channel.id)
                for channel in self._world.channels.values()
                if channel.guild_id is not None and not channel.is_thread
            },
            "dms": {name: str(channel_id) for name, channel_id in DM_IDS.items()},
            "users": {name: str(user_id) for name, user_id in USER_IDS.items()},
            "bot_user_id": str(BOT_ID),
            "bot_online": self._gateway.online,
            "commands": sorted(commands),
        }

    async def messages(self, body: Body) -> Any:
        """Messages of `channel` that `as` (default Ada) sees, after the id `after`, oldest first."""
        user_id, channel_id = self._place({"as": "ada", "channel": "lab", **body})
        found, after = self._people.visible_messages(user_id, channel_id), int(body.get("after", 0))
        return [self._payload(message, user_id) for message in found if message.id > after]

    def _payload(self, message: Message, user_id: int) -> Body:
        """A message as the REST interface describes it, but with only those mentions that notify somebody."""
        users = [serializers.user_payload(self._world.users[item]) for item in message.ping_user_ids]
        roles = [str(role_id) for role_id in message.ping_role_ids]
        described = serializers.message_payload(self._world, message, for_user=user_id)
        return {**described, "mentions": users, "mention_roles": roles}

    async def delete(self, body: Body) -> Any:
        """Delete a message, whoever wrote it."""
        message_id = int(body["message_id"])
        for channel_id, messages in self._world.messages.items():
            if message_id in messages:
                self._world.delete_message(channel_id, message_id)
                return {}
        raise UserError("There is no such message here.", "It may have been deleted.")

    async def edits(self, body: Body) -> Any:
        """When a message was edited, seconds since the epoch."""
        return list(self._edit_times.get(int(body["message_id"]), ()))

    async def intents(self, body: Body) -> Any:
        """Switch the privileged intents on or off, as in Discord's portal."""
        self._world.granted = discord.Intents.all() if body["privileged"] else discord.Intents.none()
        return {}

    async def add_fault(self, body: Body) -> Any:
        """Let the next requests of a kind fail: the fields of a `Fault`."""
        self.faults.add(Fault(**body))
        return {}

    async def clear_faults(self, _body: Body) -> Any:
        self.faults.clear()
        return {}

    async def drop_gateway(self, body: Body) -> Any:
        """Cut the bot's connection, and take no new one for `for_s` seconds; `refuse_with` closes those that come."""
        self._refuse_with = body.get("refuse_with")
        await self.drop(float(body.get("for_s", 0)))
        return {}

    async def drop(self, for_s: float) -> None:
        """Cut every connection, as an outage does, and take no new one for so many seconds."""
        self._away_until = time.monotonic() + for_s
        await self._gateway.close()

    @web.middleware
    async def outage(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.rstrip("/") == "/gateway":
            if time.monotonic() < self._away_until:
                raise web.HTTPServiceUnavailable
            if self._refuse_with is not None:
                socket = web.WebSocketResponse()
                await socket.prepare(request)
                await socket.close(code=self._refuse_with, message=b"Refused")
                return socket
        return await handler(request)

    def _place(self, body: Body) -> tuple[int, int]:
        user_id = self._resolver.user(body["as"])
        return user_id, self._resolver.channel(body["channel"], user_id)
