"""Keeps other web pages away from the playground.

It listens on 127.0.0.1 only, but any page open in the same browser can send requests there. So a request must name
this machine as its host (against DNS rebinding) and, when a browser says which page sent it, that must be our own.
The control API also needs a header, which another page cannot set without a preflight request. Our own page may load
and run only what comes from here.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

CONTROL_HEADER = "X-Galvanic-Control"
_LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    if urlsplit(f"//{request.host}").hostname not in _LOCAL_NAMES:
        raise web.HTTPForbidden(text="This server answers to 127.0.0.1 and localhost only.")
    origin = request.headers.get("Origin")
    own_page = origin == f"{request.scheme}://{request.host}"
    same_site = request.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin")
    if (origin is not None and not own_page) or not same_site:
        raise web.HTTPForbidden(text="Requests from another page are refused.")
    if request.path.startswith("/control/"):
        # A browser cannot set headers on a websocket, but always names the page that opens it.
        live_page = own_page and request.headers.get("Upgrade", "").lower() == "websocket"
        if request.headers.get(CONTROL_HEADER) != "1" and not live_page:
            raise web.HTTPForbidden(text=f"The header {CONTROL_HEADER}: 1 is missing.")
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
