"""The real system with the least rights: everything works, nobody is refused, and no secret comes to light.

One system for all: the bot comes to Redis as `bot`, the workers as `worker`, over TLS where a server is there that can
do it, as they would from another host. It logs all that it can, and is hurt on the way; what was written is looked at
last.
"""

import http.server
import pickle
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection

from shared import keys
from shared.jobs import GENERATE_QUEUE
from shared.models import ModelRecord
from shared.queues import TRANSPORT
from shared.settings import Settings
from tests.driver.client import pictures_of, text_of
from tests.e2e.acts import TINY, answered, buttons, labels, lasting, newest, press, slash, training_of, written
from tests.e2e.system import ANSWER_S, started
from tests.registered import stored
from tests.safety.system import TOKEN, GuardedSystem

AGREED = ("ada", "ben", "cleo")
TAVERN: dict[str, Any] = {"channel": "tavern"}
PATIENT_S = 400
"""A busy machine needs minutes for a training of seconds."""
pytestmark = [pytest.mark.process, pytest.mark.e2e, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedSystem]:
    """A system whose operator has turned learning from channels on; Ada allows #tavern."""
    for system in started(
        tmp_path_factory.mktemp("guarded"), GuardedSystem, CHANNEL_TRAINING="opt-in", LOG_LEVEL="DEBUG"
    ):
        assert isinstance(system, GuardedSystem)
        assert "may now learn from" in text_of(system.ask("!allow-training #tavern"))
        yield system


@pytest.fixture
def system(guarded: GuardedSystem) -> Iterator[GuardedSystem]:
    """It, to be used as people do: nobody is refused anything."""
    yield guarded
    assert guarded.server.refusals() == []


def agree(system: GuardedSystem, person: str) -> None:
    """Read what it means, and press the button."""
    where = {"person": person, **TAVERN}
    before = newest(system, **where)
    system.client.slash("optin", **where)
    question = answered(system, before, "what it means", "It may repeat you", **where)  # a card may come first
    system.client.click_label(question, "I agree", **where)
    system.client.wait_for(
        lambda: "You agreed" in text_of(system.client.message(question["id"], **where) or question), ANSWER_S
    )


def model_called(system: GuardedSystem, name: str) -> ModelRecord | None:
    """One of the server's models."""
    with system.redis as client:
        ids = client.hvals(keys.guild_models(int(system.client.world().guild_id)))
        records = [stored(client, model_id.decode()) for model_id in ids]
    return next((record for record in records if record is not None and record.name == name), None)


def test_a_channel_is_learned_and_forgotten(system: GuardedSystem) -> None:
    for person in AGREED:
        agree(system, person)
    card = system.ask(f"!train #tavern --name inn {TINY}", **TAVERN)
    card = system.wait_for_card(card, "is now this channel's model", timeout=PATIENT_S, **TAVERN)
    assert "Learn new messages" in labels(card)
    assert written(system.ask("!generate the kettle --length 40", **TAVERN)).startswith("**the kettle**")
    assert "❌" not in text_of(system.ask("!generate --length 40", **TAVERN))
    record = model_called(system, "inn")
    assert record is not None
    assert record.source_channels == (int(system.client.world().channels["tavern"]),)
    with system.redis as client:
        assert client.exists(keys.reading(record.readings[0].reading_id))
        assert not list(client.scan_iter("job:*:text")), "the text goes with its training"
    withdrawn = slash(system, "optout", person="ben", **TAVERN)
    assert "`inn`" in text_of(withdrawn)
    assert "You" in text_of(slash(system, "privacy", person="ada", **TAVERN))


