"""What is to be seen of a running system from outside: its numbers, whether it is well, and the lines of its logs."""

import contextlib
import json
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.driver.client import Message, text_of
from tests.e2e.acts import TINY, lasting, training_of
from tests.e2e.system import ANSWER_S, TRAIN_S, System, started
from tests.s3 import free_port
from tests.test_monitoring_doc import dashboard_queries

pytestmark = pytest.mark.whole

SECRET = "the marmalade is hidden in the third drawer"
SERVICES = ("bot", "generate", "train")


def three_ports() -> int:
    """The first of three ports that nobody uses."""
    while True:
        first = free_port()
        with contextlib.suppress(OSError), socket.socket() as second, socket.socket() as third:
            second.bind(("127.0.0.1", first + 1))
            third.bind(("127.0.0.1", first + 2))
            return first


@pytest.fixture(scope="module")
def port() -> int:
    return three_ports()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("seeing")
    yield from started(folder, METRICS_PORT=str(port), LOG_LEVEL="DEBUG")


@pytest.fixture(scope="module")
def trained(system: System) -> Message:
    """The card of a training that is over; a text was written by its model afterwards, and one was cancelled."""
    card = system.ask(f"!train harbour {TINY} --name seen")
    system.wait_for_card(card, "is now this channel's model")
    assert "random seed" in text_of(system.ask(f"!generate {SECRET}"))
    return card


def metrics(port: int) -> str:
    """A process's page."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as reply:
        return str(reply.read().decode())


def samples(page: str) -> dict[str, float]:
    """Each series of a page with its value, as `name{label="value"}` with the labels in order."""
    found = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def pages(port: int) -> dict[str, str]:
    return {service: metrics(port + place) for place, service in enumerate(SERVICES)}


def health_command(system: System, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, "health", *arguments],
        cwd=system.folder,
        env=system.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_all_are_well(system: System, trained: Message) -> None:
    assert health_command(system, "bot").returncode == 0
    for queue in ("train", "generate"):
        assert health_command(system, "worker", queue).returncode == 0


def test_the_jobs_are_counted_where_they_are_done(system: System, port: int, trained: Message) -> None:
    shown = {service: samples(page) for service, page in pages(port).items()}
    train, generate, bot = shown["train"], shown["generate"], shown["bot"]
    assert train['galvanic_jobs_total{kind="train",outcome="finished"}'] == 1
    assert generate['galvanic_jobs_total{kind="generate",outcome="finished"}'] == 1
    assert bot['galvanic_answer_seconds_count{kind="generate"}'] == 1
    assert bot["galvanic_texts_waiting"] == 0
    assert bot["galvanic_discord_connected"] == bot["galvanic_redis_up"] == 1
    assert {bot[f'galvanic_processes{{service="{service}"}}'] for service in SERVICES} == {1}
    assert 0 < bot["galvanic_redis_memory_ratio"] < 1
    assert bot["galvanic_disk_free_bytes"] > 0


def test_a_running_training_shows_how_far_it_is(system: System, port: int, trained: Message) -> None:
    card = system.ask(f"!train harbour {lasting(3)} --name long")
    waiting = system.ask(f"!train harbour {TINY} --name waiting", person="ben")

    system.wait_for_card(card, "Epoch", timeout=TRAIN_S)
    bot = samples(metrics(port))
    assert bot['galvanic_trainings{state="waiting"}'] == bot['galvanic_trainings{state="running"}'] == 1
    celery = [sys.executable, "-m", "celery", "-A", "worker.app", "inspect", "active"]
    active = subprocess.run(celery, env=system.environment, capture_output=True, text=True, timeout=60).stdout
    assert f"'name': 'train for server {system.client.world().guild_id}: " in active
    assert f"'job_id': '{training_of(card)}'" in active
    status = text_of(system.ask("!status"))
    assert "1 running, 1 waiting" in status
    assert SECRET not in status

    for one, person in ((waiting, "ben"), (card, "ada")):
        system.client.click_label(one, "Cancel", person=person)
        system.wait_for_card(one, "Cancelled")
    cancelled = 'galvanic_jobs_total{kind="train",outcome="cancelled"}'
    system.client.wait_for(lambda: samples(metrics(port + 2)).get(cancelled) == 1, 30, "the running one to be counted")
    assert samples(metrics(port))[cancelled] == 1, "the bot ends one that waits"


@pytest.mark.long
def test_a_training_whose_process_is_killed_is_counted(system: System, port: int, trained: Message) -> None:
    card = system.ask(f"!train harbour {lasting(3)} --name killed")
    system.wait_for_card(card, "characters/s")
    (parent,) = system.part("worker", "serve", "train")
    child = max(parent.children(), key=lambda one: one.cpu_times().user)
    child.kill()
    system.client.wait_for(
        lambda: samples(metrics(port + 2)).get('galvanic_jobs_total{kind="train",outcome="killed"}') == 1,
        60,
        "the death to be counted",
    )
    system.client.click_label(card, "Cancel")
    system.wait_for_card(card, "Cancelled")


def test_no_label_has_anything_of_a_person_or_a_server(system: System, port: int, trained: Message) -> None:
    world = system.client.world()
    known = {*map(str, world.users.values()), *map(str, world.channels.values()), str(world.guild_id)}
    for page in pages(port).values():
        assert not [one for one in (*known, training_of(trained), "harbour", "seen", "marmalade") if one in page]
        assert not re.search(r'="[^"]*\d{15,}', page)


def test_every_line_of_a_jobs_life_names_it_and_its_place(system: System, trained: Message) -> None:
    """In the bot, in the train worker's child, which makes it, and in the generate worker."""
    training = training_of(trained)
    events: dict[str, set[str]] = {}
    of_jobs: dict[str, set[str]] = {}
    for service in SERVICES:
        for line in (system.data / "logs" / f"{service}.log").read_text("utf-8").splitlines():
            assert SECRET not in line
            if not line.startswith("{"):
                continue  # TensorFlow's, or Celery's of its stopping
            record = json.loads(line)
            assert record["service"] == service
            job_id = record.get("job_id")
            if job_id is None:
                assert training not in line, "a line about the job names it in its field"
                continue
            if record["event"] == "attempt_not_made":
                continue  # a message that is out of date: its job may be gone, so its place isn't looked up
            assert isinstance(record.get("guild_id"), int), line
            assert isinstance(record.get("channel_id"), int), line
            of_jobs.setdefault(job_id, set()).add(service)
            if job_id == training:
                events.setdefault(service, set()).add(record["event"])
    train = {"job_begun", "trained", "job_ended", "leftovers_removed"}
    assert events == {"bot": {"job_entered", "job_delivered"}, "train": train}
    texts = [job_id for job_id, services in of_jobs.items() if job_id.startswith("g-")]
    assert texts
    assert all(of_jobs[job_id] == {"bot", "generate"} for job_id in texts)


