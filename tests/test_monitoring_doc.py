"""Prometheus' configuration and the page about it."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

import shared.metrics  # noqa: F401 (its metrics)
from bot.admin.metrics import RedisFigures
from shared.settings import Settings

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "deploy" / "prometheus"
PAGE = (ROOT / "docs" / "monitoring.md").read_text("utf-8")
DASHBOARD = ROOT / "deploy" / "grafana" / "galvanic.json"
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)"
)


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((FOLDER / "alerts.yml").read_text("utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def dashboard_queries() -> list[tuple[str, str]]:
    """Return title and query of each panel of the dashboard, with a minute where Grafana puts in an interval."""
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    return [
        (panel["title"], target["expr"].replace("$__rate_interval", "1m"))
        for panel in panels
        for target in panel["targets"]
    ]


def test_the_page_lists_every_alert_and_no_other() -> None:
    assert set(re.findall(r"^\| `(Galvanic\w+)` \|", PAGE, re.MULTILINE)) == {rule["alert"] for rule in rules()}


def test_the_page_lists_every_metric_as_the_code_describes_it() -> None:
    families = [*REGISTRY.collect(), *RedisFigures(Settings()).collect()]
    rows = [
        f"| `{family.name}{'_total' if family.type == 'counter' else ''}` | {family.type} | {family.documentation} |"
        for family in families
        if family.name.startswith("galvanic_")
    ]
    assert sorted(re.findall(r"^\| `galvanic_\w+` .*$", PAGE, re.MULTILINE)) == sorted(rows)


def test_alerts_and_queries_use_metrics_that_there_are() -> None:
    listed = set(re.findall(r"^\| `(galvanic_\w+)` \|", PAGE, re.MULTILINE))
    used = set(re.findall(r"galvanic_\w+", "".join(rule["expr"] for rule in rules())))
    used |= set(re.findall(r"galvanic_\w+", PAGE.partition("Some questions")[2].partition("## Alerts")[0]))
    used |= set(re.findall(r"galvanic_\w+", "\n".join(query for _, query in dashboard_queries())))
    assert used
    assert {name.removesuffix("_bucket").removesuffix("_count") for name in used} == listed


def test_all_containers_of_each_service_are_scraped() -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))
    (job,) = config["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    assert set(found["names"]) == {"bot", "train", "generate"} <= set(services)
    assert (found["type"], found["port"]) == ("A", 9464)


def promtool(*arguments: str) -> str:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_promtool
@pytest.mark.process
def test_prometheus_takes_configuration_and_rules() -> None:
    assert "is valid prometheus config" in promtool("check", "config", str(FOLDER / "prometheus.yml"))
    assert f"{len(rules())} rules found" in promtool("check", "rules", str(FOLDER / "alerts.yml"))


@needs_promtool
@pytest.mark.process
def test_each_alert_fires_when_it_should_and_not_before() -> None:
    """`promtool test rules` on numbers made up in tests/fixtures/alerts_test.yml."""
    cases = ROOT / "tests" / "fixtures" / "alerts_test.yml"
    asked = re.findall(r'alertname="(\w+)"', cases.read_text("utf-8"))
    assert set(asked) == {rule["alert"] for rule in rules()}
    assert "SUCCESS" in promtool("test", "rules", str(cases))


@needs_promtool
@pytest.mark.process
def test_prometheus_understands_every_query_of_the_dashboard(tmp_path: Path) -> None:
    """`tests/e2e/test_seeing.py` asks them of a real run."""
    recorded = [{"record": f"panel:{number}", "expr": query} for number, (_, query) in enumerate(dashboard_queries())]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}), "utf-8")
    assert f"{len(recorded)} rules found" in promtool("check", "rules", str(file))
