"""The real system with the least rights: everything works, nobody is refused, and no secret comes to light.

One system for all: the bot comes to Redis as `bot`, the workers as `worker`, over TLS where a server is there that can
do it, as they would from another host. It logs all that it can, and is hurt on the way; what was written is looked at
last.
"""

from __future__ import annotations

import base64
import http.server
import json
import pickle
import subprocess
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from playground.client import text_of
from shared.jobs import GENERATE_QUEUE
from tests.e2e.acts import TINY, press, slash, training_of, written
from tests.e2e.system import ANSWER_S, started
from tests.safety.system import TOKEN, GuardedSystem

AGREED = ("ada", "ben", "cleo")
TAVERN = {"channel": "tavern"}
pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedSystem]:
    for system in started(
        tmp_path_factory.mktemp("guarded"), GuardedSystem, CHANNEL_TRAINING="opt-in", LOG_LEVEL="DEBUG"
    ):
        assert isinstance(system, GuardedSystem)
        yield system


def test_a_text_is_learned_and_written(system: GuardedSystem) -> None:
    card = system.wait_for_card(system.ask(f"!train harbour --name quay {TINY}"), "is now this channel's model")
    assert written(system.ask("!generate the tide --length 40")).startswith("**the tide**")
    assert "❌" not in text_of(press(system, card, "Train more"))


def test_a_channel_is_learned_and_forgotten(system: GuardedSystem) -> None:
    assert "may now learn from" in text_of(system.ask("!allow-training #tavern"))
    for person in AGREED:
        question = slash(system, "optin", person=person, **TAVERN)
        system.client.click_label(question, "I agree", person=person, **TAVERN)
        system.client.wait_for(
            lambda asked=question, by=person: (
                "You agreed" in text_of(system.client.message(asked["id"], person=by, **TAVERN) or asked)
            ),
            ANSWER_S,
        )
    card = system.ask(f"!train #tavern --name inn {TINY}", **TAVERN)
    system.wait_for_card(card, "is now this channel's model", **TAVERN)
    assert "❌" not in text_of(system.ask("!generate the kettle --length 40", **TAVERN))
    withdrawn = slash(system, "optout", person="ben", **TAVERN)
    assert "`inn`" in text_of(withdrawn)
    assert "You" in text_of(slash(system, "privacy", person="ada", **TAVERN))


def test_a_model_goes_out_and_comes_back_and_is_deleted(system: GuardedSystem) -> None:
    system.add_model("traveller")
    answer = system.ask("!model export traveller")
    (attachment,) = answer["attachments"]
    data = system.client.fetch(attachment["url"])
    card = system.ask("!model import settler", files={"traveller.galvanic": data})
    assert "settler" in text_of(card)
    assert "❌" not in text_of(card)
    press(system, system.ask("!model delete settler"), "Delete", "deleted")
    for command in (
        "compare the sea",
        "surprise the sea",
        "mix traveller 70 quay 30 the sea",
        "models",
        "jobs",
        "status",
    ):
        assert "❌" not in text_of(system.ask(f"!{command}")), command


def test_settings_are_changed(system: GuardedSystem) -> None:
    assert "❌" not in text_of(system.ask("!settings"))
    assert "❌" not in text_of(system.ask("!chat on"))
    assert "❌" not in text_of(system.ask("!chat off"))


def test_a_waiting_training_is_cancelled(system: GuardedSystem) -> None:
    long = system.ask("!train harbour --name first --minutes 5")
    waiting = system.ask("!train harbour --name second --minutes 5")
    assert "❌" not in text_of(system.ask(f"!cancel {training_of(waiting)}"))
    system.wait_for_card(waiting, "ancelled")
    assert "❌" not in text_of(system.ask(f"!cancel {training_of(long)}"))
    system.wait_for_card(long, "ancelled")


