"""Celery's own commands, with nothing but the settings and the Redis user of workers: they start workers, and ask."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import redis
from celery import Celery

from shared import keys, presence
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE
from shared.queues import TRANSPORT, send
from shared.settings import Settings, read_settings
from shared.version import DATA_VERSION
from tests import factories, lives
from tests.processes import wait_until
from tests.safety.server import Server

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[2]
CELERY = (sys.executable, "-m", "celery", "-A", "worker.app")
OPTIONS = {TRAIN_QUEUE: ("-Q", TRAIN_QUEUE, "-c", "1"), GENERATE_QUEUE: ("-Q", GENERATE_QUEUE)}
EX_CONFIG = 78
SECRET = "marmalade and moonlight"


class Started(NamedTuple):
    process: subprocess.Popen[bytes]
    data: Path

    @property
    def log(self) -> str:
        return (self.data / "log").read_text("utf-8")


def environment(server: Server, user: str, data: Path) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    return own | server.settings(user) | {"DATA_DIR": str(data), "PYTHONPATH": os.pathsep.join(sys.path)}


def asked(server: Server, user: str, data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*CELERY, *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment(server, user, data), capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="module")
def workers(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Started]]:
    """One for each queue."""
    started = {}
    for queue, options in OPTIONS.items():
        data = tmp_path_factory.mktemp(queue)
        command = [*CELERY, "worker", *options]
        with (data / "log").open("wb") as log:
            own = environment(server, "worker", data)
            started[queue] = Started(subprocess.Popen(command, cwd=data, env=own, stdout=log, stderr=log), data)
    with server.client("admin") as client:
        wait_until(lambda: all(presence.alive(client, queue) for queue in OPTIONS), 60)
        yield started
        for one in started.values():
            one.process.terminate()
        assert [one.process.wait(120) for one in started.values()] == [0, 0]
        assert not client.acl_log(), "a user was refused something"


def test_each_has_the_pool_that_its_queue_needs(workers: dict[str, Started], server: Server) -> None:
    done = asked(server, "admin", workers[TRAIN_QUEUE].data, "inspect", "stats", "--json")
    pools = {name.partition("-")[0]: stats["pool"] for name, stats in json.loads(done.stdout).items()}
    assert pools[TRAIN_QUEUE]["implementation"].endswith("prefork:TaskPool")
    assert pools[TRAIN_QUEUE]["max-concurrency"] == 1
    assert pools[TRAIN_QUEUE]["max-tasks-per-child"] == 1
    assert pools[GENERATE_QUEUE]["implementation"].endswith("thread:TaskPool")
    assert pools[GENERATE_QUEUE]["max-concurrency"] > 1


def test_they_answer_the_operator(workers: dict[str, Started], server: Server, tmp_path: Path) -> None:
    for command, expected in (("ping", "pong"), ("registered", "* worker.train"), ("active", "- empty -")):
        done = asked(server, "admin", tmp_path, "inspect", command)
        assert done.returncode == 0, done.stderr
        assert set(re.findall(r"->  (\w+)-\w+@", done.stdout)) == {*OPTIONS}
        assert done.stdout.count(expected) == 2


def heard(pubsub: redis.client.PubSub) -> str:
    """What was published since the last call, with the bodies of Celery's messages unpacked."""
    found = []
    while message := pubsub.get_message(ignore_subscribe_messages=True, timeout=1):
        data = message["data"].decode()
        found += [data, base64.b64decode(json.loads(data)["body"]).decode()]
    return "\n".join(found)


def test_celery_shows_the_name_of_a_job_and_nothing_that_people_wrote(
    workers: dict[str, Started], server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = factories.generate_job(seed=SECRET, blocked=(SECRET,))
    corpus = factories.corpus(title=SECRET, name=SECRET, source="upload")
    training, another = (factories.train_job(job_id=job_id, corpus=corpus) for job_id in ("t-1", "t-2"))
    # Another's process comes later, with the settings that its worker has.
    (workers[TRAIN_QUEUE].data / ".env").write_text("LOG_LEVEL=loud\n", "utf-8")
    for name, value in server.settings("bot").items():
        monkeypatch.setenv(name, value)
    sender = Celery(broker=read_settings().broker_url, set_as_current=False, task_serializer="json")
    sender.conf.broker_transport_options = TRANSPORT
    with server.client("admin") as client, client.pubsub() as pubsub:
        pubsub.psubscribe("*")
        for job in (text, training, another):
            lives.enter(client, job)
            _, attempt, nonce = lives.message(client, job.job_id)
            send(sender, job, attempt, nonce)
        wait_until(lambda: all(client.hget(keys.job(one), "state") == b"over" for one in ("t-1", "t-2", "g-1")), 60)
        told = heard(pubsub)
    for what in ("active", "reserved", "scheduled", "stats"):
        told += asked(server, "admin", tmp_path, "inspect", what).stdout
    told += "".join(one.log for one in workers.values())
    assert f"train for server {training.place.guild_id}" in told
    assert f"generate for server {text.place.guild_id}" in told
    assert SECRET not in told


def test_a_trainings_process_stays(workers: dict[str, Started]) -> None:
    serving = psutil.Process(workers[TRAIN_QUEUE].process.pid)
    children = [one for one in serving.children() if "spawn_main" in " ".join(one.cmdline())]
    assert len(children) == 1


@pytest.mark.parametrize("queue", OPTIONS)
def test_data_of_another_version_is_refused(queue: str, server: Server, tmp_path: Path) -> None:
    with server.client("admin") as client:
        client.set(keys.VERSION, DATA_VERSION + 1)
        try:
            done = asked(server, "worker", tmp_path, "worker", *OPTIONS[queue])
        finally:
            client.delete(keys.VERSION)
    assert done.returncode == EX_CONFIG
    assert "error: Redis holds data of another version" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-Q", "train", "-c", "2"), "one model at a time"),
        (("-Q", "train,generate"), "serves one queue"),
        (("-Q", "other"), "serves one queue"),
        (("-Q", "train", "-P", "threads"), "--pool prefork alone"),
        (("-Q", "generate", "-P", "solo"), "--pool threads alone"),
    ],
)
def test_what_would_not_work_is_refused(options: tuple[str, ...], said: str, server: Server, tmp_path: Path) -> None:
    done = asked(server, "worker", tmp_path, "worker", *options)
    assert done.returncode == EX_CONFIG
    assert said in done.stderr
    assert "Traceback" not in done.stderr
