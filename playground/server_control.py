"""The part of the control API that changes the servers: permissions, roles, members, servers, channels, threads."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from playground.admin import Admin
from playground.control import json_body
from playground.places import BOT_ID, GUILD_ID
from playground.resolve import Resolver
from playground.world import World


class ServerControl:
    """Request handlers below `/control/` for what an admin of a server does."""

    def __init__(self, world: World, admin: Admin, resolver: Resolver) -> None:
        self._world = world
        self._admin = admin
        self._resolver = resolver

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to an aiohttp application."""
        return [
            web.post("/control/permissions", self.permissions),
            web.post("/control/roles", self.create_role),
            web.post("/control/members/roles", self.grant_role),
            web.post("/control/members", self.set_member),
            web.post("/control/dms", self.open_dms),
            web.post("/control/servers", self.create_server),
            web.post("/control/channels", self.create_channel),
            web.patch("/control/channels", self.rename_channel),
            web.delete("/control/channels/{channel}", self.delete_channel),
            web.post("/control/threads", self.create_thread),
        ]

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
        role_id = self._admin.create_role(self._guild(body), str(body["name"]), list(body.get("permissions", [])))
        return web.json_response({"id": str(role_id)})

    async def grant_role(self, request: web.Request) -> web.Response:
        """Give a member a role, or take it away."""
        body = await json_body(request)
        guild_id = self._guild(body)
        user_id = self._resolver.account(str(body["member"]))
        self._admin.grant_role(guild_id, user_id, self._resolver.role(guild_id, body["role"]), held=bool(body["held"]))
        return web.json_response({})

    async def set_member(self, request: web.Request) -> web.Response:
        """Let a person into a server, or out of it."""
        body = await json_body(request)
        user_id = self._resolver.user(str(body["person"]))
        self._admin.set_member(self._guild(body), user_id, member=bool(body["member"]))
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
        channel_id = self._admin.create_channel(self._guild(body), str(body["name"]), only, int(body.get("history", 0)))
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

    async def create_thread(self, request: web.Request) -> web.Response:
        """Start a thread as a person."""
        body = await json_body(request)
        user_id = self._resolver.user(body["as"])
        thread = self._admin.create_thread(
            user_id,
            self._resolver.channel(body["channel"], user_id),
            str(body["name"]),
            message_id=int(body["message_id"]) if body.get("message_id") else None,
            private=bool(body.get("private")),
        )
        return web.json_response({"id": str(thread.id)})

    def _guild(self, body: dict[str, Any]) -> int:
        return self._resolver.guild(str(body.get("guild") or GUILD_ID))
