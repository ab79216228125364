"""Assembles the playground's parts into one HTTP server."""

import asyncio
import secrets
import socket

from aiohttp import web

from galvanic.errors import UserError
from playground.control import Control
from playground.gateway import Gateway
from playground.guard import TOKEN, Guard
from playground.interactions import Interactions
from playground.live import Live
from playground.people import People
from playground.resolve import Resolver
from playground.rest import Rest
from playground.world import World

HOST = "127.0.0.1"
_MAX_REQUEST = 140 * 2**20  # a body may hold ten files of 10 MiB, in base64


def open_port(port: int, host: str = HOST) -> socket.socket:
    """Bind a port of this machine (0: any free one), before anything else is made: URLs in messages carry the port.

    `host`: the addresses where others can connect; people, pages and the bot know us as HOST in any case.

    Raises UserError: it is taken or not allowed.
    """
    try:
        # It sets SO_REUSEADDR: else a restart would wait until the system forgets the last connections.
        return socket.create_server((host, port))
    except OSError as error:
        problem = f"Port {port} on {host} is taken or not allowed."
        raise UserError(problem, "Set PORT to a free one above 1023.") from error


class Playground:
    """A local Discord on an open port. Routes can be added to `app` until it is served.

    It keeps nothing: each start is a fresh Discord. `bot_token`: of the bot that is let in. `page_token`: opens the
    page; None: a new one.
    """

    def __init__(self, listener: socket.socket, *, bot_token: str, page_token: str | None = None) -> None:
        self._listener = listener
        self.port: int = listener.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}"
        page_token = page_token or secrets.token_urlsafe(16)
        self.address = f"{self.url}/?{TOKEN}={page_token}"
        """The address that a person opens."""
        self.world = World(self.url)
        self.gateway = Gateway(self.world, bot_token)
        self.resolver = Resolver(self.world)
        self.people = People(self.world)
        self.interactions = Interactions(self.world, self.gateway, self.people, self.resolver)
        self._live = Live(self.world, self.gateway, self.people, self.interactions)
        guard = Guard(self.port, page_token, self.world.cdn.key)
        self.app = web.Application(middlewares=[guard.middleware], client_max_size=_MAX_REQUEST)
        self.rest = Rest(self.world, bot_token)
        self.app.add_routes(
            [
                *self.rest.routes(),
                web.get("/gateway", self.gateway.handle),
                web.get("/gateway/", self.gateway.handle),
                *Control(self.people, self.interactions, self.resolver).routes(),
                *self._live.routes(),
            ]
        )

    async def serve(self, stop: asyncio.Event) -> None:
        runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.SockSite(runner, self._listener).start()
        try:
            await stop.wait()
        finally:
            await self._live.close()
            await self.gateway.close()
            await runner.cleanup()
