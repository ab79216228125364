"""The playground's Discord fails on demand."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request

import aiohttp
import pytest

from shared.errors import UserError
from tests.playground.processes import Server

ME = "/api/v10/users/@me"


def ask(server: Server) -> tuple[int, dict[str, str], dict[str, object]]:
    request = urllib.request.Request(server.url + ME, headers={"Authorization": "Bot x"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, dict(response.headers), json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), json.load(error)


def test_a_request_fails_as_often_as_it_is_to(server: Server) -> None:
    server.client.add_fault("GET", "/users/@me", 500, code=7, times=2)
    assert [ask(server)[0] for _ in range(3)] == [500, 500, 200]
    server.client.add_fault("GET", "/users/@me", 500, times=1_000)
    server.client.clear_faults()
    assert ask(server)[0] == 200


def test_a_limit_says_how_long_to_wait(server: Server) -> None:
    server.client.add_fault("GET", "/users/@me", 429, retry_after=1.5)
    status, headers, body = ask(server)
    assert (status, body["retry_after"]) == (429, 1.5)
    assert "Via" in headers
    server.client.add_fault("GET", "/users/@me", 429)
    assert "Via" not in ask(server)[1]
    server.client.add_fault("GET", "/users/@me", 429, retry_after=1.5, guard=True)
    status, headers, body = ask(server)
    assert (status, headers["Retry-After"]) == (429, "1.5")
    assert "Via" not in headers
    assert "retry_after" not in body


def test_what_is_no_fault_is_refused(server: Server) -> None:
    with pytest.raises(UserError, match="no fault"):
        server.client.add_fault("GET", "(", 500)
    with pytest.raises(UserError, match="no fault"):
        server.client.add_fault("GET", ".*", 500, colour="red")


async def test_the_gateway_is_cut_and_stays_away(server: Server) -> None:
    url = server.url.replace("http", "ws") + "/gateway"
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url) as socket:
            await socket.receive(timeout=10)
            await asyncio.to_thread(server.client.drop_gateway, 600)
            assert (await socket.receive(timeout=10)).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url)
        await asyncio.to_thread(server.client.drop_gateway, 0)
        async with session.ws_connect(url) as socket:
            assert (await socket.receive(timeout=10)).type == aiohttp.WSMsgType.TEXT
