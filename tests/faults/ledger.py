"""What became of each request, as people and Redis see it in the end."""

import json
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import redis

from shared import keys
from shared.events import TERMINAL, parse_event
from tests.driver.client import Message, components, text_of
from tests.e2e.system import System


@dataclass(frozen=True)
class Asked:
    """A request.

    Attributes:
        kind: what for.
        message_id: of the command.
        channel: name of the channel.
        heard: Discord had the bot connected then, so that it was to hear of it.
    """

    kind: Literal["train", "generate"]
    message_id: str
    channel: str
    heard: bool

    @property
    def job_id(self) -> str:
        """Of the job that came of it, if one did."""
        return f"{'t' if self.kind == 'train' else 'g'}-{self.message_id}"


@dataclass
class Ledger:
    """How many requests ended how.

    Attributes:
        failed: with a reason that was told; refusals are among them.
        lost: nobody was told of an end.
        doubled: more than one end was told.
        unheard: the bot was away or was killed in that moment: Discord does not tell it later. Not submitted.
        remarks: about each that is lost or doubled.
    """

    finished: int = 0
    failed: int = 0
    cancelled: int = 0
    lost: int = 0
    doubled: int = 0
    unheard: int = 0
    remarks: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        """All in one line."""
        submitted = self.finished + self.failed + self.cancelled + self.lost + self.doubled
        counts = ("finished", "failed", "cancelled", "lost", "doubled")
        return " ".join([f"submitted={submitted}", *(f"{name}={getattr(self, name)}" for name in counts)])


def account(system: System, asked: list[Asked]) -> Ledger:
    """Find out what became of each request."""
    ledger = Ledger()
    messages = {channel: system.client.messages(channel=channel) for channel in {one.channel for one in asked}}
    with system.redis as client:
        for one in asked:
            outcome, remark = _outcome(one, messages[one.channel], client)
            setattr(ledger, outcome, getattr(ledger, outcome) + 1)
            if outcome in ("lost", "doubled"):
                ledger.remarks.append(f"{outcome}: {one.job_id} in #{one.channel}: {remark}")
    return ledger


def _outcome(asked: Asked, messages: list[Message], client: redis.Redis) -> tuple[str, str]:
    """What became of a request, and the words by which that is seen."""
    own = [one for one in messages if _is_of(one, asked)]
    entries = cast(list[tuple[bytes, Any]], client.xrange(keys.job_events(asked.job_id)))
    ends = [kind for _, fields in entries if (kind := parse_event(fields[b"event"]).kind) in TERMINAL]
    shown = [end for end in map(_end_of, own) if end]
    words = " | ".join(text_of(one)[:150].replace("\n", " / ") for one in own) + f" | ends: {ends}"
    if len(shown) > 1:
        return "doubled", words
    if shown:
        return shown[0], words
    if not own and not entries:
        # A bot that is killed with a command in its hands has heard nothing, as far as anybody can tell.
        return "unheard", words
    if "failed" in ends or not ends:
        # An answer that comes late refers to nothing; that it was told is known by its having left the undelivered.
        told = entries and not client.sismember(keys.OUTBOX, asked.job_id)
        return ("failed" if told and asked.kind == "generate" else "lost"), words
    return "lost", words


def _is_of(message: Message, asked: Asked) -> bool:
    if not message["author"].get("bot"):
        return False
    reference = (message.get("message_reference") or {}).get("message_id")
    pressed = any(asked.job_id in str(item.get("custom_id", "")) for item in components(message))
    return reference == asked.message_id or pressed or f"training {asked.job_id}" in text_of(message)


def _end_of(message: Message) -> str:
    """Which end a message tells; empty: none."""
    title = str((message["embeds"] or [{}])[0].get("title") or "")
    match title.split(" ")[0].rstrip(":"):
        case "Learning":
            return ""
        case "Learned":
            return "finished"
        case "Cancelled" | "Ended":
            return "cancelled"
        case "Could":
            return "failed"
    if "❌" in json.dumps(message["embeds"], ensure_ascii=False) or "❌" in message["content"]:
        return "failed"
    return "finished"
