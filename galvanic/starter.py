"""Load the starter, the model of English that comes with Galvanic, and decide whether a training begins with it.

It should if the starter, without learning from the text, predicts the text's end better than bigram counts from the
rest of the text do (decision 113). No clock decides that, so a text has the same answer on every machine.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog

from galvanic.errors import UserError
from galvanic.options import STARTER, TrainOptions
from galvanic.parent import Parent, load_parent
from galvanic.sampling import Sampling
from galvanic.streams import Streams
from galvanic.text import Prepared

LEARNED = 1_000_000  # characters whose bigrams are counted: the last ones before the held-out part
STREAMS, LEAD, SCORED = 64, 64, 160  # pieces read side by side; characters of each that are read first, then scored
NO_HELP = "Trained from scratch: the starter, a model of English, doesn't know this kind of text."

Nats = npt.NDArray[np.float64]
log = structlog.get_logger()


def load_starter(path: Path, options: TrainOptions) -> Parent:
    """Load the starter as a parent, without its epochs and lineage. Raises UserError as `load_parent`."""
    parent = load_parent(path, STARTER, options)
    training = parent.description.training.model_copy(update={"epochs": 0, "epochs_before": 0})
    description = parent.description.model_copy(update={"lineage": (), "training": training})
    return Parent(STARTER, description, parent.weights, is_starter=True)


def candidate(path: Path | None, options: TrainOptions) -> tuple[Parent | None, tuple[str, ...]]:
    """Return the starter if a training with these options may begin with it; if not, None and a note that says why.

    Raises UserError if the options ask for the starter, and it is missing, damaged or does not go with them.
    """
    if options.start == STARTER:
        if path is None or not path.exists():
            raise UserError("The starter isn't installed here.", "Leave out `--from starter`.")
        return load_starter(path, options), ()
    if path is None or not path.exists() or options.start is not None or options.recipe == "classic":
        return None, ()
    if options.recipe != "char":
        why = f"the starter, a model of English, isn't of the recipe `{options.recipe}`"
    elif changed := [name for name in ("layers", "units", "embedding") if getattr(options, name) is not None]:
        why = f"the starter, a model of English, has a network of its own, and `--{changed[0]}` asks for another one"
    else:
        try:
            return load_starter(path, options), ()
        except UserError:
            log.warning("starter_not_read", exc_info=True)
            why = "the starter, a model of English, can't be read here"
    return None, (f"Trained from scratch: {why}.",)


def judge(starter: Parent, prepared: Prepared) -> tuple[float, float]:
    """Return the losses of the starter and of bigram counts on pieces of the held-out part, in nats per character.

    A training begins with the starter if its loss is the lower one. In `prepared` the starter's symbols come first.
    """
    learned = np.asarray(prepared.training[-LEARNED:])
    if len(prepared.heldout) < LEAD:  # a short text: its second half stands in for the held-out part
        learned, end = learned[: len(learned) // 2], np.asarray(prepared.ids[len(prepared.ids) // 2 :])
    else:
        end = np.asarray(prepared.heldout)
    each = min(LEAD + SCORED, len(end))
    lead = min(LEAD, each // 2)
    streams = max(1, min(STREAMS, len(end) // each))
    starts = np.linspace(0, len(end) - each, streams).astype(np.int64)
    pieces = end[starts[:, None] + np.arange(each)].astype(np.int64)
    counts = np.bincount(learned, minlength=len(prepared.vocabulary))
    return (
        float(starter_nats(starter, counts, pieces, lead).mean()),
        float(bigram_nats(learned, pieces, lead, len(prepared.vocabulary)).mean()),
    )


def starter_nats(starter: Parent, counts: npt.NDArray[np.int64], pieces: npt.NDArray[np.int64], lead: int) -> Nats:
    """Return the starter's loss for each symbol of the pieces [streams, characters], without the `lead` read first.

    `counts`: of all symbols in the text. A symbol that the starter lacks costs what its share of the text is worth, and
    is read as the starter's last symbol.
    """
    streams = Streams.of(starter.description.network, starter.weights)
    own_symbols = len(starter.description.symbols)
    read = np.minimum(pieces, own_symbols - 1).astype(np.int32).T.copy()
    reading = streams.begin(read[0].tolist(), [Sampling(0.0)] * len(pieces))
    log_probs = reading.advance(read[1:], np.zeros(read[1:].shape, np.float32))[1]
    nats = -log_probs.T[:, lead - 1 :].astype(np.float64)
    new = (counts[own_symbols:].sum() + 1) / (counts.sum() + 2)
    shares = (counts + 0.5) / (counts[own_symbols:].sum() + 0.5 * max(1, len(counts) - own_symbols))
    asked = pieces[:, lead:]
    return np.where(asked < own_symbols, nats - math.log1p(-new), -np.log(new * shares[asked]))


def bigram_nats(learned: npt.NDArray[Any], pieces: npt.NDArray[np.int64], lead: int, symbols: int) -> Nats:
    """Return the same for bigrams counted in `learned`, interpolated by method C of Witten & Bell (1991)."""
    text, before, asked = learned.astype(np.int64), pieces[:, lead - 1 : -1], pieces[:, lead:]
    alone = (np.bincount(text, minlength=symbols) + 0.5) / (len(text) + 0.5 * symbols)
    pairs, times = np.unique(text[:-1] * symbols + text[1:], return_counts=True)
    kinds = np.bincount(pairs // symbols, minlength=symbols) + 1e-9  # above 0 also for a symbol that nothing follows
    place = np.minimum(np.searchsorted(pairs, before * symbols + asked), len(pairs) - 1)
    follows = np.where(pairs[place] == before * symbols + asked, times[place], 0)
    total = np.bincount(text[:-1], minlength=symbols)
    return -np.log((follows + kinds[before] * alone[asked]) / (total[before] + kinds[before]))
