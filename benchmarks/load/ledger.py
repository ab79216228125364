"""The end of each request, as the person who asked sees it."""

import re
import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from benchmarks.measure import percentile

State = Literal["pending", "finished", "failed", "cancelled", "refused", "doubled"]
_WRITTEN = re.compile(r"galvanic:(?:again|continue|hotter|cooler):[a-z]-(\d+)")
"""Custom ids of the buttons under a text, which name the request that it answers."""
_TRAINING = re.compile(r"training t-(\d+)")
_ENDS: dict[str, State] = {"Learned": "finished", "Could not learn": "failed", "Cancelled": "cancelled"}
_REFUSALS = (
    "That was a bit fast.",
    "You already have",
    "This server already has",
    "More people are asking",
    "This server is asking",
)
"""First words of answers that ask a person to come again later."""
_FOR = re.compile(r"^For (\w+):\s*")
"""First words of an answer that Discord takes only as a message of its own: the person whose interaction it answers."""
_READ_S = 20.0
_TAG = re.compile(r"<[^>]+>")
_DISCORD_EPOCH_MS = 1_420_070_400_000


def asked_at(request_id: str) -> float:
    """Return when a message or an interaction was made, by its id: seconds since the epoch."""
    return ((int(request_id) >> 22) + _DISCORD_EPOCH_MS) / 1_000


@dataclass(eq=False)
class Seen:
    """The current state of a message of the bot.

    Attributes:
        request_id: the message or interaction that it answers.
        channel_id: its channel.
        at: when it first showed more than "is thinking"; None: not yet.
        title: the title of its embed.
        person: the person whose name it begins with, for whom it is.
        words: all its words.
        presses: custom ids of the buttons that can be pressed.
        text: whether it is a text, with its buttons.
        gone: when it was deleted.
    """

    request_id: str = ""
    channel_id: str = ""
    at: float | None = None
    title: str = ""
    words: str = ""
    person: str = ""
    presses: tuple[str, ...] = ()
    text: bool = False
    gone: float | None = None

    @property
    def stood(self) -> bool:
        """Return whether there was time to read it."""
        return self.at is not None and (self.gone is None or self.gone - self.at > _READ_S)

    def show(self, message: dict[str, Any]) -> None:
        """Take the new state from a frame of the playground's page."""
        embeds = message["embeds"]
        self.channel_id = message["channel_id"]
        self.title = _plain(embeds[0]["title_html"]) if embeds else ""
        words = [message["html"], *(f"{embed['html']} {embed.get('footer', {}).get('text', '')}" for embed in embeds)]
        self.words = _plain("\n".join(words)).strip()
        named = _FOR.match(self.words)
        self.person = named[1].lower() if named else ""
        buttons = [item for row in message["components"] for item in row.get("components", [])]
        ids = [str(item.get("custom_id", "")) for item in buttons]
        self.presses = tuple(
            custom_id for custom_id, item in zip(ids, buttons, strict=True) if not item.get("disabled")
        )
        written = next((match[1] for match in map(_WRITTEN.fullmatch, ids) if match), None)
        training = _TRAINING.search(self.words)
        self.text = written is not None
        reply = (message["reply"] or {}).get("id")
        self.request_id = written or (training and training[1]) or message["interaction"] or reply or ""
        if self.at is None and not message["loading"] and (self.words or self.title):
            self.at = datetime.fromisoformat(message["edited"] or message["timestamp"]).timestamp()


@dataclass
class Request:
    """A request and its answers.

    Attributes:
        id: that of the message or the interaction.
        server: number of the server.
        person: who asked.
        answers: the bot's messages about it.
    """

    id: str
    server: int
    person: str
    answers: list[Seen] = field(default_factory=list)

    @property
    def shown(self) -> list[Seen]:
        """Return the answers that could be read."""
        return [answer for answer in self.answers if answer.stood]

    @property
    def state(self) -> State:
        """Return the request's state, as the person sees it."""
        shown = self.shown
        if len(shown) > 1:
            return "doubled"
        if not shown:
            return "pending"
        (answer,) = shown
        words = _FOR.sub("", answer.words).removeprefix("❌").strip()
        if any(words.startswith(begin) for begin in _REFUSALS):
            return "refused"
        if answer.text:
            return "finished"
        if answer.title:
            return next((end for begin, end in _ENDS.items() if answer.title.startswith(begin)), "pending")
        return "failed"

    @property
    def finished(self) -> bool:
        """Return whether the person got the training or text."""
        return self.state == "finished"

    @property
    def waited_s(self) -> float:
        """Return the seconds that the person waited for the first answer."""
        return min(answer.at for answer in self.shown if answer.at is not None) - asked_at(self.id)


def ledger(requests: Iterable[Request]) -> dict[str, int]:
    """Count the requests by their ends."""
    states = Counter(request.state for request in requests)
    asked = sum(states.values())
    return {
        "asked": asked,
        "refused": states["refused"],
        "submitted": asked - states["refused"],
        "finished": states["finished"],
        "failed": states["failed"],
        "cancelled": states["cancelled"],
        "lost": states["pending"],
        "doubled": states["doubled"],
    }


def refusals(requests: Iterable[Request]) -> dict[str, int]:
    """Count the words of refusals and failures, numbers left out."""
    counts = Counter(
        re.sub(r"`[^`]*`|\d+", "…", " ".join(request.shown[0].words.split()))
        for request in requests
        if request.state in ("refused", "failed")
    )
    return dict(counts.most_common())


def waits(requests: Iterable[Request], *states: State) -> dict[str, float]:
    """Return median, 95th percentile and maximum of the seconds that people waited."""
    waited = [request.waited_s for request in requests if request.state in states]
    if len(waited) < 2:
        return {}
    return {"median": statistics.median(waited), "p95": percentile(waited, 95), "max": max(waited)}


def line(counts: dict[str, int]) -> str:
    """Write a ledger in one line."""
    return " ".join(f"{name}={number}" for name, number in counts.items())


def unbalanced(*ledgers: dict[str, int]) -> list[str]:
    """Name the counts that must be 0 and are not."""
    return [f"{counts[name]} {name}" for counts in ledgers for name in ("failed", "lost", "doubled") if counts[name]]


def _plain(html: str) -> str:
    return _TAG.sub("", html)
