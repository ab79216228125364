"""The control API: JSON over HTTP, for the page. Ids are strings, as on Discord."""

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

from playground.interactions import Interactions
from playground.people import File, People
from playground.resolve import Resolver
from playground.rest import MALFORMED
from playground.world import World
from shared.errors import UserError

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def plain_errors(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Answer a person's mistake with 400, what was wrong, and what to do."""
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
    def __init__(self, world: World, people: People, interactions: Interactions, resolver: Resolver) -> None:
        self._world = world
        self._people = people
        self._interactions = interactions
        self._resolver = resolver

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/control/messages", self.send),
            web.post("/control/slash", self.slash),
            web.post("/control/autocomplete", self.autocomplete),
            web.post("/control/click", self.click),
            web.post("/control/select", self.select),
            web.post("/control/modal", self.modal),
            web.post("/control/threads", self.create_thread),
        ]

    async def send(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        user_id, channel_id = self._place(body)
        files = [_file(item) for item in body.get("attachments", [])]
        reply_to = int(body["reply_to"]) if body.get("reply_to") else None
        message = self._people.send(user_id, channel_id, str(body.get("content", "")), files, reply_to)
        return web.json_response(message_payload(self._world, message, user_id))

    async def slash(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        user_id, channel_id = self._place(body)
        files = {name: _file(item) for name, item in body.get("attachments", {}).items()}
        record = self._interactions.slash(user_id, channel_id, body["command"], body.get("options", {}), files)
        return web.json_response({"interaction_id": str(record.id)})

    async def autocomplete(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        user_id, channel_id = self._place(body)
        choices = await self._interactions.autocomplete(
            user_id, channel_id, body["command"], body["option"], str(body["value"]), body.get("options", {})
        )
        return web.json_response({"choices": choices})

    async def click(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        user_id, channel_id = self._place(body)
        record = self._interactions.click(
            user_id, channel_id, int(body["message_id"]), body["custom_id"], forged=bool(body.get("forged"))
        )
        return web.json_response({"interaction_id": str(record.id)})

    async def select(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        user_id, channel_id = self._place(body)
        values = [str(value) for value in body["values"]]
        record = self._interactions.select(user_id, channel_id, int(body["message_id"]), body["custom_id"], values)
        return web.json_response({"interaction_id": str(record.id)})

    async def modal(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        files = {name: [_file(item) for item in items] for name, items in body.get("attachments", {}).items()}
        user_id = self._resolver.user(body["as"])
        record = self._interactions.submit_modal(user_id, int(body["interaction_id"]), dict(body["values"]), files)
        return web.json_response({"interaction_id": str(record.id)})

    def _place(self, body: dict[str, Any]) -> tuple[int, int]:
        user_id = self._resolver.user(body["as"])
        return user_id, self._resolver.channel(body["channel"], user_id)

    async def create_thread(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        user_id, channel_id = self._place(body)
        message_id = int(body["message_id"]) if body.get("message_id") else None
        private = bool(body.get("private"))
        thread = self._people.create_thread(
            user_id, channel_id, str(body["name"]), message_id=message_id, private=private
        )
        return web.json_response({"id": str(thread.id)})


def message_payload(world: World, message: Message, user_id: int) -> dict[str, Any]:
    """A message as the REST interface describes it, but with only those mentions that notify somebody."""
    payload: dict[str, Any] = dict(serializers.message_payload(world, message, for_user=user_id))
    payload["mentions"] = [serializers.user_payload(world.users[item]) for item in message.ping_user_ids]
    payload["mention_roles"] = [str(role_id) for role_id in message.ping_role_ids]
    return payload


async def json_body(request: web.Request) -> dict[str, Any]:
    """Raises UserError: the request carries no JSON object."""
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
