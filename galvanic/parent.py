"""Going on from a model (fine-tuning): the parent's weights, extended to the symbols of a new text.

The parent's own weights stay as they are, to the bit: the rows of its embedding, and the columns and
biases of its output. So the logits of its symbols don't change. Their probabilities lose only the share that the new
symbols take.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from galvanic.errors import UserError
from galvanic.model_file import SUFFIX, Ancestor, Description, load
from galvanic.options import STARTER, CorpusInfo, TrainOptions
from galvanic.plan import NetworkConfig, Plan, Weights
from galvanic.text.letters import other_forms
from galvanic.units import count

_SYMBOL_AXES = {"embedding/embeddings": 0, "output/kernel": 1, "output/bias": 0}  # by the end of a weight's name
_LIKE = 0.1  # noise on the weights of a new symbol that has a relative, as a share of the weights' deviation


@dataclass(frozen=True)
class Parent:
    """A model that a training goes on from."""

    name: str  # as people call it
    description: Description
    weights: Weights
    is_starter: bool = False  # the one that comes with Galvanic

    @property
    def lineage(self) -> tuple[Ancestor, ...]:
        """Return the models that a child of this one goes back to, the oldest first."""
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
        """Return the number of epochs of its training and of all trainings before it."""
        return self.description.training.epochs + self.description.training.epochs_before

    @property
    def from_starter(self) -> bool:
        return any(ancestor.name == STARTER for ancestor in self.lineage)

    def learned(self, corpus: CorpusInfo) -> bool:
        """Return whether it learned from this text, prepared in the same way."""
        theirs = self.description.corpus
        return (theirs.sha256, theirs.hard_wrapped) == (corpus.sha256, corpus.hard_wrapped)


def load_parent(path: Path, name: str | None, options: TrainOptions) -> Parent:
    """Load the model that a training with these options goes on from.

    `name`: what people call it; None: as its file. Raises UserError if there is no model, it is damaged, or the options
    ask for another recipe or network than its own.
    """
    description, weights, _, _ = load(path)
    if name is None:
        # A lineage knows the starter that comes with Galvanic by its name, so no other model may have that.
        name = f"{STARTER}{SUFFIX}" if path.stem == STARTER else path.stem
    if options.recipe != description.recipe:
        raise UserError(
            f"{name} is a model of the recipe `{description.recipe}`, not of `{options.recipe}`.",
            f"Choose the recipe `{description.recipe}`, or train without it.",
        )
    network = description.network
    units = network.units[0] if len(set(network.units)) == 1 else "/".join(map(str, network.units))
    for option, value in {"layers": len(network.units), "units": units, "embedding": network.embedding}.items():
        asked = getattr(options, option)
        if asked not in (None, value):
            raise UserError(
                f"{name} has --{option} {value}, which can't be changed to {asked}.",
                f"Leave --{option} out, or train without it.",
            )
    return Parent(name, description, weights)


def check_symbols(parent: Parent, symbols: tuple[str, ...]) -> None:
    """Refuse a text with new symbols for a network that cannot learn any. Raises UserError."""
    new = set(symbols) - set(parent.description.symbols)
    if new and parent.description.network.kind == "windows":
        # Its input is id / vocabulary: with one symbol more, every other would enter as another number.
        raise UserError(
            f"The text has {count(len(new), 'character')} that {parent.name} has never seen, and `classic` cannot "
            "learn new ones.",
            "Train a new model, or start from one of the recipe `char`.",
        )


def child_plan(plan: Plan, parent: Parent, vocabulary: int) -> Plan:
    """Return the plan with the parent's network. Its dropout may be another one, since that is not learned."""
    dropped = {name: getattr(plan.network, name) for name in NetworkConfig.model_fields if name.endswith("dropout")}
    network = parent.description.network.model_copy(update={**dropped, "vocabulary": vocabulary})
    return plan.model_copy(update={"network": network})


def grown(
    parent: Parent, symbols: tuple[str, ...], counts: npt.NDArray[np.int64], random: np.random.Generator
) -> Weights:
    """Return the parent's weights, extended to a vocabulary that holds its symbols and more.

    A new symbol begins as the mean of all symbols with as much noise as these deviate by. If the parent has the same
    letter with another accent or case, it begins as that letter with little noise.

    `symbols`: the vocabulary, by id. `counts`: how often each comes in the new text, [symbols]. `random`: for the
    noise.
    """
    place = {symbol: index for index, symbol in enumerate(symbols)}
    kept = np.array([place[symbol] for symbol in parent.description.symbols])
    new = np.setdiff1d(np.arange(len(place)), kept)
    network = parent.description.network
    ids = {symbol: index for index, symbol in enumerate(parent.description.symbols)}
    relatives = {index: relative for index in new if (relative := _relative(symbols[index], ids)) is not None}
    weights: Weights = {}
    for name in network.shapes():
        weights[name] = parent.weights[name].copy()
        axis = next((axis for ending, axis in _SYMBOL_AXES.items() if name.endswith(ending)), None)
        if axis is None:
            continue
        its_own = np.moveaxis(parent.weights[name], axis, 0)
        noise = (random.standard_normal((len(place), *its_own.shape[1:])) * its_own.std(axis=0)).astype(np.float32)
        # Little noise in the output: at first the bias alone decides how likely a new symbol is.
        array = its_own.mean(axis=0) + noise * (_LIKE if "output/" in name else 1.0)
        for index, relative in relatives.items():
            array[index] = its_own[relative] + _LIKE * noise[index]
        array[kept] = its_own
        weights[name] = np.moveaxis(array, 0, axis)
    if len(new):
        for prefix in network.prefixes():
            bias = f"{prefix}output/bias"
            weights[bias][new] = _new_biases(parent.weights[bias], counts[kept], counts[new])
    return weights


def _relative(symbol: str, ids: Mapping[str, int]) -> int | None:
    """Return the id of the same letter in the other case or without accents, as u for ü; None if there is none."""
    return next((ids[form] for form in other_forms(symbol) if form in ids and not form.isspace()), None)


def _new_biases(
    biases: npt.NDArray[np.float32], known_counts: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return biases by which new symbols are as likely as they are frequent in the new text, by the biases alone.

    `biases`: those of the parent's symbols. `known_counts`, `counts`: how often the parent's and the new symbols come
    in the new text. A symbol that only the held-out part has counts as half.
    """
    highest = float(biases.max())
    total = highest + math.log(float(np.exp(biases.astype(np.float64) - highest).sum()))
    new: npt.NDArray[np.float64] = total + np.log(np.maximum(counts, 0.5) / max(1, int(known_counts.sum())))
    # A text of new symbols alone must not drown the parent's.
    return np.minimum(new, highest)
