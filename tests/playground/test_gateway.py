"""A connection that is lost, by itself."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import discord
from aiohttp import web

from playground.gateway import Connection
from playground.world import World


def test_a_lost_connection_keeps_no_more_than_can_be_resumed() -> None:
    socket = SimpleNamespace(closed=False)
    outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    connection = Connection(World("http://127.0.0.1:1"), cast(web.WebSocketResponse, socket), outbox)
    connection.intents = discord.Intents.all()
    connection.feed("TYPING_START", {"channel_id": "1"})
    socket.closed = True
    for _ in range(2_000):
        connection.feed("TYPING_START", {"channel_id": "1"})
    assert outbox.qsize() == 1

    again: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    socket = SimpleNamespace(closed=False)
    resumed = Connection(World("http://127.0.0.1:1"), cast(web.WebSocketResponse, socket), again)
    resumed.resume(connection, 1_999)
    frames = [again.get_nowait() for _ in range(again.qsize())]
    assert [(frame["s"], frame["t"]) for frame in frames] == [
        (2_000, "TYPING_START"),
        (2_001, "TYPING_START"),
        (2_002, "RESUMED"),
    ]
