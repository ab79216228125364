"""The playground's page in headless Chromium, on a running system of its own."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.tab import Tab
from tests.e2e.system import System, started

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
def page(browser: Browser, system: System, request: pytest.FixtureRequest) -> Iterator[Tab]:
    """The page as a newcomer opens it; afterwards a screenshot is left, and no script may have failed."""
    page = Tab.opened(browser, system.client.address)
    page.wait_until_online()
    yield page
    page.shot(request.node.name)
    page.tab.close()
    assert page.problems == []