def test_ones_own_words_make_a_model_of_ones_own(system: GuardedSystem) -> None:
    ben, world = {"person": "ben", **TAVERN}, system.client.world()
    agree(system, "ben")
    for number in range(40):  # what he wrote before he agreed does not count
        system.client.send(f"the kettle of the other boat, number {number}, whistles at the harbour", **ben)
    card = system.ask(f"!train @me #tavern {TINY}", **ben)
    system.wait_for_card(card, "The model is ready", "one member", timeout=PATIENT_S, **TAVERN)
    own = model_called(system, "like-me")
    assert own is not None
    (ref,) = own.readings
    with system.redis as client:
        members = client.hkeys(keys.reading_members(ref.reading_id))
        assert [member.decode() for member in members] == [world.users["ben"]]
        assert client.hget(keys.channel(int(world.channels["tavern"])), "model") != own.model_id.encode()
    typed = "!generate the kettle --model like-me --length 40"
    answer = system.ask(typed, **ben)
    assert written(answer).startswith("**the kettle**")
    assert "No model called `like-me`" in text_of(system.ask(typed, **TAVERN))
    assert "can no longer be used" in text_of(press(system, answer, "Continue", "❌", **TAVERN))
    assert "🔓" in text_of(system.ask("!model share like-me #tavern", **ben))
    assert written(system.ask(typed, **TAVERN)).startswith("**the kettle**")
    assert "opted out" in text_of(slash(system, "optout", **ben))
    system.client.wait_for(lambda: model_called(system, "like-me") is None, PATIENT_S, "the model to go")


def test_nobodys_words_are_logged(system: GuardedSystem) -> None:
    """Of what was said, learned and withdrawn above."""
    logs = "\n".join(path.read_text("utf-8") for path in (system.data / "logs").iterdir())
    assert "consent_changed" in logs
    assert "member_withdrew" in logs
    assert "kettle" not in logs


def test_a_model_goes_out_and_comes_back_and_is_deleted(system: GuardedSystem) -> None:
    for name in ("companion", "traveller"):
        system.add_model(name)
    answer = system.ask("!model export traveller")
    (attachment,) = answer["attachments"]
    data = system.client.fetch(attachment["url"])
    card = system.ask("!model import settler", files={"traveller.safetensors": data})
    assert "settler" in text_of(card)
    assert "❌" not in text_of(card)
    question = system.ask("!model delete settler")
    system.client.click_label(question, "Delete it")
    system.wait_for_card(question, "was deleted")
    (picture,) = pictures_of(system.ask("!surprise the sea"))
    assert system.client.fetch(picture).startswith(b"\x89PNG")
    quiz = system.ask("!quiz")
    assert list(buttons(quiz)) == ["A", "B", "C"]
    press(system, quiz, "B", "You guessed")
    for words in (
        "!compare the sea",
        "!generate the sea --mix traveller:70,companion:30",
        "!models",
        "!jobs",
        "!status",
        "!settings",
        "!quiz scores",
        "!chat on",
        f"<@{system.client.world().bot_user_id}> the sea",
        "!chat off",
    ):
        assert "❌" not in text_of(system.ask(words)), words


@pytest.mark.long
def test_trainings_on_a_text_are_begun_and_cancelled(system: GuardedSystem) -> None:
    long = system.ask(f"!train harbour {lasting(5)} --name first")
    waiting = system.ask(f"!train harbour {lasting(5)} --name second")
    system.wait_for_card(long, "Sample after epoch", timeout=PATIENT_S)
    assert "❌" not in text_of(system.ask(f"!cancel {training_of(waiting)}"))
    system.wait_for_card(waiting, "ancelled")
    assert "❌" not in text_of(system.ask(f"!cancel {training_of(long)}"))
    system.wait_for_card(long, "ancelled", timeout=PATIENT_S)


