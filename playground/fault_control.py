"""The part of the control API that lets Discord fail: its REST interface, and its gateway."""

from __future__ import annotations

from aiohttp import web

from playground.control import json_body
from playground.faults import Faults
from playground.gateway import Gateway


class FaultControl:
    """Request handlers below `/control/` for a Discord that is in trouble."""

    def __init__(self, faults: Faults, gateway: Gateway) -> None:
        self._faults = faults
        self._gateway = gateway

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to an aiohttp application."""
        return [
            web.post("/control/faults", self.add),
            web.delete("/control/faults", self.clear),
            web.post("/control/gateway", self.drop_gateway),
        ]

    async def add(self, request: web.Request) -> web.Response:
        """Let the next requests of a kind fail: the fields of a `Fault`."""
        self._faults.add_json(await json_body(request))
        return web.json_response({})

    async def clear(self, _request: web.Request) -> web.Response:
        """Let nothing fail any more."""
        self._faults.clear()
        return web.json_response({})

    async def drop_gateway(self, request: web.Request) -> web.Response:
        """Cut the bot's connection, and take no new one for `for_s` seconds; `refuse_with` closes those that come."""
        body = await json_body(request)
        self._gateway.refuse_with = body.get("refuse_with")
        await self._gateway.drop(float(body.get("for_s", 0)))
        return web.json_response({})
