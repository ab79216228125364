"""What tests do to a playground beyond what its page does: look at it, change its servers, let Discord fail.

`python -m playground` adds it where `GALVANIC_PLAYGROUND_EXTENSION` names this module.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web
from simcord.backend.models import Message

from playground.control import json_body, message_payload
from playground.places import BOT_ID, DM_IDS, GUILD_ID, USER_IDS
from playground.server import Playground
from shared.errors import UserError
from tests.driver.admin import Admin
from tests.driver.faults import OK, Faults
from tests.driver.requests import RequestLog


def extend(playground: Playground) -> Driver:
    """Add the routes of a `Driver`."""
    driver = Driver(playground)
    playground.app.add_routes(driver.routes())
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
        self._admin = Admin(playground.world)
        self._log = RequestLog()
        playground.rest.around = self._around

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/control/world", self.world),
            web.get("/control/messages", self.messages),
            web.patch("/control/messages/{message_id}", self.edit),
            web.delete("/control/messages/{message_id}", self.delete),
            web.get("/control/edits", self.edits),
            web.get("/control/requests", self.requests),
            web.post("/control/intents", self.intents),
            web.post("/control/faults", self.add_fault),
            web.delete("/control/faults", self.clear_faults),
            web.post("/control/gateway", self.drop_gateway),
            web.post("/control/permissions", self.permissions),
            web.post("/control/roles", self.create_role),
            web.post("/control/members/roles", self.grant_role),
            web.post("/control/members", self.set_member),
            web.post("/control/dms", self.open_dms),
            web.post("/control/servers", self.create_server),
            web.post("/control/channels", self.create_channel),
            web.patch("/control/channels", self.rename_channel),
            web.delete("/control/channels/{channel}", self.delete_channel),
        ]

    async def _around(
        self,
        request: web.Request,
        path: str,
        raw: str | bytes,
        files: list[str],
        respond: Callable[[], web.Response],
    ) -> web.Response:
        sent = self._log.add(request.method, path, raw, files)
        fault = self.faults.take(request.method, path)
        if fault is None or fault.late or fault.status == OK:
            response = respond()
        if fault is not None and fault.wait_s:
            await asyncio.sleep(fault.wait_s)
        if fault is not None and fault.status != OK:
            if fault.status == 0:
                assert request.transport is not None
                request.transport.close()
            # discord.py parses a body only when the type is exactly this, without a charset.
            headers = {"Content-Type": "application/json", **fault.headers}
            response = web.Response(body=json.dumps(fault.body).encode(), status=fault.status or 500, headers=headers)
        sent.status = response.status
        return response

    async def world(self, _request: web.Request) -> web.Response:
        """Who and what there is."""
        commands = {command["name"] for scope in self._world.commands.values() for command in scope.values()}
        return web.json_response(
            {
                "guild_id": str(GUILD_ID),
                "guilds": {self._world.specs[guild_id].key: self._guild(guild_id) for guild_id in self._world.guilds},
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
        )

    async def messages(self, request: web.Request) -> web.Response:
        """Messages of `channel` that `as` (default Ada) sees, after the id `after`, oldest first."""
        user_id = self._resolver.user(request.query.get("as", "ada"))
        channel_id = self._resolver.channel(request.query.get("channel", "lab"), user_id)
        found = self._people.visible_messages(user_id, channel_id, after=int(request.query.get("after", 0)))
        return web.json_response([message_payload(self._world, message, user_id) for message in found])

    async def edit(self, request: web.Request) -> web.Response:
        """Change what a message of one's own says."""
        body = await json_body(request)
        user_id, channel_id = self._place(body)
        message_id = int(request.match_info["message_id"])
        message = self._edit(user_id, channel_id, message_id, str(body["content"]))
        return web.json_response(message_payload(self._world, message, user_id))

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a message, whoever wrote it."""
        self._delete(int(request.match_info["message_id"]))
        return web.json_response({})

    async def edits(self, request: web.Request) -> web.Response:
        """When a message was edited, seconds since the epoch."""
        message_id = int(request.query["message_id"])
        return web.json_response(list(self._world.edit_times.get(message_id, ())))

    async def requests(self, request: web.Request) -> web.Response:
        """The last requests of the bot after the number `after`, without tokens and files."""
        return web.json_response(self._log.after(int(request.query.get("after", 0))))

    async def intents(self, request: web.Request) -> web.Response:
        """Switch the privileged intents on or off, as in Discord's portal."""
        body = await json_body(request)
        self._gateway.refuse_privileged = not body["privileged"]
        return web.json_response({})

    def _guild(self, guild_id: int) -> dict[str, Any]:
        guild = self._world.guilds[guild_id]
        return {
            "id": str(guild_id),
            "name": guild.name,
            "owner_id": str(guild.owner_id),
            "channels": {str(self._world.channels[item].name): str(item) for item in guild.channel_ids},
            "threads": {str(self._world.channels[item].name): str(item) for item in guild.thread_ids},
            "roles": {role.name: str(role.id) for role in guild.roles.values()},
            "members": {
                self._world.users[member.user_id].name: [guild.roles[role_id].name for role_id in member.role_ids]
                for member in guild.members.values()
            },
        }

    async def add_fault(self, request: web.Request) -> web.Response:
        """Let the next requests of a kind fail: the fields of a `Fault`."""
        self.faults.add_json(await json_body(request))
        return web.json_response({})

    async def clear_faults(self, _request: web.Request) -> web.Response:
        """Let nothing fail any more."""
        self.faults.clear()
        return web.json_response({})

    async def drop_gateway(self, request: web.Request) -> web.Response:
        """Cut the bot's connection, and take no new one for `for_s` seconds; `refuse_with` closes those that come."""
        body = await json_body(request)
        self._gateway.refuse_with = body.get("refuse_with")
        await self._gateway.drop(float(body.get("for_s", 0)))
        return web.json_response({})

    async def permissions(self, request: web.Request) -> web.Response:
        """Allow or deny a member, a role or (unless told otherwise) the bot some permissions in a channel."""
        body = await json_body(request)
        channel_id = self._resolver.channel(body["channel"], BOT_ID)
        guild_id = self._world.get_channel(channel_id).guild_id or GUILD_ID
        target_id = self._resolver.target(guild_id, str(body.get("target", "bot")))
        allow, deny = list(body.get("allow", [])), list(body.get("deny", []))
        self._admin.set_permissions(channel_id, target_id, allow=allow, deny=deny)
        return web.json_response({})

    async def create_role(self, request: web.Request) -> web.Response:
        """Make a role."""
        body = await json_body(request)
        role_id = self._admin.create_role(self._guild_id(body), str(body["name"]), list(body.get("permissions", [])))
        return web.json_response({"id": str(role_id)})

    async def grant_role(self, request: web.Request) -> web.Response:
        """Give a member a role, or take it away."""
        body = await json_body(request)
        guild_id = self._guild_id(body)
        user_id = self._resolver.account(str(body["member"]))
        self._admin.grant_role(guild_id, user_id, self._resolver.role(guild_id, body["role"]), held=bool(body["held"]))
        return web.json_response({})

    async def set_member(self, request: web.Request) -> web.Response:
        """Let a person into a server, or out of it."""
        body = await json_body(request)
        user_id = self._resolver.user(str(body["person"]))
        self._admin.set_member(self._guild_id(body), user_id, member=bool(body["member"]))
        return web.json_response({})

    async def open_dms(self, request: web.Request) -> web.Response:
        """Let a person take direct messages from the bot, or not."""
        body = await json_body(request)
        self._admin.open_dms(self._resolver.user(str(body["person"])), opened=bool(body["open"]))
        return web.json_response({})

    async def create_server(self, request: web.Request) -> web.Response:
        """Make a server with a channel."""
        body = await json_body(request)
        owner, *members = [self._resolver.key(str(name)) for name in (body["owner"], *body.get("members", []))]
        guild_id = self._admin.create_server(str(body["name"]), owner, members, str(body["channel"]))
        return web.json_response({"id": str(guild_id)})

    async def create_channel(self, request: web.Request) -> web.Response:
        """Make a text channel."""
        body = await json_body(request)
        only = [self._resolver.user(name) for name in body.get("only", [])]
        channel_id = self._admin.create_channel(
            self._guild_id(body), str(body["name"]), only, int(body.get("history", 0))
        )
        return web.json_response({"id": str(channel_id)})

    async def rename_channel(self, request: web.Request) -> web.Response:
        """Give a channel another name."""
        body = await json_body(request)
        self._admin.rename_channel(self._resolver.channel(body["channel"], BOT_ID), str(body["name"]))
        return web.json_response({})

    async def delete_channel(self, request: web.Request) -> web.Response:
        """Delete a channel or thread that was made later."""
        self._admin.delete_channel(self._resolver.channel(request.match_info["channel"], BOT_ID))
        return web.json_response({})

    def _guild_id(self, body: dict[str, Any]) -> int:
        return self._resolver.guild(str(body.get("guild") or GUILD_ID))

    def _place(self, body: dict[str, Any]) -> tuple[int, int]:
        user_id = self._resolver.user(body["as"])
        return user_id, self._resolver.channel(body["channel"], user_id)

    def _edit(self, user_id: int, channel_id: int, message_id: int, content: str) -> Message:
        message = self._people.visible_message(user_id, channel_id, message_id)
        if message.author_id != user_id:
            raise UserError("You can edit your own messages only.")
        return self._world.edit_message(channel_id, message_id, {"content": content})

    def _delete(self, message_id: int) -> None:
        for channel_id, messages in self._world.messages.items():
            if message_id in messages:
                self._world.delete_message(channel_id, message_id)
                return
        raise UserError("There is no such message here.", "It may have been deleted.")
