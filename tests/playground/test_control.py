"""The control API without a bot: its protection, and what a person may not do."""

import asyncio
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from galvanic.errors import UserError
from playground.places import CHANNEL_IDS, GUILD_ID, USER_IDS
from playground.world import World
from tests.driver import BOT_TOKEN
from tests.playground.processes import Server

AS_BOT = {"Authorization": f"Bot {BOT_TOKEN}"}


def status(url: str, headers: dict[str, str], body: bytes | None = None) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.mark.parametrize("token", ["", "x", BOT_TOKEN, "é"])
async def test_nobody_gets_in_without_the_printed_address(server: Server, token: str) -> None:
    """Another account of this machine, which knows the port, and has the token of no run or of an earlier one."""
    name = server.client.headers["Cookie"].partition("=")[0]
    own = {"Authorization": f"Bot {token}x", "Cookie": f"{name}={token}"}
    live = {"Origin": server.url, "Cookie": own["Cookie"]}
    said = await asyncio.to_thread(server.client.send, "mine", files={"a.txt": b"a"})
    file = said["attachments"][0]["url"].partition("?")[0]
    async with aiohttp.ClientSession() as session:
        for path in ("/", f"/?token={token}", "/static/app.js", "/control/world", "/control/messages", "/nothing"):
            async with session.get(server.url + path, headers=own) as answer:
                assert answer.status == 403, path
                assert "Open the address that the playground printed" in await answer.text()
        async with session.post(f"{server.url}/control/messages", headers=own, json={"as": "ada"}) as answer:
            assert answer.status == 403
        async with session.get(f"{file}?key={token}", headers=own) as answer:
            assert answer.status == 403
        for path in ("gateway", "users/@me", "channels/1/messages", "webhooks/1"):
            async with session.get(f"{server.url}/api/v10/{path}", headers=own) as answer:
                assert answer.status == 401, path
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(f"{server.url}/control/live?as=ada", headers=live)
        async with session.ws_connect(f"{server.url}/gateway") as gateway:
            await gateway.receive_json(timeout=10)
            await gateway.send_json({"op": 2, "d": {"token": token, "intents": 0}})
            assert (await gateway.receive(timeout=10)).data == 4004 or token == BOT_TOKEN


def test_half_a_character_of_the_page_becomes_a_whole_one(server: Server) -> None:
    said = server.client.send('"\ud83d" and "\udc00\ud800" or \ud83d\ude00')
    assert said["content"] == '"\ufffd" and "\ufffd\ufffd" or \N{GRINNING FACE}'


def test_blanks_around_a_message_are_taken_off(server: Server) -> None:
    assert server.client.send("\n hello \n")["content"] == "hello"


async def test_the_printed_address_is_kept_as_a_cookie(server: Server) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        async with session.get(f"{server.client.address}&as=ben", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/?as=ben"), "the token leaves the address bar"
            assert {"HttpOnly", "SameSite=Strict"} <= set(answer.headers["Set-Cookie"].split("; "))
        for path in ("/", "/static/app.js"):
            async with session.get(server.url + path) as answer:
                assert answer.status == 200


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone gives a machine all of 127.0.0.0/8")
def test_other_addresses_are_listened_to_if_asked_and_guarded_as_the_usual_one(server: Server, tmp_path: Path) -> None:
    def elsewhere(asked: Server) -> str:
        return f"{asked.client.address.replace('127.0.0.1', '127.0.0.2')}&as=ben"

    with pytest.raises(urllib.error.URLError, match="refused"):
        status(elsewhere(server), {})
    published = Server(tmp_path, GALVANIC_PLAYGROUND_LISTEN="0.0.0.0")
    try:
        host = {"Host": published.url.removeprefix("http://")}
        page = elsewhere(published).partition("?")[0]
        assert status(elsewhere(published), {}) == 403, "another name than this machine's"
        assert status(page, host) == 403, "no token"
        assert status(page, host | {"Cookie": published.client.headers["Cookie"]}) == 200
    finally:
        assert published.stop() == 0


def test_what_stands_for_a_token_cannot_be_guessed() -> None:
    world = World("http://127.0.0.1:1")
    lab, ada = CHANNEL_IDS["lab"], USER_IDS["ada"]
    interaction, hook = world.new_interaction(2, lab, ada, GUILD_ID), world.create_webhook(lab, "Mary", ada)
    assert world.interaction_by_token(interaction.token) is interaction
    assert world.webhook_tokens == {hook.token: hook.id}
    for thing in (interaction, hook):
        assert str(thing.id) not in thing.token
        assert len(thing.token) > 24


@pytest.mark.parametrize("path", ["/", "/control/world", "/api/v10/gateway", "/gateway", "/control/live?as=ada"])
@pytest.mark.parametrize(
    "foreign",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},  # another port of this machine
    ],
)
def test_other_pages_are_refused(server: Server, path: str, foreign: dict[str, str]) -> None:
    assert status(server.url + path, {**server.client.headers, **AS_BOT, **foreign}) == 403


def test_own_page_is_let_in(server: Server) -> None:
    headers = server.client.headers
    assert status(f"{server.url}/control/world", {**headers, "Origin": server.url}) == 200
    port = server.url.rsplit(":", 1)[1]
    assert status(server.url, {**headers, "Host": f"localhost:{port}"}) == 200


