"""The plan of a training: its network and all numbers of its training, with the reason for each default.

`make_plan` chooses the network by the text's length and the time there is; `apply_options` lays over it what a person
chose; `fit_to_text` shortens it for a text that is too short. How the defaults were measured is in docs/engine.md.
Works without TensorFlow.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field, model_validator

from galvanic.errors import UserError
from galvanic.host import memory_bytes
from galvanic.options import TrainOptions, refuse_for_classic
from galvanic.text.classic import WINDOW

Precision = Literal["float32", "bfloat16"]
_Begin = Literal["nothing", "model", "starter"]
Weights = dict[str, npt.NDArray[np.float32]]
MOST_PRODUCTS = 600_000_000  # for a character: 6 times those of the tutorial's network, 20 times a plan's largest


class NetworkConfig(BaseModel, frozen=True, extra="forbid"):
    """All that is needed to rebuild a network.

    A network of the kind `streams` reads a text once, with carried state, and predicts after every symbol. One of the
    kind `windows`, the tutorial's, reads a window of fixed length from a zero state and predicts one character.
    `members` networks of this shape are trained from different random weights, and their probabilities averaged (Hansen
    & Salamon 1990, "Neural Network Ensembles").
    """

    kind: Literal["streams", "windows"]
    vocabulary: int = Field(ge=1, le=0x110000)
    embedding: int = Field(ge=0, le=8192)  # width of a symbol's embedding; 0: `windows` reads id / vocabulary instead
    units: tuple[int, ...] = Field(min_length=1, max_length=16)  # in each LSTM layer, the first one first
    members: int = Field(1, ge=1, le=16)
    window: int = Field(0, ge=0, le=10_000)  # characters in a window; 0 for `streams`
    input_dropout: float = Field(0.0, ge=0, lt=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    recurrent_weight_dropout: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        windows = self.kind == "windows"
        if not windows == (self.embedding == 0) == (self.window > 0) or (windows and self.members > 1):
            raise ValueError("only a network of windows has a window and no embedding, and it is one")
        return self

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each weight of all members, by name."""
        shapes: dict[str, tuple[int, ...]] = {}
        for prefix in self.prefixes():
            width = self.embedding or 1
            if self.embedding:
                shapes[f"{prefix}embedding/embeddings"] = (self.vocabulary, self.embedding)
            for index, units in enumerate(self.units):
                cell = f"{prefix}lstm_{index}/lstm_cell"
                shapes[f"{cell}/kernel"] = (width, 4 * units)
                shapes[f"{cell}/recurrent_kernel"] = (units, 4 * units)
                shapes[f"{cell}/bias"] = (4 * units,)
                width = units
            shapes[f"{prefix}output/kernel"] = (width, self.vocabulary)
            shapes[f"{prefix}output/bias"] = (self.vocabulary,)
        return shapes

    def prefixes(self) -> tuple[str, ...]:
        """Return the prefix of each member's weights' names; empty if there is one member."""
        return ("",) if self.members == 1 else tuple(f"member_{index}/" for index in range(self.members))

    def parameters(self) -> int:
        return sum(math.prod(shape) for shape in self.shapes().values())

    def products(self) -> int:
        """Return the number of multiplications to read one symbol and predict the next one."""
        kernels = [shape for name, shape in self.shapes().items() if name.endswith("kernel")]
        return max(1, self.window) * sum(math.prod(shape) for shape in kernels)

    def flops(self) -> int:
        """Return the additions and multiplications to learn from one symbol: the gradients take two thirds."""
        return 6 * self.products()

    def check_pace(self) -> None:
        """Refuse a network that writes too slowly. Raises UserError."""
        if self.products() > MOST_PRODUCTS:
            raise UserError(
                f"This network needs {self.products() / 1e6:,.0f} million multiplications for a character, and I can "
                f"write with at most {MOST_PRODUCTS / 1e6:,.0f} million.",
                "Take one with fewer layers or units.",
            )


def split_members(config: NetworkConfig, weights: Weights) -> list[Weights]:
    """Return the weights of each member, by the names in a model of one member."""
    return [
        {name.removeprefix(prefix): weight for name, weight in weights.items() if name.startswith(prefix)}
        for prefix in config.prefixes()
    ]


def join_members(config: NetworkConfig, members: list[Weights]) -> Weights:
    """Return the weights of all members under one model's names; undoes `split_members`."""
    pairs = zip(config.prefixes(), members, strict=True)
    return {prefix + name: weight for prefix, weights in pairs for name, weight in weights.items()}


