"""Which network, and how it is trained: every default number of the engine, and why. Works without TensorFlow."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.errors import UserError
from worker.text.classic import WINDOW


class NetworkConfig(BaseModel):
    """All that is needed to rebuild a network.

    Attributes:
        kind: `streams` reads a text once with carried state and predicts after every character; `windows` reads a
            window of fixed length from a zero state and predicts one character (the tutorial's).
        encoding: how a symbol enters: through a learned `embedding`, as `one-hot` vector, or `scaled`: id / vocabulary
            size as one float (the tutorial's, `windows` only).
        embedding: width of the embedding; 0 for the other encodings.
        units: of each LSTM layer, from the first.
        window: length of the window; 0 for `streams`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["streams", "windows"]
    vocabulary: int = Field(ge=1, le=0x110000)
    encoding: Literal["embedding", "one-hot", "scaled"] = "embedding"
    embedding: int = Field(ge=0, le=8192)
    units: tuple[int, ...] = Field(min_length=1, max_length=16)
    window: int = Field(0, ge=0, le=10_000)
    input_dropout: float = Field(0.0, ge=0, lt=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    recurrent_weight_dropout: float = Field(0.0, ge=0, lt=1)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every weight."""
        shapes: dict[str, tuple[int, ...]] = {}
        width = {"embedding": self.embedding, "one-hot": self.vocabulary, "scaled": 1}[self.encoding]
        if self.encoding == "embedding":
            shapes["embedding/embeddings"] = (self.vocabulary, self.embedding)
        for index, units in enumerate(self.units):
            shapes[f"lstm_{index}/lstm_cell/kernel"] = (width, 4 * units)
            shapes[f"lstm_{index}/lstm_cell/recurrent_kernel"] = (units, 4 * units)
            shapes[f"lstm_{index}/lstm_cell/bias"] = (4 * units,)
            width = units
        shapes["output/kernel"] = (width, self.vocabulary)
        shapes["output/bias"] = (self.vocabulary,)
        return shapes


class Plan(BaseModel):
    """How a network is trained.

    Attributes:
        batch: examples or streams in a step.
        length: characters that each of them shows in a step.
        schedule: `constant`, or `cosine` down to nothing at the planned end.
        epochs: to train at most, when the person names no number.
        timed: ends by the clock when the person names no number of epochs.
        patience: stop after this share of the planned epochs without progress (0: never).
        precision: of the products while training on a CPU.
    """

    model_config = ConfigDict(frozen=True)

    network: NetworkConfig
    batch: int
    length: int
    learning_rate: float
    schedule: Literal["constant", "cosine"]
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    epochs: int
    timed: bool
    patience: float = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"


_SIZES: tuple[tuple[int, int, int, int, float, float], ...] = (
    # characters at least; LSTM units, streams, characters a step; share of outputs and recurrent weights dropped.
    # A few megabytes hardly overfit, so little is dropped.
    (2_000_000, 512, 32, 128, 0.2, 0.1),
    # A book: measured on Frankenstein (about 400,000 characters) against 0.5 and 0.4, which learned slower.
    (200_000, 512, 32, 128, 0.4, 0.25),
    (40_000, 384, 16, 128, 0.5, 0.3),
    (10_000, 256, 16, 64, 0.5, 0.3),
    (0, 128, 8, 32, 0.3, 0.2),
)


def make_plan(recipe: str, vocabulary: int, characters: int) -> Plan:
    """The default plan for a text of so many characters to learn from.

    Raises:
        UserError: there is no such recipe.
    """
    if recipe == "classic":
        return _classic(vocabulary)
    if recipe == "char":
        return _char(vocabulary, characters)
    raise UserError(f'There is no recipe "{recipe}".', "Choose `char` or `classic`.")


def _classic(vocabulary: int) -> Plan:
    """The tutorial's own numbers; Adam's learning rate is Keras' default."""
    network = NetworkConfig(
        kind="windows",
        vocabulary=vocabulary,
        encoding="scaled",
        embedding=0,
        units=(256, 256, 128),
        window=WINDOW,
        dropout=0.2,
    )
    return Plan(network=network, batch=256, length=1, learning_rate=1e-3, schedule="constant", epochs=4, timed=False)


def _char(vocabulary: int, characters: int) -> Plan:
    """A small text gets a small network and short streams, so that an epoch still has some tens of steps."""
    units, batch, length, output, recurrent = next(row[1:] for row in _SIZES if characters >= row[0])
    # Never streams shorter than a step.
    while batch > 1 and characters // batch <= 2 * length:
        batch //= 2
    length = min(length, max(1, characters // batch - 1))
    network = NetworkConfig(
        kind="streams",
        vocabulary=vocabulary,
        embedding=64,
        units=(units,),
        input_dropout=0.1,
        dropout=output,
        recurrent_weight_dropout=recurrent,
    )
    return Plan(
        network=network,
        batch=batch,
        length=length,
        learning_rate=3e-3,
        schedule="cosine",
        weight_decay=0.05,
        clip_norm=1.0,
        # Of a book nothing more was learned after 40; a short text only comes to be known by heart.
        epochs=60,
        timed=True,
        patience=0.25,
    )