async def receive(socket: aiohttp.ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    while True:
        frame: dict[str, Any] = await socket.receive_json(timeout=10)
        if frame["type"] == kind:
            return frame


async def test_page_is_told_of_each_change(server: Server) -> None:
    client = server.client
    url = server.url.replace("http", "ws") + "/control/live?as=ben"
    async with aiohttp.ClientSession() as session, session.ws_connect(url, headers=client.headers) as socket:
        hello = await receive(socket, "hello")
        assert hello["state"]["bot"]["online"] is False
        assert {channel["name"] for channel in hello["state"]["channels"]} >= {"lab", "library"}
        said = await asyncio.to_thread(client.send, "<b>hi</b>", files={"page.html": b"<script>alert(1)</script>"})
        message = (await receive(socket, "message"))["message"]
        assert message["id"] == said["id"]
        assert message["html"] == '<div class="text">&lt;b&gt;hi&lt;/b&gt;</div>'
        assert message["attachments"][0]["url"].startswith("/cdn/")
        await asyncio.to_thread(client.delete, said["id"])
        assert (await receive(socket, "gone"))["id"] == said["id"]


def test_sent_page_is_not_shown_as_a_page(server: Server) -> None:
    said = server.client.send(files={"page.html": b"<script>alert(1)</script>", "../../x.svg": b"<svg/>"})
    assert [item["filename"] for item in said["attachments"]] == ["page.html", "x.svg"]
    for item in said["attachments"]:
        with urllib.request.urlopen(item["url"], timeout=10) as response:
            assert response.headers["Content-Disposition"] == "attachment"
            assert "sandbox" in response.headers["Content-Security-Policy"]
            assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda c: c.send("  "), "empty"),
        (lambda c: c.send("x" * 2001), "2,000 characters"),
        (lambda c: c.send("x", person="cleo"), "permission"),
        (lambda c: c.send("x", person="nobody"), "no person 'nobody'"),
        (lambda c: c.send("x", channel="nowhere"), "no channel 'nowhere'"),
        (lambda c: c.send("x", files={f"{n}.txt": b"" for n in range(11)}), "at most 10 files"),
        (lambda c: c.slash("x"), "no command /x"),
        (lambda c: c.click("1", "x"), "no such message"),
        (lambda c: c.click(c.messages()[0]["id"], "x"), "no such control"),
        (lambda c: c.delete("1"), "no such message"),
        (lambda c: c.react("1", "🔥"), "no such message"),
        (lambda c: c.react(c.send("x")["id"], "🔥", person="cleo", channel="cellar"), "no such message"),
    ],
)
def test_what_discord_would_not_do(server: Server, call: Any, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        call(server.client)


DEEP = b"[" * 100_000 + b"]" * 100_000
IN_LAB = b'{"as": "ada", "channel": "lab", '


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"{", b'{"as": "ada"}', b'{"as": 1, "channel": "lab"}', DEEP),
        *(IN_LAB + field for field in (b'"reply_to": 1e999}', b'"reply_to": "\xc2\xb2"}', b'"attachments": [1]}')),
    ],
)
def test_malformed_request_is_told_so(server: Server, body: bytes) -> None:
    assert status(f"{server.url}/control/messages", server.client.headers, body) == 400


def test_a_second_reaction_takes_the_first_one_back(server: Server) -> None:
    message = server.client.send("x")
    for person, count in (("ada", 1), ("ben", 2), ("ada", 1), ("ben", 0)):
        server.client.react(message["id"], "🔥", person=person)
        shown = server.client.message(message["id"])
        assert shown is not None
        assert sum(reaction["count"] for reaction in shown["reactions"]) == count


def test_api_needs_a_token(server: Server) -> None:
    assert status(f"{server.url}/api/v10/users/@me", {}) == 401
    assert status(f"{server.url}/api/v10/users/@me", {"Authorization": "Bot x"}) == 401
    assert status(f"{server.url}/api/v10/users/@me", {"Authorization": "Bot \xff"}) == 401, "not UTF-8"
    assert status(f"{server.url}/api/v10/users/@me", AS_BOT) == 200


def test_unknown_route_is_no_success(server: Server) -> None:
    assert status(f"{server.url}/api/v10/nothing/here", AS_BOT) == 501


def test_malformed_rest_request(server: Server) -> None:
    lab = server.client.world().channels["lab"]
    url = f"{server.url}/api/v10/channels/{lab}/messages"
    assert status(url, {**AS_BOT, "Content-Type": "application/json"}, b"{") == 400
    for body in (DEEP, b'{"embeds": ["x"]}', b'{"content": "x", "poll": "x"}', b'{"content": "x", "flags": 1e999}'):
        assert status(url, AS_BOT, body) == 400, body[:40]


@pytest.mark.parametrize("path", ["abc", "1e5", "9" * 5_000, "9" * 20, "%F0%9F%98%80", "..%2f..", "%C2%B2"])
def test_there_is_no_such_file(server: Server, path: str) -> None:
    assert status(f"{server.url}/cdn/attachments/1/{path}/x.txt", server.client.headers) == 404
