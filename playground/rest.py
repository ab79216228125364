"""Discord's REST interface and CDN over real sockets, answered by simcord's routes.

Adds what simcord leaves out and a bot depends on: the token, `nonce`, and the permissions that embeds, files and
replies need.
"""

import contextlib
import io
import json
import mimetypes
import re
import time
from bisect import bisect_left, bisect_right
from typing import Any
from urllib.parse import unquote

import discord
import structlog
from aiohttp import web
from simcord import intents as rules
from simcord.backend import errors, serializers
from simcord.backend.access import channel_accessible
from simcord.backend.errors import BackendError
from simcord.http import (
    router,
    routes as _routes,  # noqa: F401 - importing registers every handler
)

from playground.guard import is_same
from playground.limits import check_choices, settle_ids
from playground.places import BOT_ID, USER_IDS
from playground.world import World

log = structlog.get_logger()

API_PREFIX = "/api/v10"
MALFORMED = (ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError)
"""Errors that fields of a wrong type, or nested too deep, raise: simcord's routes check no types."""
NONCE_S = 300.0  # seconds for which a nonce is remembered; Discord says "a few minutes"
MAX_FILES = 10
# https://discord.com/developers/docs/resources/message#get-channel-messages
_DEFAULT_PAGE, _MAX_PAGE = 50, 100
_INLINE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_MESSAGES = re.compile(r"/channels/(\d+)/messages")
_MESSAGE = re.compile(r"/channels/(\d+)/messages/(\d+)")
_HOOKED = re.compile(r"/webhooks/(\d+)/[^/]+(?:/messages/\d+)?")
_GRANTED = {"members": 1 << 15, "message_content": 1 << 19}
"""The application's flag for each intent, of bots in fewer than 100 servers."""
_OPEN = re.compile(r"/(interactions|webhooks)/\d+/")  # routes whose token stands in the path


class Rest:
    """Discord's HTTP interface."""

    def __init__(self, world: World, token: str) -> None:
        self._world = world
        self._token = token
        self._nonces: dict[tuple[int, str], tuple[int, float]] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.route("*", API_PREFIX + "/{path:.*}", self.handle),
            web.get(r"/cdn/attachments/{channel}/{attachment:\d{1,20}}/{name}", self.attachment),
        ]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.raw_path.removeprefix(API_PREFIX)
        token = request.headers.get("Authorization", "").removeprefix("Bot ").strip()
        if not _OPEN.match(path) and not is_same(token, self._token):
            return _json({"message": "401: Unauthorized", "code": 0}, status=401)
        if path in ("/gateway", "/gateway/bot"):
            return _json(self._gateway_info())
        try:
            body, files = await _read_body(request)
            if path.endswith("/callback"):
                check_choices((body.get("data") or {}).get("choices") or [])
            settle_ids(body)
            answer = self._answer(request.method, path, body, dict(request.query), files)
        except (router.RouteNotImplemented, router.UnsupportedField) as error:
            log.error("the playground does not know this request", method=request.method, reason=str(error))
            return _json(error.to_json(), status=501)
        except BackendError as error:
            return _json(error.to_json(), status=error.status)
        except MALFORMED as error:
            log.warning("malformed request", error=repr(error))
            return _json(errors.invalid_form_body().to_json(), status=400)
        if answer is None or (path.endswith("/callback") and request.query.get("with_response") not in ("1", "true")):
            return web.Response(status=204)
        return _json(answer)

    async def attachment(self, request: web.Request) -> web.StreamResponse:
        """Send an attached file. Only pictures are shown in place: any other file could be a hostile page."""
        file = self._world.cdn.files.get(int(request.match_info["attachment"]))
        if file is None:
            raise web.HTTPNotFound
        name, data = file
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        headers = {"Content-Security-Policy": "sandbox; default-src 'none'"}
        if kind not in _INLINE_TYPES:
            headers["Content-Disposition"] = "attachment"
        return web.Response(body=data, content_type=kind, headers=headers)

    def _gateway_info(self) -> dict[str, Any]:
        return {
            "url": self._world.cdn.base_url.replace("http", "ws", 1) + "/gateway",
            "shards": 1,
            "session_start_limit": {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 1},
        }

    def _answer(self, method: str, path: str, body: Any, query: dict[str, Any], files: list[discord.File]) -> Any:
        fields = body if isinstance(body, dict) else {}
        sent = _MESSAGES.fullmatch(path) if method == "POST" else None
        if sent is not None:
            channel_id = int(sent[1])
            message_id = self._known_nonce(channel_id, fields)
            if message_id is not None:
                return router.dispatch(self._world, "GET", f"{path}/{message_id}")
            self._check_parts(channel_id, fields, files)
        elif method == "PATCH" and (edited := _MESSAGE.fullmatch(path)) is not None:
            self._check_parts(int(edited[1]), fields, files)
        elif method == "GET" and (asked := _MESSAGES.fullmatch(path)) is not None:
            return _page(self._world, int(asked[1]), query)
        may_read, hooked = self._world.granted.message_content, _HOOKED.fullmatch(path)
        hook = self._world.webhooks.get(int(hooked[1])) if hooked is not None else None
        with contextlib.ExitStack() as stack:
            if hook is not None:  # simcord's know only their channel
                stack.callback(setattr, hook, "channel_id", hook.channel_id)
                hook.channel_id = int(query.get("thread_id", hook.channel_id))
            answer = router.dispatch(
                self._world, method, path, json=body, params=query, files=files, message_content_access=may_read
            )
        if path == "/oauth2/applications/@me":
            answer["flags"] = sum(bit for name, bit in _GRANTED.items() if getattr(self._world.granted, name))
            answer["owner"] = dict(serializers.user_payload(self._world.users[USER_IDS["ada"]]))
        if path.endswith("/callback"):
            self._world.answered[int(path.split("/")[2])].set()
        if sent is not None and fields.get("nonce") is not None:
            answer["nonce"] = fields["nonce"]
            self._nonces[int(sent[1]), str(fields["nonce"])] = int(answer["id"]), time.monotonic()
        return answer

    def _known_nonce(self, channel_id: int, fields: dict[str, Any]) -> int | None:
        nonce = fields.get("nonce")
        if nonce is None:
            return None
        if len(str(nonce)) > 25:
            raise errors.invalid_form_body("nonce: Must be 25 or fewer in length")
        now = time.monotonic()
        self._nonces = {key: entry for key, entry in self._nonces.items() if now - entry[1] < NONCE_S}
        if not fields.get("enforce_nonce"):
            return None
        entry = self._nonces.get((channel_id, str(nonce)))
        return entry[0] if entry and entry[0] in self._world.messages.get(channel_id, {}) else None

    def _check_parts(self, channel_id: int, fields: dict[str, Any], files: list[discord.File]) -> None:
        """Refuse what Discord refuses and simcord lets pass."""
        if (fields.get("embeds") or fields.get("embed")) and not self._world.may(BOT_ID, channel_id, "embed_links"):
            raise errors.missing_permissions()
        if files and not self._world.may(BOT_ID, channel_id, "attach_files"):
            raise errors.missing_permissions()
        if fields.get("message_reference") and not self._world.may(BOT_ID, channel_id, "read_message_history"):
            raise BackendError(400, 160002, "Cannot reply without permission to read message history")


