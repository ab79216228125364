"""How Discord would read a message of the bot's: what may be in it, and what only somebody else's words could bring."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from playground.markdown import render, render_inline

_OURS = re.compile(r"https://discord\.com/channels/\d+/\d+/\d+")
"""To the card of a training."""
_BREAKS = re.compile("[\u200b\u2060]")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.links: list[tuple[str, str]] = []
        self._link: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "a":
            self._link = dict(attrs).get("href") or ""
            self.links.append((self._link, ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._link = None

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self._link is not None:
            href, shown = self.links[-1]
            self.links[-1] = (href, shown + data)


def _read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader


def require_in_place(text: str, *, inline: bool = False) -> None:
    """See that a text of the bot's has nothing that breaks out: no code block, spoiler, picture or masked link."""
    reader = _read(render_inline(text, _no_name) if inline else render(text, _no_name))
    for tag, attributes in reader.tags:
        assert tag != "pre", f"a code block: {text!r}"
        assert "spoiler" not in (attributes.get("class") or ""), f"a spoiler: {text!r}"
        assert tag not in ("img", "script", "h1", "h2", "h3"), f"{tag}: {text!r}"
    for href, shown in reader.links:
        assert shown.rstrip("/") == href.rstrip("/") or _OURS.match(href), f"a masked link: {text!r}"


def require_plain(escaped: str, text: str) -> None:
    """See that a text that was escaped is read as it is: no mark, mention, link or emoji, and not a letter less."""
    reader = _read(render(escaped, _no_name))
    marks = [tag for tag, _ in reader.tags if tag not in ("br", "p", "div")]
    assert not marks, (marks, text)
    assert _bare("".join(reader.words)) == _bare(text), text


def _bare(text: str) -> str:
    # The renderer shows a NUL as what it stands for, and drops what nobody sees at a line's end.
    return "".join(_BREAKS.sub("", text).replace("\0", "\ufffd").split())


def _no_name(_sigil: str, _wanted: int) -> str | None:
    return None
