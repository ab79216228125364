"""The playground's page in headless Chromium, on a running system of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.page import PlaygroundPage
from tests.e2e.system import System, started

ARTIFACTS = Path(__file__).parent.parent.parent / "test-artifacts"
# No sandbox: containers run as root. The rest keeps Chromium from calling home.
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    yield from started(tmp_path_factory.mktemp("browser"))


# Not for the whole session: Playwright's loop would be in the way of asynchronous tests that come after.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, system: System, request: pytest.FixtureRequest) -> Iterator[PlaygroundPage]:
    """The page as a newcomer opens it; afterwards a screenshot is left, and no script may have failed."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab: Page = context.new_page()
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(system.client.url)
    page = PlaygroundPage(tab, ARTIFACTS)
    page.wait_until_online()
    yield page
    page.shot(request.node.name)
    context.close()
    assert errors == []
