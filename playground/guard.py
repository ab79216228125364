"""Keeps other people and other web pages away from the playground.

It listens on 127.0.0.1, in a container on all addresses. Every account of this machine can connect there, others too if
a container publishes the port to them, and any page open in the same browser can send requests. So a request needs
the token of the printed address, which the browser keeps as a cookie and sends only for pages of this machine. It must
name this machine as its host (against DNS rebinding) and, when a browser says which page sent it, that must be our own.
Browsers say so with each POST and each websocket, and the control API takes nothing else. Our own page may load and
run only what comes from here.
"""

import secrets
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

TOKEN = "token"  # noqa: S105 - the parameter of the printed address
_LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
_BOTS_OWN = ("/api/", "/gateway")  # paths that ask for the bot's token instead
_FILES = "/cdn/"
_LOCKED = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Galvanic playground: locked</title>
<h1>This playground is locked</h1>
<p>Open the address that the playground printed when it started, with its token: <code>http://127.0.0.1:.../?token=...</code></p>
<p>The token is a new one at each start. Other accounts of this machine don't get in without it.</p>
"""


def cookie_name(port: int) -> str:
    """Return the cookie's name: browsers send cookies to all ports of a host, so two playgrounds need two names."""
    return f"galvanic-playground-{port}"


class Guard:
    """A middleware that lets in whoever has the token, and the bot where it shows its own.

    `file_key`: opens files alone. The bot loads them without any header, as on Discord, so it stands in their address.
    """

    def __init__(self, port: int, token: str, file_key: str) -> None:
        self._cookie = cookie_name(port)
        self._token = token
        self._file_key = file_key

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if urlsplit(f"//{request.host}").hostname not in _LOCAL_NAMES:
            raise web.HTTPForbidden(text="This server answers to 127.0.0.1 and localhost only.")
        origin = request.headers.get("Origin")
        own_page = origin in (None, f"{request.scheme}://{request.host}")
        same_origin = request.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin")
        if not own_page or not same_origin:
            raise web.HTTPForbidden(
                text="Requests from another page are refused. Copy the address into the browser's address bar."
            )
        if request.path == "/" and is_same(request.query.get(TOKEN), self._token):
            return self._sign_in(request)
        if not self._may_pass(request):
            return web.Response(
                text=_LOCKED, status=403, content_type="text/html", headers={"Cache-Control": "no-store"}
            )
        response = await handler(request)
        # Message text is hostile: were any to slip through as HTML, it could load and run nothing.
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
            f"connect-src 'self' ws://{request.host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        kept = {
            "Content-Security-Policy": policy,
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff",
        }
        for name, value in kept.items():
            response.headers.setdefault(name, value)
        return response

    def _sign_in(self, request: web.Request) -> web.Response:
        """Keep the token as a cookie, and take it out of the address bar."""
        place = str(request.rel_url.without_query_params(TOKEN))
        response = web.Response(status=303, headers={"Location": place, "Cache-Control": "no-store"})
        response.set_cookie(self._cookie, self._token, httponly=True, samesite="Strict")
        return response

    def _may_pass(self, request: web.Request) -> bool:
        if request.path.startswith(_BOTS_OWN):
            return True
        if request.path.startswith(_FILES) and is_same(request.query.get("key"), self._file_key):
            return True
        return is_same(request.cookies.get(self._cookie), self._token)


def is_same(token: str | None, secret: str) -> bool:
    """Return whether a token is the secret one, in a time that does not depend on where they differ."""
    return token is not None and secrets.compare_digest(token.encode("utf-8", "replace"), secret.encode())
