"""What a model file tells of its model, in plain words. What it quotes may come from a foreign file."""

from __future__ import annotations

import math

from galvanic.model_file import Description
from galvanic.units import choosing

Facts = tuple[tuple[str, str], ...]
MOST_TITLE, MOST_LICENCE = 100, 200
_MOST_NAME = 32
_MOST_ANCESTORS = 6
_STOPPED = {
    "done": "all its epochs done",
    "early": "stopped early because it no longer improved",
    "time": "used all of its time",
    "finish": "finished early on request",
}


def one_line(text: str, most: int) -> str:
    """A text that is safe to show in one line: printable, and no longer than `most`."""
    shown = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def facts_of(description: Description) -> Facts:
    """Names and values of what a registry does not know, or not as well; the most telling first."""
    training = description.training
    facts = [
        ("Held-out loss", loss_words(training.heldout_loss)),
        ("Copies", copy_words(training.copy_share)),
        ("Network", network_words(description)),
        (
            "Vocabulary",
            f"{len(description.symbols):,} {'words and signs' if description.recipe == 'word' else 'characters'}",
        ),
        ("Training", training_words(description)),
        ("Goes back to", lineage_words(description)),
        ("Rights", one_line(description.corpus.licence, MOST_LICENCE)),
    ]
    return tuple((name, value) for name, value in facts if value)


def loss_words(nats: float | None) -> str:
    return "" if nats is None else f"{nats / math.log(2):.2f} bits per character, {choosing(nats)}"


def copy_words(share: float | None) -> str:
    if share is None:
        return ""
    return f"{100 * share:.0f} % of the characters in its samples are copied word for word from the text"


def network_words(description: Description) -> str:
    network = description.network
    units = ", ".join(f"{units:,}" for units in network.units)
    layers = f"{_number(len(network.units), 'LSTM layer')} of {units} units"
    if network.members > 1:
        return f"{network.members} networks that predict together, each with {layers}"
    return layers


def training_words(description: Description) -> str:
    training = description.training
    words = f"{_number(training.epochs, 'epoch')} in {duration_words(training.seconds)}"
    if training.epochs_before:
        words += f", after {_number(training.epochs_before, 'epoch')} of the models before it"
    stopped = _STOPPED.get(training.stopped)
    return f"{words}; {stopped}" if stopped else words


def lineage_words(description: Description) -> str:
    """The models that it started from, the oldest first."""
    names = [one_line(ancestor.name, _MOST_NAME) for ancestor in description.lineage[-_MOST_ANCESTORS:]]
    earlier = ["…"] if len(description.lineage) > _MOST_ANCESTORS else []
    return " → ".join([*earlier, *names])


def duration_words(seconds: float) -> str:
    minutes, rest = divmod(round(min(seconds, 1e9)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _number(count: int, thing: str) -> str:
    return f"{count:,} {thing}" + ("" if count == 1 else "s")