def test_a_worker_that_stops_hands_back_and_another_goes_on(system: GuardedSystem) -> None:
    card = system.ask("!train harbour --name third --epochs 3 --layers 1 --units 32 --batch 8")
    system.wait_for_card(card, "Finish now")
    system.stop_part("train")
    system.start_part("train")
    system.wait_for_card(card, "is now this channel's model")


class Harmful:
    """Would make a file of whoever unpickles it."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self._mark,)


def test_a_worker_refuses_whatever_is_not_json(system: GuardedSystem, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    payload = pickle.dumps(((), {"job": Harmful(mark)}, {}))
    with system.redis as client:
        for content in ("application/x-python-serialize", "application/x-yaml", "application/x-msgpack"):
            client.lpush(GENERATE_QUEUE, _message(payload, content))
        system.client.wait_for(lambda: not client.llen(GENERATE_QUEUE), ANSWER_S, "the worker to take them")
    assert "❌" not in text_of(system.ask("!generate the tide --length 20")), "it goes on with what is well-formed"
    log = (system.data / "logs" / "generate.log").read_text("utf-8")
    assert log.count("ContentDisallowed") >= 3
    assert not mark.exists()
    pickle.loads(payload)
    assert mark.exists(), "or it would have done no harm anyway"


def _message(body: bytes, content: str) -> str:
    """As kombu lays it into Redis."""
    number = str(uuid.uuid4())
    properties = {
        "correlation_id": number,
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": GENERATE_QUEUE},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": number,
    }
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "binary",
            "content-type": content,
            "headers": {"lang": "py", "task": "galvanic.generate", "id": number, "root_id": number},
            "properties": properties,
        }
    )


def test_nobody_was_refused_anything(system: GuardedSystem) -> None:
    assert system.server.refusals() == []


def test_no_secret_comes_to_light_however_things_go_wrong(system: GuardedSystem) -> None:
    shown = system.command_lines()
    wrong = "a-wrong-password-0123456789"
    said = {
        "bot with a wrong password": _end_of(system, "bot", REDIS_PASSWORD=wrong),
        "worker with a wrong password": _end_of(system, "generate", REDIS_PASSWORD=wrong),
        "worker that must not": _end_of(system, "train", **system.server.settings("bot")),
        "bot with a token that Discord refuses": _refused_by_discord(system),
    }
    assert "Discord refused the DISCORD_TOKEN" in said["bot with a token that Discord refuses"]
    for case in list(said)[:3]:
        assert said[case], case
    system.server.stop()
    asked = system.client.send("!generate the tide")
    system.client.wait_for(lambda: system.answer_to(asked["id"]), ANSWER_S, "an answer without Redis")
    system.server.start()
    for service in ("train", "generate"):
        system.wait_for_worker(service)
    assert "❌" not in text_of(system.ask("!generate the tide --length 20"))
    shown |= system.command_lines()

    said |= {path.name: path.read_text("utf-8") for path in (system.data / "logs").iterdir()}
    said["redis"] = system.server.log.read_text("utf-8")
    said["command lines"] = "\n".join(shown)
    assert "redis_unreachable" in said["train.log"], "nothing went wrong after all"
    for secret in (TOKEN, TOKEN.rpartition(".")[2], wrong, *system.server.secrets_as_written()):
        for place, text in said.items():
            assert secret not in text, f"{secret[:6]}... is in what {place} wrote"


def _end_of(system: GuardedSystem, name: str, **changes: str) -> str:
    """What a part of its own writes that runs for a while with other settings."""
    process = system.run_part(name, **changes)
    try:
        return process.communicate(timeout=12)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


def _refused_by_discord(system: GuardedSystem) -> str:
    class Refuses(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert TOKEN in self.headers["Authorization"]
            self.send_response(401)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"message": "401: Unauthorized", "code": 0}')

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as discord:
        threading.Thread(target=discord.serve_forever, daemon=True).start()
        try:
            return _end_of(system, "bot", DISCORD_API_URL=f"http://127.0.0.1:{discord.server_port}/api/v10")
        finally:
            discord.shutdown()