def _page(world: World, channel_id: int, query: dict[str, str]) -> list[Any]:
    """Messages of a channel, newest first. simcord gives the newest for `after`, too; Discord gives the oldest.

    `query`: `limit` and one of `before` and `after`.

    Raises BackendError: no such channel, the bot may not see it, or an invalid limit.
    """
    world.get_channel(channel_id)
    if not channel_accessible(world, channel_id, BOT_ID):
        raise errors.missing_access()
    limit = int(query.get("limit", _DEFAULT_PAGE))
    if not 1 <= limit <= _MAX_PAGE:
        raise errors.invalid_form_body(f"limit: Must be between 1 and {_MAX_PAGE}")
    if not channel_accessible(world, channel_id, BOT_ID, history=True):
        return []
    messages = world.messages[channel_id]
    ids = list(messages)  # they come in the order of their ids
    start, step = len(ids) - 1, -1
    if "after" in query:
        start, step = bisect_right(ids, int(query["after"])), 1
    elif "before" in query:
        start = bisect_left(ids, int(query["before"])) - 1
    page: list[Any] = []
    while 0 <= start < len(ids) and len(page) < limit:
        message = messages[ids[start]]
        if not message.is_ephemeral:
            page.append(dict(serializers.message_payload(world, message)))
            if not world.granted.message_content:
                rules.censor_message(page[-1], BOT_ID, backend=world)
        start += step
    return page if step < 0 else page[::-1]


@router.route("GET", "/guilds/{guild_id}/members/search")
def _members(request: router.RequestContext) -> list[Any]:
    world, begin = request.backend, request.params["query"].lower()
    guild = world.get_guild(request.int_arg("guild_id"))
    names = ((member, member.nick or "", world.users[member.user_id].name) for member in guild.members.values())
    matching = [member for member, *theirs in names if any(name.lower().startswith(begin) for name in theirs)]
    shown = matching[: int(request.params["limit"])]
    return [dict(serializers.member_payload(world, guild, member)) for member in shown]


async def _read_body(request: web.Request) -> tuple[Any, list[discord.File]]:
    """Return the JSON body and the files of a request, plain or multipart."""
    if not request.content_type.startswith("multipart/"):
        raw = await request.read()
        return json.loads(raw) if raw else None, []
    fields: dict[str, Any] = {}
    files = []
    for name, field in (await request.post()).items():
        if not isinstance(field, web.FileField):
            fields[name] = field
            continue
        # Names arrive percent-encoded from some clients and plain from others.
        files.append(discord.File(io.BytesIO(field.file.read()), unquote(field.filename)))
    if len(files) > MAX_FILES:
        raise BackendError(400, 30015, "Maximum number of attachments in a message reached (10)")
    return json.loads(fields["payload_json"]) if "payload_json" in fields else fields, files


def _json(data: Any, status: int = 200) -> web.Response:
    # discord.py parses a body only when the type is exactly this, without a charset.
    return web.Response(body=json.dumps(data).encode(), status=status, headers={"Content-Type": "application/json"})