class Plan(BaseModel, frozen=True):
    """The hyperparameters of a training, and its network."""

    network: NetworkConfig
    because: str = ""  # how the network was chosen, in plain words
    batch: int  # streams, or windows, that a step reads side by side
    length: int  # symbols that a step reads of each
    learning_rate: float
    schedule: Literal["constant", "cosine", "plateau"]
    """The learning rate's course. cosine: it falls to a hundredth at the planned end. plateau: the same, but when the
    held-out loss stops falling, the training goes on from its best weights at a lower rate, until no rate helps."""
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    epochs: int  # most epochs, unless the person names a number
    patience: float = 0.0  # stop after this share of the planned epochs without gain (0: never)
    precision: Precision = "float32"  # of the products in training on a CPU

    def memory(self) -> int:
        """Return about how many bytes of memory the training takes, besides those of the process."""
        network = self.network
        steps = self.batch * (network.window or self.length)
        logits = network.vocabulary * (self.batch if network.window else steps)
        writing = 8 * network.vocabulary * network.units[0]  # the table of the first layer's inputs, twice
        kept = network.members * (_ACTIVATIONS * steps * sum(network.units) + _LOGITS * logits + writing)
        return 4 * max(_COPIES_LEARNING * network.parameters() + kept, _COPIES_SAVING * network.parameters())

    def check_memory(self) -> None:
        """Refuse a training that is too large for this machine. Raises UserError."""
        needed, memory, spare = self.memory(), memory_bytes(), spare_memory()
        if memory is not None and spare is not None and needed > spare:
            raise UserError(
                f"A network of {self.network.parameters():,} parameters, {self.batch:,} texts at a time, needs about "
                f"{(needed + _PROCESS) / 2**30:,.1f} GB of memory to learn and be saved; this machine has "
                f"{memory / 2**30:,.1f}.",
                "Choose fewer layers or units. A smaller batch or length may help, too.",
            )


@dataclass(frozen=True)
class Machine:
    """The speed at which a machine makes the products of a training."""

    precision: Precision = "float32"  # the faster one
    flops: float = 100e9  # multiplications and additions a second in that precision
    gpu: bool = False  # whether a GPU makes them


@dataclass(frozen=True)
class Budget:
    """The limits of a training, and the speed of the machine."""

    minutes: float | None = None  # time limit; None: as long as the epochs take
    epochs: int | None = None  # number that the person named; None: as many as the time allows
    machine: Machine = Machine()
    memory: int | None = None  # bytes; None: unlimited


_MOST_SHARE = 0.8  # of the machine's memory, for a training
_PROCESS = 700 * 2**20  # bytes that Python and TensorFlow take (measured)
_COPIES_LEARNING, _COPIES_SAVING = 9, 20
"""Copies of the weights while a step is made (measured), and while a checkpoint is written: 12, and two by
`safetensors.numpy.save` of the weights, two moments and the best weights."""
_ACTIVATIONS = 12  # numbers kept for each unit and step: four gates, cell, output, and the gradients of these
_LOGITS = 4  # numbers kept for each symbol and step: logits, probabilities, and their gradients
_BY_TIME: tuple[tuple[int, int, tuple[tuple[int, int], ...]], ...] = (
    (200_000, 60, ((768, 3), (768, 2), (768, 1), (512, 1), (384, 1), (256, 1), (128, 1))),
    (20_000, 30, ((512, 4), (512, 3), (512, 2), (512, 1), (384, 1), (256, 1), (128, 1))),
    (0, 30, ((256, 4), (256, 3), (256, 2), (256, 1), (128, 1))),
)
"""The networks of new models to choose from: least characters; most epochs; LSTM units and members, from the costliest.
A text that starts from a model, as an English one from the starter, has that one's network. On a short text a wider
network overfits more, and so does a longer training. With more members a model would write less than some thousand
characters a second. Units are multiples of 32, or training leaves the loops of `galvanic.recurrence`."""
_BY_TEXT = (200_000, 512), (40_000, 384), (10_000, 256), (0, 128)  # least symbols; LSTM units if epochs are named
_EMBEDDING = {"char": 64, "word": 256}
_CHARACTERS = {"char": 1, "word": 3}  # in a symbol, about
_STREAMS, _STREAMS_GPU, _LENGTH = 64, 128, 64
_FEW_EPOCHS, _FEW_STREAMS = 25, 32  # with fewer epochs than this, a new network learns more from fewer streams
_LEAST_STREAMS = 8
_LEAST_STEPS = 75  # steps in an epoch: a short text is cut into fewer streams, so that it has as many
_ENOUGH_EPOCHS, _ENOUGH_PER_PARAMETER = 25, 5  # epochs, or symbols for each parameter, that a costlier network needs
_DROPOUT = ((30, 0.5, 0.4), (20, 0.5, 0.35), (14, 0.35, 0.25), (8, 0.25, 0.15), (4, 0.1, 0.05), (0, 0.0, 0.0))
"""The dropout by epochs: least epochs; dropout of outputs and of recurrent weights. More epochs overfit more."""
_RATE = {"char": 8e-3, "word": 3e-3}
_RATE_GOING_ON = (60_000, 1.5e-3), (0, 6e-4)  # by least characters: for a short text, a model should forget less
_RATE_FROM_STARTER = (200_000, 1.5e-3), (0, 6e-4)  # likewise; a longer text has more to learn in an epoch
_DROPOUT_FROM_STARTER = 0.1, 0.05  # most of outputs and of recurrent weights: with more, it forgets more
_EPOCHS_FROM_STARTER = 1_000  # the held-out loss ends it sooner: a book after 10, a channel of 120 lines after 30
_MORE_DROPOUT = {"char": 0.0, "word": 0.2}  # of outputs: a network with thousands of symbols overfits more
_LONG, _WIDE = 200_000, 768  # on so many characters, a network with fewer units overfits less, and takes less dropout


