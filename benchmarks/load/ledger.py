"""What became of each request, as the person who asked sees it."""

from __future__ import annotations

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
"""Custom ids of the buttons under a text: they tell which request it answers."""
_TRAINING = re.compile(r"job t-(\d+)")
_ENDS: dict[str, State] = {"Learned": "finished", "Could not learn": "failed", "Cancelled": "cancelled"}
_REFUSALS = (
    "That was a bit fast.",
    "You already have",
    "This server already has",
    "More people are asking",
    "This server is asking",
)
"""How the bot begins when it asks somebody to come again later."""
_FOR = re.compile(r"^For (\w+):\s*")
"""What an answer begins with that Discord takes only as a message of its own: whose interaction it was."""
_READ_S = 20.0
_TAG = re.compile(r"<[^>]+>")
_DISCORD_EPOCH_MS = 1_420_070_400_000


def asked_at(request_id: str) -> float:
    """When a message or an interaction was made, seconds since the epoch: its id tells."""
    return ((int(request_id) >> 22) + _DISCORD_EPOCH_MS) / 1_000


@dataclass(eq=False)
class Seen:
    """A message of the bot's as it is now.

    Attributes:
        request_id: of what it answers: a message or an interaction.
        channel_id: where it is.
        at: when it was first more than "is thinking"; None: it has not been yet.
        title: of its embed.
        person: the name with which it begins, of whoever it is for.
        words: all that it says.
        presses: custom ids of the buttons that can be pressed.
        text: it is a text, with its buttons.
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
        """Whether there was time to read it."""
        return self.at is not None and (self.gone is None or self.gone - self.at > _READ_S)

    def show(self, message: dict[str, Any]) -> None:
        """Take over what a frame of the playground's page tells."""
        embeds = message["embeds"]
        self.channel_id = message["channel_id"]
        self.title = _plain(embeds[0]["title_html"]) if embeds else ""
        words = [message["html"], *(f"{embed['html']} {embed['footer'] or ''}" for embed in embeds)]
        self.words = _plain("\n".join(words)).strip()
        named = _FOR.match(self.words)
        self.person = named[1].lower() if named else ""
        buttons = [item for row in message["components"] for item in row.get("components", [])]
        ids = [str(item.get("custom_id", "")) for item in buttons]
        self.presses = tuple(one for one, item in zip(ids, buttons, strict=True) if not item.get("disabled"))
        written = next((found[1] for found in map(_WRITTEN.fullmatch, ids) if found), None)
        training = _TRAINING.search(self.words)
        self.text = written is not None
        reply = (message["reply"] or {}).get("id")
        self.request_id = written or (training and training[1]) or message["interaction"] or reply or ""
        if self.at is None and not message["loading"] and (self.words or self.title):
            self.at = datetime.fromisoformat(message["edited"] or message["timestamp"]).timestamp()


@dataclass
class Request:
    """Something that was asked for, and what came of it.

    Attributes:
        id: of the message or the interaction.
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
        """The answers that are there."""
        return [answer for answer in self.answers if answer.stood]

    @property
    def state(self) -> State:
        """What the person sees."""
        shown = self.shown
        if len(shown) > 1:
            return "doubled"
        if not shown:
            return "pending"
        (answer,) = shown
        said = _FOR.sub("", answer.words).removeprefix("❌").strip()
        if any(said.startswith(begin) for begin in _REFUSALS):
            return "refused"
        if answer.text:
            return "finished"
        if answer.title:
            return next((end for begin, end in _ENDS.items() if answer.title.startswith(begin)), "pending")
        return "failed"

    @property
    def finished(self) -> bool:
        """Whether the person got what they asked for."""
        return self.state == "finished"

    @property
    def waited_s(self) -> float:
        """How long the person waited for the first answer."""
        return min(answer.at for answer in self.shown if answer.at is not None) - asked_at(self.id)


def ledger(requests: Iterable[Request]) -> dict[str, int]:
    """How many were asked for, refused, taken, and what became of those."""
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
    """What those were told who got nothing, with numbers left out, and how many were."""
    told = Counter(
        re.sub(r"`[^`]*`|\d+", "…", " ".join(request.shown[0].words.split()))
        for request in requests
        if request.state in ("refused", "failed")
    )
    return dict(told.most_common())


def waits(requests: Iterable[Request], *states: State) -> dict[str, float]:
    """How long people waited for an answer, in seconds."""
    waited = [request.waited_s for request in requests if request.state in states]
    if len(waited) < 2:
        return {}
    return {"median": statistics.median(waited), "p95": percentile(waited, 95), "max": max(waited)}


def line(counts: dict[str, int]) -> str:
    """A ledger in one line."""
    return " ".join(f"{name}={number}" for name, number in counts.items())


def unbalanced(*ledgers: dict[str, int]) -> list[str]:
    """What a ledger must not have."""
    return [f"{counts[name]} {name}" for counts in ledgers for name in ("failed", "lost", "doubled") if counts[name]]


def _plain(html: str) -> str:
    return _TAG.sub("", html)
