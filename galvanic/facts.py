"""Facts about a model from its file, in plain words, and safe to show: the file may come from anybody."""

import math

from galvanic.languages import language_name
from galvanic.model_file import Description
from galvanic.units import count, course
from galvanic.verdict import Verdict, verdict

Facts = tuple[tuple[str, str], ...]
MOST_TITLE, MOST_LICENCE = 100, 200
_MOST_NAME = 32
_MOST_ANCESTORS = 6


def one_line(text: str, most: int) -> str:
    """Return a text that is safe to show in one line: printable, and of at most `most` characters."""
    shown = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def facts_of(description: Description) -> Facts:
    """Return names and values of facts that the registry does not have, the most important first."""
    training, size = description.training, len(description.symbols)
    judgement = verdict(training, description.options)
    because = one_line(training.network_because, MOST_LICENCE)
    facts = {
        "Verdict": judgement.headline,
        **judgement.figures,
        "Losses": _losses(judgement),
        "Network": ", ".join(filter(None, (_network(description), because))),
        "Vocabulary": f"{size:,} {'words and signs' if description.recipe == 'word' else 'characters'}",
        "Language": language_name(description.corpus.language),
        "Training": course(training.epochs, training.seconds, training.stopped, training.epochs_before),
        "Goes back to": _lineage(description),
        "Rights": one_line(description.corpus.licence, MOST_LICENCE),
    }
    return tuple((name, value) for name, value in facts.items() if value)


def _network(description: Description) -> str:
    network = description.network
    units = ", ".join(f"{units:,}" for units in network.units)
    layers = f"{count(len(network.units), 'LSTM layer')} of {units} units"
    if network.members > 1:
        return f"{network.members} networks that predict together, each with {layers}"
    return layers


def _losses(judgement: Verdict) -> str:
    """List the losses in bits per character, to compare networks by."""
    losses = {
        "network and n-gram table on unseen text": judgement.heldout_loss
        if judgement.ngrams_loss is not None
        else None,
        "the network alone": judgement.network_loss,
        "the table alone": judgement.ngrams_loss,
        "the network on its own text, with dropout": judgement.train_loss,
    }
    named = "; ".join(f"{name} {loss / math.log(2):.3f}" for name, loss in losses.items() if loss is not None)
    return f"bits per character: {named}"


def _lineage(description: Description) -> str:
    """Name the models that it started from, the oldest first."""
    names = [one_line(ancestor.name, _MOST_NAME) for ancestor in description.lineage[-_MOST_ANCESTORS:]]
    earlier = ["…"] if len(description.lineage) > _MOST_ANCESTORS else []
    return " → ".join([*earlier, *names])
