"""What a person does on the page, in their words."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect


class PlaygroundPage:
    """A tab with the playground in it."""

    def __init__(self, tab: Page, artifacts: Path) -> None:
        self.tab = tab
        self._artifacts = artifacts

    def wait_until_online(self) -> None:
        expect(self.tab.get_by_test_id("status")).to_contain_text("online", timeout=20_000)

    def type(self, text: str) -> None:
        """Write a message and press Enter."""
        composer = self.tab.get_by_test_id("composer")
        composer.fill(text)
        composer.press("Escape")
        composer.press("Enter")

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

    def slash(self, command: str) -> Locator:
        """Choose a slash command from the suggestions; its form."""
        self.tab.get_by_test_id("composer").press_sequentially(f"/{command}")
        suggestion = self.tab.get_by_test_id("suggestion").filter(has_text=re.compile(rf"/{command}\b"))
        suggestion.first.click()
        form = self.tab.get_by_test_id("slash")
        expect(form).to_be_visible()
        return form

    def open(self, channel: str) -> None:
        """Look at another channel."""
        self.tab.locator(f'[data-testid="channel"][data-name="{channel}"]').click()
        expect(self.tab.get_by_test_id("channel-name")).to_have_text(f"# {channel}")

    def become(self, name: str) -> None:
        """Go on as another person."""
        self.tab.get_by_test_id("person").filter(has_text=name).click()

    def shot(self, name: str) -> None:
        """Leave a screenshot."""
        self._artifacts.mkdir(exist_ok=True)
        self.tab.screenshot(path=self._artifacts / f"{re.sub(r'[^a-z0-9-]+', '-', name.lower())}.png")
