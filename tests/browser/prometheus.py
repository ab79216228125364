"""Makes the two pictures of docs/monitoring.md from a real run: `python -m tests.browser.prometheus`.

Starts everything as `make run` does and Prometheus beside it, trains on a text, has texts written while Prometheus
scrapes, and keeps Prometheus' page and the card of `!status` as PNG files in docs/images. Needs Chromium and Prometheus
(Debian: chromium, prometheus).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import FLAGS
from tests.browser.pictures import IMAGES, Photographer
from tests.driver.client import text_of
from tests.e2e.system import System, free_port

RULES = Path(__file__).parent.parent.parent / "docker" / "prometheus" / "alerts.yml"
SERVICES = ("bot", "generate", "train")
PANELS = (
    '{__name__=~"galvanic_training_(heldout_)?loss_nats"}',
    "galvanic_training_chars_per_second",
    "histogram_quantile(0.95, sum by (le, kind) (rate(galvanic_answer_seconds_bucket[1m])))",
)
"""What the page shows, one below the other."""
SAYINGS = ("the function", "a class is", "the name of", "if the value")


def configuration(first: int) -> str:
    """A prometheus.yml for the three processes of one machine, in JSON, which is YAML."""
    targets = [{"targets": [f"127.0.0.1:{first + n}"], "labels": {"service": name}} for n, name in enumerate(SERVICES)]
    scrape = {"job_name": "galvanic", "scrape_interval": "5s", "static_configs": targets}
    return json.dumps({"rule_files": [str(RULES)], "scrape_configs": [scrape]})


@contextmanager
def prometheus(folder: Path, first: int) -> Iterator[str]:
    """A Prometheus that scrapes the processes; its address."""
    config, port = folder / "prometheus.yml", free_port()
    config.write_text(configuration(first), "utf-8")
    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def value(address: str, query: str) -> float | None:
    """The first number that Prometheus answers."""
    url = f"{address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    with urllib.request.urlopen(url, timeout=30) as reply:
        found = json.load(reply)["data"]["result"]
    return float(found[0]["value"][1]) if found else None


def photograph(browser: Browser, address: str, minutes: float, out: Path) -> None:
    """Keep Prometheus' page with a graph of each panel."""
    panels = {
        f"g{number}.{name}": said
        for number, query in enumerate(PANELS)
        for name, said in (("expr", query), ("tab", "0"), ("range_input", f"{max(1, round(minutes))}m"))
    }
    page = browser.new_page(viewport={"width": 1100, "height": 1_000})
    page.goto(f"{address}/graph")
    path = "classic/graph" if "classic/graph" in page.content() else "graph"  # Debian's has the older page alone
    page.goto(f"{address}/{path}?{urllib.parse.urlencode(panels)}")
    page.add_style_tag(content=".navbar { position: absolute !important }")  # else it lies across the whole page
    page.wait_for_timeout(6_000)  # the graphs are drawn when their answers come
    page.screenshot(path=out / "prometheus.png", full_page=True)
    page.close()


def run(text: str, minutes: float, out: Path) -> None:
    """Train and write for so long, and take the pictures while the training still runs: it is cancelled then."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    folder = Path(tempfile.mkdtemp(prefix="galvanic-seeing-"))
    first = free_port()
    system = System(folder, METRICS_PORT=str(first))
    try:
        system.start()
        with prometheus(folder, first) as address, sync_playwright() as playwright:
            began = time.monotonic()
            small = system.ask(f"!train {text} --minutes 0.5 --name small")
            system.wait_for_card(small, "is now this channel's model", timeout=300)
            card = system.ask(f"!train {text} --minutes {3 * minutes:g} --name seen")
            waiting = system.ask(f"!train {text} --minutes 1 --name later", person="ben")
            system.wait_for_card(card, "Sample after epoch", timeout=300)
            until = time.monotonic() + 60 * minutes
            asked = 0
            while time.monotonic() < until:
                said = SAYINGS[asked % len(SAYINGS)]
                asked += "random seed" in text_of(system.ask(f"!generate {said} --model small"))
                time.sleep(3)
            browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
            page = browser.new_page(viewport={"width": 1100, "height": 900}, device_scale_factor=1.25)
            page.goto(system.client.address)
            photos = Photographer(system, page, out)
            photos.page.wait_until_online()
            photos.keep("status", photos.say("!status", "Everything works"))
            photograph(browser, address, (time.monotonic() - began) / 60, out)
            for query in (*PANELS, "up", "sum(galvanic_written_chars_total)", "galvanic_discord_latency_seconds"):
                print(f"{query}: {value(address, query)}", flush=True)
            print(f"texts written: {asked}")
            browser.close()
            for one, person in ((waiting, "ben"), (card, "ada")):
                system.client.click_label(one, "Cancel", person=person)
                system.wait_for_card(one, "Cancelled", person=person)
    finally:
        if system.process is not None and system.process.poll() is None:
            system.stop()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Make both pictures; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.prometheus", description=__doc__)
    parser.add_argument("--text", default="python-docs", help="what it learns (default: python-docs)")
    parser.add_argument("--minutes", type=float, default=4.0, help="how long it learns (default: 4)")
    parser.add_argument("--out", type=Path, default=IMAGES, help="where the pictures go")
    options = parser.parse_args()
    if shutil.which("prometheus") is None:
        print("error: Prometheus was not found. Debian: sudo apt install prometheus", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    run(options.text, options.minutes, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
