"""The control API: JSON over HTTP for the page, the tests and the launcher. Ids are strings, as on Discord."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from simcord.backend import serializers
from simcord.backend.errors import BackendError
from simcord.backend.models import Message

from playground.gateway import Gateway
from playground.interactions import Interactions
from playground.people import File, People
from playground.places import BOT_ID, DM_IDS, GUILD_ID, USER_IDS
from playground.requests import MALFORMED, RequestLog
from playground.resolve import Resolver
from playground.world import World
from shared.errors import UserError

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def plain_errors(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Answer a person's mistake with 400 and its two sentences."""
    if not request.path.startswith("/control/"):
        return await handler(request)
    try:
        return await handler(request)
    except UserError as error:
        problem, remedy = error.problem, error.remedy
    except BackendError as error:
        problem, remedy = f"{error.message}.", ""
    except KeyError as error:
        problem, remedy = f"The request lacks {error}.", ""
    except MALFORMED as error:
        problem, remedy = f"The request is malformed: {error}.", ""
    return web.json_response({"problem": problem, "remedy": remedy}, status=400)


class Control:
    """Request handlers below `/control/`."""

    def __init__(
        self,
        world: World,
        gateway: Gateway,
        people: People,
        interactions: Interactions,
        resolver: Resolver,
        requests: RequestLog,
    ) -> None:
        self._world = world
        self._requests = requests
        self._gateway = gateway
        self._people = people
        self._interactions = interactions
        self._resolver = resolver

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to an aiohttp application."""
        return [
            web.get("/control/world", self.world),
            web.get("/control/messages", self.messages),
            web.post("/control/messages", self.send),
            web.patch("/control/messages/{message_id}", self.edit),
            web.delete("/control/messages/{message_id}", self.delete),
            web.post("/control/slash", self.slash),
            web.post("/control/autocomplete", self.autocomplete),
            web.post("/control/click", self.click),
            web.post("/control/select", self.select),
            web.post("/control/modal", self.modal),
            web.get("/control/edits", self.edits),
            web.get("/control/requests", self.requests),
            web.post("/control/intents", self.intents),
        ]

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
        return web.json_response([self._payload(message, user_id) for message in found])

    async def send(self, request: web.Request) -> web.Response:
        """Write a message."""
        body = await json_body(request)
        user_id, channel_id = self._place(body)
        files = [_file(item) for item in body.get("attachments", [])]
        reply_to = int(body["reply_to"]) if body.get("reply_to") else None
        message = self._people.send(user_id, channel_id, str(body.get("content", "")), files, reply_to)
        return web.json_response(self._payload(message, user_id))

    async def edit(self, request: web.Request) -> web.Response:
        """Change what a message of one's own says."""
        body = await json_body(request)
        user_id, channel_id = self._place(body)
        message_id = int(request.match_info["message_id"])
        message = self._people.edit(user_id, channel_id, message_id, str(body["content"]))
        return web.json_response(self._payload(message, user_id))

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a message, whoever wrote it."""
        self._people.delete(int(request.match_info["message_id"]))
        return web.json_response({})

    async def slash(self, request: web.Request) -> web.Response:
        """Call a slash command."""
        body = await json_body(request)
        user_id, channel_id = self._place(body)
        files = {name: _file(item) for name, item in body.get("attachments", {}).items()}
        record = self._interactions.slash(user_id, channel_id, body["command"], body.get("options", {}), files)
        return web.json_response({"interaction_id": str(record.id)})

    async def autocomplete(self, request: web.Request) -> web.Response:
        """Choices for an option that is being typed."""
        body = await json_body(request)
        user_id, channel_id = self._place(body)
        choices = await self._interactions.autocomplete(
            user_id, channel_id, body["command"], body["option"], str(body["value"]), body.get("options", {})
        )
        return web.json_response({"choices": choices})

    async def click(self, request: web.Request) -> web.Response:
        """Press a button."""
        body = await json_body(request)
        user_id, channel_id = self._place(body)
        record = self._interactions.click(
            user_id, channel_id, int(body["message_id"]), body["custom_id"], forged=bool(body.get("forged"))
        )
        return web.json_response({"interaction_id": str(record.id)})

    async def select(self, request: web.Request) -> web.Response:
        """Choose in a select menu."""
        body = await json_body(request)
        user_id, channel_id = self._place(body)
        values = [str(value) for value in body["values"]]
        record = self._interactions.select(user_id, channel_id, int(body["message_id"]), body["custom_id"], values)
        return web.json_response({"interaction_id": str(record.id)})

    async def modal(self, request: web.Request) -> web.Response:
        """Send a form."""
        body = await json_body(request)
        files = {name: [_file(item) for item in items] for name, items in body.get("attachments", {}).items()}
        user_id = self._resolver.user(body["as"])
        record = self._interactions.submit_modal(user_id, int(body["interaction_id"]), dict(body["values"]), files)
        return web.json_response({"interaction_id": str(record.id)})

    async def edits(self, request: web.Request) -> web.Response:
        """When a message was edited, seconds since the epoch."""
        message_id = int(request.query["message_id"])
        return web.json_response(list(self._world.edit_times.get(message_id, ())))

    async def requests(self, request: web.Request) -> web.Response:
        """The last requests of the bot after the number `after`, without tokens and files."""
        return web.json_response(self._requests.after(int(request.query.get("after", 0))))

    async def intents(self, request: web.Request) -> web.Response:
        """Switch the privileged intents on or off, as in Discord's portal."""
        body = await json_body(request)
        self._gateway.refuse_privileged = not body["privileged"]
        return web.json_response({})

    def _place(self, body: dict[str, Any]) -> tuple[int, int]:
        user_id = self._resolver.user(body["as"])
        return user_id, self._resolver.channel(body["channel"], user_id)

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

    def _payload(self, message: Message, user_id: int) -> dict[str, Any]:
        """A message as the REST interface describes it, its mentions being those that notify somebody."""
        payload: dict[str, Any] = dict(serializers.message_payload(self._world, message, for_user=user_id))
        users = self._world.users
        payload["mentions"] = [serializers.user_payload(users[item]) for item in message.ping_user_ids]
        payload["mention_roles"] = [str(role_id) for role_id in message.ping_role_ids]
        return payload


async def json_body(request: web.Request) -> dict[str, Any]:
    """The JSON object that a request carries; `UserError` when it carries none."""
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise UserError("The request is not JSON, or nested too deep.") from error
    if not isinstance(body, dict):
        raise UserError("The request is not a JSON object.")
    return body


def _file(item: dict[str, Any]) -> File:
    try:
        data = base64.b64decode(item["content_base64"], validate=True)
    except binascii.Error as error:
        raise UserError("content_base64 is not base64.") from error
    return File(str(item["filename"]), data)
