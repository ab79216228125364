"""Every query of the Grafana dashboard, asked by promtool of a Prometheus that has watched a real run."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.system import ANSWER_S, TRAIN_S, System, started
from tests.s3 import free_port
from tests.test_monitoring_doc import dashboard_queries

SCRAPE_S = 1
pytestmark = [
    pytest.mark.whole,
    pytest.mark.skipif(
        shutil.which("prometheus") is None or shutil.which("promtool") is None,
        reason="Prometheus is not installed (Debian: prometheus)",
    ),
]


@pytest.fixture(scope="module")
def ports() -> list[int]:
    """The metrics' ports of the bot, the generate worker and the train worker, which the launcher counts up."""
    first = free_port()
    return [first, first + 1, first + 2]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, ports: list[int]) -> Iterator[System]:
    settings = {"METRICS_PORT": str(ports[0]), "GENERATE_TIMEOUT_S": str(TRAIN_S)}
    yield from started(tmp_path_factory.mktemp("watched"), System, **settings)


@pytest.fixture
def prometheus(watched: System, ports: list[int], tmp_path: Path) -> Iterator[str]:
    """A Prometheus that scrapes the three processes; its address."""
    targets = [{"targets": [f"127.0.0.1:{port}" for port in ports]}]
    jobs = [{"job_name": "galvanic", "static_configs": targets, "scrape_interval": f"{SCRAPE_S}s"}]
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
    """What promtool says to a query now, a line for each series; empty while there is none or no Prometheus."""
    command = ["promtool", "query", "instant", prometheus, query]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.stdout.strip() if done.returncode == 0 else ""


def test_every_query_has_an_answer(watched: System, prometheus: str) -> None:
    watched.client.wait_for(lambda: ask(prometheus, "sum(up) == 3"), ANSWER_S, "all three to be scraped")
    watched.add_model("poet")
    for _ in range(2):
        watched.ask("!generate the fog --length 20", timeout=TRAIN_S)
    card = watched.ask("!train harbour --epochs 1 --layers 1 --units 16 --name tiny")
    watched.wait_for_card(card, "is now this channel's model")
    queries = dashboard_queries()
    assert len(queries) > 10
    for title, query in queries:
        watched.client.wait_for(lambda query=query: ask(prometheus, query), ANSWER_S, f"{title}: {query}")
    assert len(ask(prometheus, "galvanic_processes == 1").splitlines()) == 3
