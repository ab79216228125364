"""Makes the picture of Flower while three trainings wait: `pip install flower`, then `python -m tests.browser.flower`.

Prints also what `celery inspect active` and the lengths of the queue's lists say. Flower is not among the packages that
`make dev` installs.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

from shared.jobs import TRAIN_QUEUE
from shared.queues import lists_of
from tests.browser.conftest import FLAGS
from tests.browser.pictures import IMAGES
from tests.e2e.system import System
from tests.e2e.texts import harbour
from tests.s3 import free_port


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address):
            return True
    except urllib.error.URLError:
        return False


def main() -> None:
    system, port = System(Path(tempfile.mkdtemp(prefix="galvanic-flower-")), TRAIN_WORKERS="1"), free_port()
    (system.corpora / "harbour.txt").write_text(harbour(40_000))
    try:
        system.start()
        for _ in range(4):
            system.ask("!train harbour --minutes 3")
        time.sleep(10)  # the first one is begun
        celery = [sys.executable, "-m", "celery", "-A", "worker.app"]
        environment = os.environ | {"REDIS_URL": (system.view / "run" / "redis.url").read_text().strip()}
        for name in lists_of(TRAIN_QUEUE):
            print(f"llen {name}: {system.redis.llen(name)}")
        subprocess.run([*celery, "inspect", "active"], env=environment, check=True)
        flower = subprocess.Popen([*celery, "flower", "--address=127.0.0.1", f"--port={port}"], env=environment)
        try:
            address = f"http://127.0.0.1:{port}/broker"
            system.client.wait_for(lambda: answers(address), 60, "Flower")
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
                page = browser.new_page(viewport={"width": 1000, "height": 400})
                page.goto(address)
                page.locator("table").screenshot(path=IMAGES / "flower.png")
        finally:
            flower.terminate()
            flower.wait(20)
    finally:
        system.close()


if __name__ == "__main__":
    main()