def make_plan(
    recipe: str,
    vocabulary: int,
    symbols: int,
    budget: Budget | None = None,
    network: NetworkConfig | None = None,
    *,
    from_starter: bool = False,
) -> Plan:
    """Return the default plan for a text of so many symbols to learn from.

    `vocabulary`: number of different symbols. `budget`: None: a machine of average speed, without a time limit.
    `network`: that of the model to go on from; None: a new one is chosen. `from_starter`: that model goes back to the
    starter.
    """
    budget = budget or Budget()
    if recipe == "classic":
        return _classic(vocabulary, budget, network)
    begin: _Begin = "nothing" if network is None else "starter" if from_starter else "model"
    batch, length = _streams_and_length(symbols, budget.machine.gpu)
    base = NetworkConfig(
        kind="streams", vocabulary=vocabulary, embedding=_EMBEDDING[recipe], units=(1,), input_dropout=0.1
    )
    most_epochs, sizes = next(row[1:] for row in _BY_TIME if symbols * _CHARACTERS[recipe] >= row[0])
    if network is not None:
        networks = [network.model_copy(update={"vocabulary": vocabulary})]
        if from_starter:
            most_epochs = _EPOCHS_FROM_STARTER
    elif budget.epochs is not None:
        # The same network on every machine with enough memory.
        networks = [base.model_copy(update={"units": (units,)}) for least, units in _BY_TEXT if symbols >= least]
    else:
        networks = _by_time(base, sizes, symbols, budget)
    plans = [
        _plan(recipe, network, (streams, length), symbols, most_epochs, budget, begin)
        for network in networks
        for streams in _halved(batch)
    ]
    # If not even the smallest fits into the memory, `Plan.check_memory` refuses it.
    return next((plan for plan in plans if budget.memory is None or plan.memory() <= budget.memory), plans[-1])


def _classic(vocabulary: int, budget: Budget, parent: NetworkConfig | None) -> Plan:
    """Return the tutorial's own numbers; Adam's learning rate is Keras' default."""
    network = NetworkConfig(
        kind="windows",
        vocabulary=vocabulary,
        embedding=0,
        units=(256, 256, 128),
        window=WINDOW,
        dropout=0.2,
    )
    return Plan(
        network=network,
        because="the tutorial's",
        batch=256,
        length=1,
        learning_rate=1e-3 if parent is None else 5e-4,
        schedule="constant",
        epochs=4,
        precision=budget.machine.precision,
    )


def _plan(
    recipe: str,
    network: NetworkConfig,
    shape: tuple[int, int],
    symbols: int,
    most_epochs: int,
    budget: Budget,
    begin: _Begin,
) -> Plan:
    batch, length = shape
    epochs: float = budget.epochs or min(_affordable(network, budget) / max(1, symbols), most_epochs)
    characters = symbols * _CHARACTERS[recipe]
    row = next(index for index, row in enumerate(_DROPOUT) if epochs >= row[0])
    if characters >= _LONG and network.units[0] < _WIDE:
        row = min(row + 1, len(_DROPOUT) - 1)
    _, dropout, recurrent = _DROPOUT[row]
    if begin == "starter":
        dropout, recurrent = min(dropout, _DROPOUT_FROM_STARTER[0]), min(recurrent, _DROPOUT_FROM_STARTER[1])
    rates = {"nothing": ((0, _RATE[recipe]),), "model": _RATE_GOING_ON, "starter": _RATE_FROM_STARTER}[begin]
    rate = next(rate for least, rate in rates if characters >= least)
    if dropout:
        dropout += _MORE_DROPOUT[recipe]
    if begin == "nothing" and epochs < _FEW_EPOCHS and not budget.machine.gpu:
        batch = min(batch, _FEW_STREAMS)
    return Plan(
        network=network.model_copy(update={"dropout": dropout, "recurrent_weight_dropout": recurrent}),
        because=_because(symbols, budget, begin),
        batch=batch,
        length=length,
        learning_rate=rate,
        schedule="plateau" if begin == "starter" and budget.epochs is None else "cosine",
        weight_decay=0.05,
        clip_norm=1.0,
        epochs=most_epochs,
        patience=0.25,
        precision=budget.machine.precision,
    )