def test_nobody_else_on_the_machine_can_read_what_is_kept(system: System, trained: Message) -> None:
    """Members' sentences are in Redis' log, in checkpoints and in models."""
    kept = [system.data, *(path for path in system.data.rglob("*") if not path.is_symlink())]
    assert {"redis", "models", "logs"} <= {path.name for path in kept}
    assert [str(path) for path in kept if path.stat().st_mode & 0o077] == []


# ---------------------------------------------------------------------- the dashboard


@pytest.fixture
def prometheus(system: System, port: int, tmp_path: Path) -> Iterator[str]:
    """A Prometheus that scrapes the three processes; its address."""
    targets = [{"targets": [f"127.0.0.1:{port + place}" for place in range(len(SERVICES))]}]
    jobs = [{"job_name": "galvanic", "static_configs": targets, "scrape_interval": "1s"}]
    config = tmp_path / "prometheus.yml"
    config.write_text(yaml.safe_dump({"scrape_configs": jobs}), "utf-8")
    address = f"127.0.0.1:{free_port()}"
    options = ("--storage.tsdb.path", str(tmp_path / "tsdb"), "--web.listen-address", address)
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(["prometheus", f"--config.file={config}", *options], stderr=log)
        try:
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait(30)


def ask(prometheus: str, query: str) -> str:
    """Ask promtool a query; a line for each series, empty while there is none or no Prometheus."""
    command = ["promtool", "query", "instant", prometheus, query]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.stdout.strip() if done.returncode == 0 else ""


@pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="Prometheus is not installed (Debian: prometheus)",
)
def test_every_query_of_the_dashboard_has_an_answer(system: System, trained: Message, prometheus: str) -> None:
    system.client.wait_for(lambda: ask(prometheus, "sum(up) == 3"), ANSWER_S, "all three to be scraped")
    system.ask("!generate the fog --length 20")
    queries = dashboard_queries()
    assert len(queries) > 10
    for title, query in queries:
        system.client.wait_for(partial(ask, prometheus, query), ANSWER_S, f"{title}: {query}")
    assert len(ask(prometheus, "galvanic_processes == 1").splitlines()) == 3