class Harmful:
    """Would make a file of whoever unpickles it."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self._mark,)


def test_a_worker_refuses_whatever_is_not_json(system: GuardedSystem, tmp_path: Path) -> None:
    system.add_model("steady")
    mark = tmp_path / "executed"
    payload = pickle.dumps(((), {"job": Harmful(mark)}, {}))
    fields: dict[str, Any] = {name.lower(): value for name, value in system.server.settings("bot").items()}
    sender = Settings(**fields)
    with Connection(sender.broker_url, transport_options=TRANSPORT) as connection, system.redis as client:
        for content in ("application/x-python-serialize", "application/x-yaml", "application/x-msgpack"):
            kind = {"content_type": content, "content_encoding": "binary"}
            headers = {"task": "worker.generate", "id": content}
            connection.Producer().publish(payload, routing_key=GENERATE_QUEUE, headers=headers, **kind)
        system.client.wait_for(lambda: not client.llen(GENERATE_QUEUE), PATIENT_S, "the worker to take them")
    assert "❌" not in text_of(system.ask("!generate the tide --length 20", timeout=PATIENT_S)), "it goes on"
    log = (system.data / "logs" / "generate.log").read_text("utf-8")
    assert log.count("Received invalid task message: Refusing to deserialize") == 3
    assert "Path.touch" not in log, "what a message says is nobody's business"
    assert not mark.exists()
    pickle.loads(payload)
    assert mark.exists(), "or it would have done no harm anyway"


def test_no_secret_comes_to_light_however_things_go_wrong(guarded: GuardedSystem) -> None:
    system = guarded
    system.add_model("constant")
    shown = system.command_lines()
    wrong = "a-wrong-password-0123456789"
    refused = re.compile(r"AuthenticationError|WRONGPASS|invalid username-password", re.IGNORECASE)
    not_his = re.compile("NoPermission|NOPERM|no permission", re.IGNORECASE)
    said = {
        "a bot with a wrong password": _until(system, "bot", refused, REDIS_PASSWORD=wrong),
        "a worker with a wrong password": _until(system, "generate", refused, REDIS_PASSWORD=wrong),
        "a worker that comes as the bot": _until(
            system, "train", not_his, REDIS_CA_FILE="", **system.server.settings("bot")
        ),
        "a bot whose token Discord refuses": _refused_by_discord(system),
    }
    system.server.stop()
    asked = system.client.send("!generate the tide")
    system.client.wait_for(lambda: system.answer_to(asked["id"]), PATIENT_S, "an answer without Redis")
    system.start_redis()
    for service in ("train", "generate"):
        system.wait_for_worker(service)

    def answered() -> bool:  # the bot may be told a little later that Redis is back
        return "❌" not in text_of(system.ask("!generate the tide --length 20", timeout=PATIENT_S))

    system.client.wait_for(answered, PATIENT_S, "a text, now that Redis is back")
    shown |= system.command_lines()

    said |= {path.name: path.read_text("utf-8") for path in (system.data / "logs").iterdir()}
    said["redis"] = system.server.log.read_text("utf-8")
    said["command lines"] = "\n".join(shown)
    assert "Connection to broker lost" in said["generate.log"], "nothing went wrong after all"
    for secret in (TOKEN, TOKEN.rpartition(".")[2], wrong, *system.server.secrets_as_written()):
        for place, text in said.items():
            assert secret not in text, f"{secret[:6]}... is in what {place} wrote"


def _until(system: GuardedSystem, name: str, words: re.Pattern[str], **changes: str) -> str:
    """All that a part of its own writes, with other settings, until it has written these words."""
    process = system.run_part(name, **changes)
    assert process.stdout is not None
    killer = threading.Timer(PATIENT_S, process.kill)
    killer.start()
    seen = ""
    for line in process.stdout:
        seen += line
        if words.search(line):
            process.terminate()
            break
    seen += process.stdout.read()
    process.wait(60)
    killer.cancel()
    assert words.search(seen), f"{name} wrote:\n{seen[-3_000:]}"
    return seen


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
            words = re.compile("Discord refused the DISCORD_TOKEN")
            return _until(system, "bot", words, DISCORD_API_URL=f"http://127.0.0.1:{discord.server_port}/api/v10")
        finally:
            discord.shutdown()