def _because(symbols: int, budget: Budget, begin: _Begin) -> str:
    if begin != "nothing":
        return "that of the model it started from"
    if budget.epochs is not None or budget.minutes is None:
        return f"chosen by the size of the text, {symbols:,} symbols"
    return (
        f"chosen by the time: {symbols:,} symbols, {budget.minutes:g} min, "
        f"and {budget.machine.flops / 1e9:,.0f} GFLOP/s measured when it began"
    )


def _by_time(
    base: NetworkConfig, sizes: tuple[tuple[int, int], ...], symbols: int, budget: Budget
) -> list[NetworkConfig]:
    """Return the networks that see enough of the text within the time, from the costliest; at least the cheapest."""
    networks = [base.model_copy(update={"units": (units,), "members": members}) for units, members in sizes]

    def sees_enough(network: NetworkConfig) -> bool:
        enough = min(_ENOUGH_EPOCHS * symbols, _ENOUGH_PER_PARAMETER * network.parameters() / network.members)
        return _affordable(network, budget) >= enough

    return list(filter(sees_enough, networks)) or networks[-1:]


def _halved(batch: int) -> Iterator[int]:
    """Yield the number of streams, and fewer, which take less memory and learn nearly as well."""
    yield batch
    while (batch := batch // 2) >= _LEAST_STREAMS:
        yield batch


def _streams_and_length(symbols: int, gpu: bool) -> tuple[int, int]:
    batch, length = _STREAMS_GPU if gpu else _STREAMS, _LENGTH
    while batch > _LEAST_STREAMS and symbols < _LEAST_STEPS * batch * length:
        batch //= 2
    # No stream is shorter than a step.
    while batch > 1 and symbols // batch <= 2 * length:
        batch //= 2
    return batch, min(length, max(1, symbols // batch - 1))


def _affordable(network: NetworkConfig, budget: Budget) -> float:
    """Return how many symbols there is time to learn from."""
    if budget.minutes is None:
        return math.inf
    # Wider products come nearer to the machine's best speed. Measured at 128 to 1,024 units.
    share = min(0.65, 0.3 + 0.0007 * network.units[0])
    return budget.minutes * 60 * share * budget.machine.flops / network.flops()


def apply_options(plan: Plan, options: TrainOptions) -> Plan:
    """Return the plan with a person's options in place of its defaults.

    `units` holds for every layer; `layers` beyond the plan's are as wide as its last. With either option there is one
    network, whatever ensemble there was time for. With a `dropout` of 0 nothing at all is dropped. Raises UserError if
    options contradict the recipe.
    """
    units = plan.network.units
    if options.units is not None:
        units = (options.units,) * len(units)
    if options.layers is not None:
        units = units[: options.layers] + units[-1:] * (options.layers - len(units))
    network: dict[str, Any] = {"units": units}
    update = options.model_dump(include={"batch", "length", "learning_rate"}, exclude_none=True)
    if options.units is not None or options.layers is not None:
        network["members"] = 1
        update["because"] = "as asked for"
    if plan.network.kind == "windows":
        refuse_for_classic(options)
    elif options.embedding is not None:
        network["embedding"] = options.embedding
    if options.dropout is not None:
        network["dropout"] = options.dropout
        if not options.dropout:
            network.update(input_dropout=0.0, recurrent_weight_dropout=0.0)
    return plan.model_copy(update={**update, "network": plan.network.model_copy(update=network)})


def fit_to_text(plan: Plan, symbols: int) -> tuple[Plan, tuple[str, ...]]:
    """Return the plan with fewer and shorter streams if the text is too short for it, and a note that says so."""
    if plan.network.kind == "windows":
        return plan, ()
    batch = max(1, min(plan.batch, symbols // (plan.length + 1)))
    length = max(1, min(plan.length, symbols // batch - 1))
    if (batch, length) == (plan.batch, plan.length):
        return plan, ()
    note = (
        f"The text is too short for a batch of {plan.batch:,} and a length of {plan.length:,}: "
        f"it was read with {batch:,} and {length:,}."
    )
    return plan.model_copy(update={"batch": batch, "length": length}), (note,)


def spare_memory() -> int | None:
    """Return how many bytes a training may take on this machine; None if that is unknown."""
    memory = memory_bytes()
    return None if memory is None else max(0, min(int(_MOST_SHARE * memory), memory - _PROCESS))
