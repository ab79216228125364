"""Going on from a model: its weights for a vocabulary that has grown, and what must stay as it was.

What the parent knows is kept to the bit: the rows of its embedding (or, one-hot, of its first kernel), and the
columns and biases of its output. So the logits of the known symbols are its own, and the probabilities too but for
the share that the new symbols take.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from galvanic.errors import UserError
from galvanic.model_file import Ancestor, Description, load
from galvanic.options import STARTER, CorpusInfo, TrainOptions
from galvanic.plan import NetworkConfig, Plan, Weights
from galvanic.units import count

_LIKE = 0.1  # share of the usual spread that sets a new symbol apart from its relative


@dataclass(frozen=True)
class Parent:
    name: str  # as people call it
    description: Description
    weights: Weights

    @property
    def lineage(self) -> tuple[Ancestor, ...]:
        """The models that a child of this one goes back to, the oldest first."""
        description = self.description
        itself = Ancestor(
            name=self.name,
            weights_sha256=description.weights_sha256,
            corpus=description.corpus,
            epochs=description.training.epochs,
        )
        return (*description.lineage, itself)

    @property
    def epochs(self) -> int:
        """Of its training and of all those before."""
        return self.description.training.epochs + self.description.training.epochs_before

    @property
    def from_starter(self) -> bool:
        return any(ancestor.name == STARTER for ancestor in self.lineage)

    def learned(self, corpus: CorpusInfo) -> bool:
        """Whether it learned from this very text, prepared alike."""
        theirs = self.description.corpus
        return (theirs.sha256, theirs.hard_wrapped) == (corpus.sha256, corpus.hard_wrapped)


def load_parent(path: Path, name: str | None, options: TrainOptions) -> Parent:
    """The model of a file that a training with these options is to go on from.

    Raises UserError where there is no model, it is damaged, or the options want another recipe or network than its own.
    """
    description, weights, _, _ = load(path)
    name = name or path.stem
    if options.recipe != description.recipe:
        raise UserError(
            f"{name} is a model of the recipe `{description.recipe}`, not of `{options.recipe}`.",
            f"Choose the recipe `{description.recipe}`, or train without it.",
        )
    network = description.network
    units = network.units[0] if len(set(network.units)) == 1 else "/".join(map(str, network.units))
    wished: tuple[tuple[str, Any, Any], ...] = (
        ("layers", options.layers, len(network.units)),
        ("units", options.units, units),
        ("embedding", options.embedding, network.embedding),
        ("encoding", options.encoding, network.encoding),
    )
    for option, wanted, has in wished:
        if wanted is not None and wanted != has:
            raise UserError(
                f"{name} has --{option} {has}, which can't be changed to {wanted}.",
                f"Leave --{option} out, or train without it.",
            )
    return Parent(name, description, weights)


def check_symbols(parent: Parent, symbols: tuple[str, ...]) -> None:
    """Raises UserError where some symbols are new and the parent's network cannot learn them."""
    new = set(symbols) - set(parent.description.symbols)
    if new and parent.description.network.encoding == "scaled":
        # Its input is id / vocabulary size: with a new symbol every other one would enter as another number.
        raise UserError(
            f"The text has {count(len(new), 'character')} that {parent.name} has never seen, and `classic` cannot "
            "learn new ones.",
            "Train a new model, or start from one of the recipe `char`.",
        )


def child_plan(plan: Plan, parent: Parent, vocabulary: int) -> Plan:
    """The plan with the parent's network; only how much is dropped may differ, which is not learned."""
    dropped = {name: getattr(plan.network, name) for name in NetworkConfig.model_fields if name.endswith("dropout")}
    network = parent.description.network.model_copy(update={**dropped, "vocabulary": vocabulary})
    return plan.model_copy(update={"network": network})


def grown(
    parent: Parent, symbols: tuple[str, ...], counts: npt.NDArray[np.int64], random: np.random.Generator
) -> Weights:
    """The parent's weights for a vocabulary that holds its symbols and perhaps more.

    `symbols`: all of them, by id. `counts`: in the new text, [symbols]. `random` draws small weights for new symbols.
    """
    place = {symbol: index for index, symbol in enumerate(symbols)}
    kept = np.array([place[symbol] for symbol in parent.description.symbols])
    new = np.setdiff1d(np.arange(len(place)), kept)
    network = parent.description.network
    grown_shapes = network.model_copy(update={"vocabulary": len(place)}).shapes()
    # The axis that stands for symbols is the one that a vocabulary of another size changes.
    other_shapes = network.model_copy(update={"vocabulary": len(place) + 1}).shapes()
    ids = {symbol: index for index, symbol in enumerate(parent.description.symbols)}
    relatives = {index: found for index in new if (found := _relative(symbols[index], ids)) is not None}
    weights: Weights = {}
    for name, shape in grown_shapes.items():
        axes = [axis for axis, size in enumerate(shape) if size != other_shapes[name][axis]]
        weights[name] = parent.weights[name].copy()
        for axis in axes:
            known = np.moveaxis(parent.weights[name], axis, 0)
            own = (random.standard_normal((len(place), *known.shape[1:])) * known.std(axis=0)).astype(np.float32)
            # What predicts it is left to its bias at first: it must not be likely before anything of it is known.
            array = known.mean(axis=0) + own * (_LIKE if "output/" in name else 1.0)
            for index, relative in relatives.items():
                array[index] = known[relative] + _LIKE * own[index]
            array[kept] = known
            weights[name] = np.moveaxis(array, 0, axis)
    if len(new):
        for prefix in network.prefixes():
            bias = f"{prefix}output/bias"
            weights[bias][new] = _new_biases(parent.weights[bias], counts[kept], counts[new])
    return weights


def _relative(symbol: str, ids: Mapping[str, int]) -> int | None:
    """The id of a known symbol that is the same but for accents and case: u for ü."""
    plain = "".join(part for part in unicodedata.normalize("NFKD", symbol) if not unicodedata.combining(part))
    forms = (plain, plain.swapcase(), plain.casefold(), plain.capitalize()) if not plain.isspace() else ()
    return next((ids[form] for form in forms if form in ids), None)


def _new_biases(
    known: npt.NDArray[np.float32], known_counts: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Biases that give new symbols, where the rest of the network says nothing, their share of the new text.

    They stand to the log of the known symbols' total weight as their counts stand to the known symbols' count. A
    symbol that only the held-out part has counts as seen half a time.
    """
    highest = float(known.max())
    total = highest + math.log(float(np.exp(known.astype(np.float64) - highest).sum()))
    biases: npt.NDArray[np.float64] = total + np.log(np.maximum(counts, 0.5) / max(1, int(known_counts.sum())))
    # A text all of new symbols must not drown what is known.
    return np.minimum(biases, highest)
