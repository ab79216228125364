"""A tab of the browser with the playground's page, and what people do on it by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from playwright.sync_api import Browser, FilePayload, Locator, Page, expect

ARTIFACTS = Path(__file__).parent.parent.parent / "test-artifacts"


class Tab:
    """A tab with the playground in it, and what a person does there.

    `problems`: what the browser complained of: script errors, blocked content, failed requests.
    """

    def __init__(self, tab: Page, artifacts: Path = ARTIFACTS) -> None:
        self.tab = tab
        self._artifacts = artifacts
        self.problems: list[str] = []

    @classmethod
    def opened(cls, browser: Browser, address: str) -> Tab:
        page: Page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(10_000)
        expect.set_options(timeout=10_000)
        tab = cls(page)
        page.on("pageerror", lambda error: tab.problems.append(str(error)))
        page.on("console", lambda entry: tab.problems.append(entry.text) if entry.type == "error" else None)
        page.goto(address)
        # The state and the messages so far come together.
        expect(tab.status).not_to_be_empty()
        return tab

    def wait_until_online(self) -> None:
        expect(self.status).to_contain_text("online", timeout=20_000)

    def type(self, text: str) -> None:
        """Write a message and press Enter."""
        self.composer.fill(text)
        self.composer.press("Escape")
        self.composer.press("Enter")

    @property
    def messages(self) -> Locator:
        return self.tab.get_by_test_id("message")

    @property
    def newest(self) -> Locator:
        return self.messages.last

    def answer(self, *words: str, seconds: float = 15) -> Locator:
        """Wait until the newest message shows all the words."""
        for word in words:
            expect(self.newest).to_contain_text(word, timeout=seconds * 1_000)
        return self.newest

    def wait_for_picture(self, message: Locator) -> None:
        """Wait until the picture in a message's embed has really been loaded."""
        picture = message.locator("img").last
        expect(picture).to_be_visible(timeout=10_000)
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate("image => image.naturalWidth") > 100

    def shot(self, name: str) -> None:
        """Leave a screenshot."""
        self._artifacts.mkdir(exist_ok=True)
        self.tab.screenshot(path=self._artifacts / f"{re.sub(r'[^a-z0-9-]+', '-', name.lower())}.png")

    @property
    def composer(self) -> Locator:
        return self.tab.get_by_test_id("composer")

    @property
    def status(self) -> Locator:
        return self.tab.get_by_test_id("status")

    def part(self, test_id: str) -> Locator:
        return self.tab.get_by_test_id(test_id)

    def say(self, text: str, files: Mapping[str, bytes] | None = None) -> None:
        if files:
            self.part("file-input").set_input_files([payload(*item) for item in files.items()])
            expect(self.part("chip")).to_have_count(len(files))
        self.type(text)
        expect(self.composer).to_have_value("")

    def wait_for(self, text: str | re.Pattern[str]) -> Locator:
        found = self.messages.filter(has_text=text).last
        expect(found).to_be_visible()
        return found

    def card(self) -> Locator:
        """Ask for a card; the message, which stays the same one when others come."""
        cards = self.messages.filter(has_text="epoch 2 of 3")
        before = cards.count()
        self.say("!card")
        expect(cards).to_have_count(before + 1)
        return self.tab.locator(f'[data-testid="message"][data-id="{cards.last.get_attribute("data-id")}"]')

    def call(
        self, command: str, options: Mapping[str, str], files: Mapping[str, tuple[str, bytes]] | None = None
    ) -> None:
        """Fill in a slash command's fields and send it."""
        self.composer.press_sequentially(f"/{command} ")
        for name, value in options.items():
            self.part(f"option-{name}").fill(value)
        for name, file in (files or {}).items():
            self.part(f"option-{name}").set_input_files(payload(*file))
        self.part("send").click()
        expect(self.part("slash")).to_be_hidden()

    def press(self, message: Locator, label: str) -> None:
        message.get_by_test_id("button").filter(has_text=label).click()

    def channel(self, name: str) -> Locator:
        return self.tab.locator(f'[data-testid="channel"][data-name="{name}"]')

    def go(self, name: str) -> None:
        self.channel(name).click()
        expect(self.part("channel-name")).to_have_text(f"# {name}")

    def be(self, name: str) -> None:
        self.part("person").filter(has_text=name).click()
        expect(self.tab.get_by_role("button", name=name, pressed=True)).to_be_visible()


def payload(name: str, data: bytes) -> FilePayload:
    return {"name": name, "mimeType": "text/plain", "buffer": data}
