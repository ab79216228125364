"""What Discord refuses, asked of the REST interface itself, and what people find in messages that it took."""

import io
import json
import urllib.error
import urllib.request
from collections import Counter
from typing import Any

import aiohttp
import pytest

from galvanic.errors import UserError
from shared.corpora.corpus import LEAST_CHARS
from tests.driver import BOT_TOKEN
from tests.playground.processes import Server

AS_BOT = {"Authorization": f"Bot {BOT_TOKEN}"}
TEXT = {"type": 2, "style": 1, "custom_id": "x"}


def call(server: Server, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    headers = {**AS_BOT, "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"{server.url}/api/v10{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.loads(response.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def embed(**parts: Any) -> dict[str, Any]:
    return {"embeds": [parts]}


def row(*components: dict[str, Any]) -> dict[str, Any]:
    return {"content": "x", "components": [{"type": 1, "components": list(components)}]}


FITS = [
    embed(fields=[{"name": "n", "value": "v" * 200}] * 25),
    row({**TEXT, "custom_id": "x" * 100, "label": "y" * 80}),
    row({**TEXT, "emoji": {"name": "⚡"}}),
]
TOO_MUCH = [
    {"content": "x" * 2_001},
    embed(fields=[{"name": "n", "value": " "}]),
    embed(fields=[{"name": "", "value": "v"}]),
    embed(title="x", footer={"text": ""}),
    embed(title="x", footer={}),
    embed(title="x", image={"url": "file:///etc/passwd"}),
    row(TEXT),
    {"content": "x", "nonce": "n" * 26},
]


@pytest.mark.parametrize("body", FITS, ids=range(len(FITS)))
def test_message_that_just_fits(server: Server, body: dict[str, Any]) -> None:
    lab = server.client.world().channels["lab"]
    status, answer = call(server, "POST", f"/channels/{lab}/messages", body)
    assert status == 200, answer
    status, answer = call(server, "PATCH", f"/channels/{lab}/messages/{answer['id']}", body)
    assert status == 200, answer


@pytest.mark.parametrize("body", TOO_MUCH, ids=range(len(TOO_MUCH)))
def test_message_that_is_too_much(server: Server, body: dict[str, Any]) -> None:
    lab = server.client.world().channels["lab"]
    status, answer = call(server, "POST", f"/channels/{lab}/messages", body)
    assert (status, answer["code"]) in [(400, 50035), (400, 50006)], answer


def test_history_is_paged_as_discord_pages_it(server: Server) -> None:
    made = server.client.create_channel("archive", history=330)
    everything = server.client.messages(channel=made)
    assert len(everything) == 330
    ids = [message["id"] for message in everything]
    assert ids == sorted(ids, key=int)
    path = f"/channels/{made}/messages"

    def page(query: str) -> list[str]:
        return [message["id"] for message in call(server, "GET", f"{path}?{query}")[1]]

    assert page("limit=100") == ids[:-101:-1]
    assert page("") == ids[:-51:-1]
    assert page(f"limit=3&after={ids[9]}") == [ids[12], ids[11], ids[10]]
    assert page("limit=2&after=0") == [ids[1], ids[0]]
    assert page(f"limit=3&before={ids[9]}") == [ids[8], ids[7], ids[6]]
    assert page(f"limit=3&before={ids[1]}") == [ids[0]]
    assert page(f"after={ids[-1]}") == []
    for wrong in ("0", "101", "x"):
        assert call(server, "GET", f"{path}?limit={wrong}")[0] == 400
    server.client.deny_bot("read_message_history", channel=made)
    assert page("limit=3") == []
    server.client.deny_bot("view_channel", channel=made)
    assert call(server, "GET", path)[0] == 403
    server.client.delete_channel(made)


def test_tavern_has_enough_to_learn_from_of_each_person_alone(server: Server) -> None:
    chars = Counter[str]()
    for message in server.client.messages(channel="tavern"):
        chars[message["author"]["username"]] += len(message["content"])
    assert set(chars) == {"ada", "ben", "cleo", "dora"}
    assert min(chars.values()) > 1.2 * LEAST_CHARS


async def test_files_have_a_limit(server: Server) -> None:
    big = {"big.bin": bytes(11 * 2**20)}
    with pytest.raises(Exception, match=r"larger than 10 MiB, .* Discord takes here.*CORPORA_DIR"):
        server.client.send(files=big)
    lab = server.client.world().channels["lab"]
    url = f"{server.url}/api/v10/channels/{lab}/messages"
    data = {"files[0]": io.BytesIO(big["big.bin"])}
    async with aiohttp.ClientSession() as session, session.post(url, headers=AS_BOT, data=data) as answer:
        assert (await answer.json())["code"] == 40005


def test_nobody_is_pinged_against_allowed_mentions(server: Server) -> None:
    client, world = server.client, server.client.world()
    body = {"content": f"<@{world.users['ada']}> @everyone", "allowed_mentions": {"parse": []}}
    answer = client.message(call(server, "POST", f"/channels/{world.channels['lab']}/messages", body)[1]["id"])
    assert answer is not None
    assert answer["mention_everyone"] is False
    assert answer["mentions"] == answer["mention_roles"] == []
    said = client.send(f"<@{world.users['ben']}>, @everyone")
    assert [user["username"] for user in said["mentions"]] == ["ben"]
    assert said["mention_everyone"] is True, "Ada may call everyone"
    assert client.send("@everyone", person="ben")["mention_everyone"] is False


# ---------------------------------------------------------------------- menus of roles and channels


@pytest.fixture
def menus(server: Server) -> str:
    """The id of a message with a menu of roles and one of text channels."""
    roles = {"type": 6, "custom_id": "roles", "min_values": 0, "max_values": 3}
    channels = {"type": 8, "custom_id": "channels", "channel_types": [0], "max_values": 2}
    body = {"components": [{"type": 1, "components": [menu]} for menu in (roles, channels)], "content": "menus"}
    lab = server.client.world().channels["lab"]
    return str(call(server, "POST", f"/channels/{lab}/messages", body)[1]["id"])


@pytest.mark.parametrize(
    ("menu", "values", "problem"),
    [
        ("roles", ["Readers", "Writers", "Moderators", "Stewards"], "not choices"),
        ("roles", ["Writers", "Writers"], "not choices"),
        ("channels", [], "not choices"),
        ("roles", ["Guests"], "no role 'Guests'"),
        ("channels", ["atrium"], "no channel 'atrium'"),
        ("channels", ["dm"], "no channel 'dm'"),
        ("nothing", ["lab"], "no such control"),
    ],
)
def test_what_a_menu_does_not_offer(server: Server, menus: str, menu: str, values: list[str], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        server.client.select(menus, menu, values)


def test_channel_that_one_does_not_see_cannot_be_chosen(server: Server, menus: str) -> None:
    with pytest.raises(UserError, match="no channel 'cellar'"):
        server.client.select(menus, "channels", ["cellar"], person="cleo")


def test_thread_is_no_text_channel(server: Server, menus: str) -> None:
    server.client.create_thread("a corner")
    with pytest.raises(UserError, match="not the kind of channel"):
        server.client.select(menus, "channels", ["a corner"])
    server.client.delete_channel("a corner")
