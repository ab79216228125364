"""The control API: JSON over HTTP, for the page. Ids are strings, as on Discord."""

import base64
import binascii
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from simcord.backend.errors import BackendError
from simcord.backend.models import Interaction

from galvanic.errors import UserError
from playground.interactions import Interactions
from playground.people import File, People
from playground.resolve import Resolver
from playground.rest import MALFORMED

Act = Callable[[dict[str, Any]], Awaitable[Any]]
"""(body) -> what is answered"""


def answering(act: Act) -> Handler:
    """A request as JSON, its query and its path in one, and the answer as JSON.

    A person's mistake is answered with 400, what was wrong, and what to do.
    """

    async def handle(request: web.Request) -> web.Response:
        try:
            body = _read(await request.read() or b"{}")
            return web.json_response(await act({**body, **request.query, **request.match_info}))
        except UserError as error:
            problem, remedy = error.problem, error.remedy
        except BackendError as error:
            problem, remedy = f"{error.message}.", ""
        except KeyError as error:
            problem, remedy = f"The request lacks {error}.", ""
        except MALFORMED as error:
            problem, remedy = f"The request is malformed: {error}.", ""
        return web.json_response({"problem": problem, "remedy": remedy}, status=400)

    return handle


class Control:
    """The HTTP interface by which the page, and tests, act for people."""

    def __init__(self, people: People, interactions: Interactions, resolver: Resolver) -> None:
        self._people = people
        self._interactions = interactions
        self._resolver = resolver

    def routes(self) -> list[web.RouteDef]:
        acts = {
            "messages": self.send,
            "slash": self.slash,
            "menu": self.menu,
            "autocomplete": self.autocomplete,
            "click": self.click,
            "select": self.select,
            "modal": self.modal,
            "reactions": self.react,
            "threads": self.create_thread,
        }
        return [web.post(f"/control/{name}", answering(act)) for name, act in acts.items()]

    async def send(self, body: dict[str, Any]) -> Any:
        user_id, channel_id = self._place(body)
        files = [_file(item) for item in body.get("attachments", [])]
        reply_to = int(body["reply_to"]) if body.get("reply_to") else None
        message = self._people.send(user_id, channel_id, str(body.get("content", "")), files, reply_to)
        return {"id": str(message.id)}

    async def slash(self, body: dict[str, Any]) -> Any:
        files = {name: _file(item) for name, item in body.get("attachments", {}).items()}
        return begun(self._interactions.slash(*self._place(body), body["command"], body.get("options", {}), files))

    async def menu(self, body: dict[str, Any]) -> Any:
        return begun(self._interactions.on_message(*self._place(body), int(body["message_id"]), body["command"]))

    async def autocomplete(self, body: dict[str, Any]) -> Any:
        typed = (body["command"], body["option"], str(body["value"]), body.get("options", {}))
        return {"choices": await self._interactions.autocomplete(*self._place(body), *typed)}

    async def click(self, body: dict[str, Any]) -> Any:
        return begun(self._interactions.click(*self._place(body), int(body["message_id"]), body["custom_id"]))

    async def select(self, body: dict[str, Any]) -> Any:
        message_id, values = int(body["message_id"]), list(map(str, body["values"]))
        return begun(self._interactions.select(*self._place(body), message_id, body["custom_id"], values))

    async def modal(self, body: dict[str, Any]) -> Any:
        user_id = self._resolver.user(body["as"])
        return begun(self._interactions.submit_modal(user_id, int(body["interaction_id"]), dict(body["values"])))

    async def react(self, body: dict[str, Any]) -> Any:
        self._people.react(*self._place(body), int(body["message_id"]), str(body["emoji"]))
        return {}

    async def create_thread(self, body: dict[str, Any]) -> Any:
        message_id = int(body["message_id"]) if body.get("message_id") else None
        thread = self._people.create_thread(*self._place(body), str(body["name"]), message_id)
        return {"id": str(thread.id)}

    def _place(self, body: dict[str, Any]) -> tuple[int, int]:
        user_id = self._resolver.user(body["as"])
        return user_id, self._resolver.channel(body["channel"], user_id)


def _read(sent: bytes) -> Any:
    """Read JSON; half characters become U+FFFD: JSON lets these lone surrogates through, Discord's UTF-8 does not."""
    body = json.loads(sent)
    if b"\\u" in sent:  # else the page sent none; files may be large
        text = json.dumps(body, ensure_ascii=False)
        body = json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return body


def begun(interaction: Interaction) -> dict[str, str]:
    return {"interaction_id": str(interaction.id)}


def _file(item: dict[str, Any]) -> File:
    try:
        data = base64.b64decode(item["content_base64"], validate=True)
    except binascii.Error as error:
        raise UserError("content_base64 is not base64.") from error
    return File(str(item["filename"]), data)
