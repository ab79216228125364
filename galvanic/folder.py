"""The model folder: weights as safetensors, everything else as JSON. Nothing in it is ever executed."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy
from pydantic import BaseModel, ConfigDict, Field

from galvanic.checkpoint import sync_folder, write_file
from galvanic.errors import UserError
from galvanic.options import CorpusInfo, RecipeName, TrainOptions, TranscriptRef
from galvanic.plan import NetworkConfig
from galvanic.results import TrainResult
from galvanic.text import make_vocabulary

FORMAT = 2
WEIGHTS, DESCRIPTION = "weights.safetensors", "model.json"
MOST_DESCRIPTION_BYTES = 64 * 2**20
_BESIDE_WEIGHTS_BYTES = 2**20
"""What the weights file may hold beside the weights: its header, and the windows of the corpus."""
WINDOWS = "corpus_windows"
"""The array beside the weights."""
MOST_WINDOWS, WINDOW_SYMBOLS = 1_000, 100
_MOST_SUM = 1e8
"""What a unit may make of its inputs, at most. Trained weights stay far below it; numbers far above it overflow, or
drown what keeps a symbol from being drawn (`galvanic.sampling.NEVER`)."""
_LIBRARIES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "safetensors", "galvanic")

Loaded = tuple["Description", dict[str, npt.NDArray[np.float32]], npt.NDArray[Any]]


class Ancestor(BaseModel):
    """A model that another one started from.

    Attributes:
        name: as it was called then.
        weights_sha256: of its weights file, hexadecimal.
        corpus: what it had learned from.
        epochs: that it was trained for, itself.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    weights_sha256: str
    corpus: CorpusInfo
    epochs: int


class TrainingRecord(BaseModel):
    """How the model came about; losses in nats per character.

    Attributes:
        epochs: of this training; `epochs_before` those of the models that it started from.
        copy_share: share of its samples that stands verbatim in the corpus, in runs of 30 characters or more.
    """

    model_config = ConfigDict(frozen=True)

    epochs: int
    epochs_before: int = 0
    seconds: float
    stopped: str
    random_seed: int
    train_loss: float
    heldout_loss: float | None
    copy_share: float | None = None
    curve: tuple[tuple[int, float, float | None], ...]
    notes: tuple[str, ...] = ()


class Description(BaseModel):
    """What `model.json` holds.

    Attributes:
        symbols: the text of every symbol, in the order of their ids.
        unwrapped: the text's lines of fixed width were joined into paragraphs.
        unseen: probability that the next character is one that the text never had.
        lineage: the models that this one goes back to, the oldest first.
        options: what the person chose; None in models of older formats.
        transcripts: channels' messages that it learned from, as the registry knew when it was exported (`marks`).
        weights_sha256: of the weights file, hexadecimal.
    """

    model_config = ConfigDict(frozen=True)

    format: Literal[2] = 2
    recipe: RecipeName
    symbols: tuple[str, ...] = Field(min_length=1)
    network: NetworkConfig
    unwrapped: bool
    unseen: float = Field(gt=0, lt=1)
    corpus: CorpusInfo
    lineage: tuple[Ancestor, ...] = ()
    options: TrainOptions | None = None
    training: TrainingRecord
    versions: dict[str, str] = Field(default_factory=dict)
    created_at: float = Field(default_factory=time.time)
    transcripts: tuple[TranscriptRef, ...] = ()
    weights_sha256: str

    @property
    def marks(self) -> tuple[TranscriptRef, ...]:
        """The channels' messages that it, and what it started from, learned from, each transcript once.

        What the registry said comes first: it knows at which revision a text was read.
        """
        texts = (self.corpus.transcript, *(ancestor.corpus.transcript for ancestor in self.lineage))
        found: dict[str, TranscriptRef] = {}
        for ref in (*self.transcripts, *texts):
            if ref is not None:
                found.setdefault(ref.transcript_id, ref)
        return tuple(found.values())


def record_of(result: TrainResult) -> TrainingRecord:
    """The part of a result that goes into the folder."""
    return TrainingRecord(
        epochs=result.epochs,
        epochs_before=result.epochs_before,
        seconds=round(result.seconds, 1),
        stopped=result.stopped,
        random_seed=result.random_seed,
        train_loss=result.train_loss,
        heldout_loss=result.heldout_loss,
        copy_share=result.copy_share,
        curve=tuple((point.epoch, point.train_loss, point.heldout_loss) for point in result.curve),
        notes=result.notes,
    )


def library_versions() -> dict[str, str]:
    """Versions of the libraries that matter to a model, those installed."""
    found: dict[str, str] = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except ModuleNotFoundError:
            continue
    return found


def save(folder: Path, weights: dict[str, Any], windows: npt.NDArray[Any], **fields: Any) -> None:
    """Write a model folder. `model.json` comes last: without it a folder is no model.

    Args:
        weights: float32 arrays by name.
        windows: ids of windows of the corpus, [windows, symbols], to start a text from.
        fields: of `Description`, but for the hash; the versions are those installed unless given.
    """
    fields = {"versions": library_versions(), **fields}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DESCRIPTION).unlink(missing_ok=True)
    write_file(folder / WEIGHTS, {**weights, WINDOWS: windows})
    with (folder / WEIGHTS).open("rb") as weights_file:
        digest = hashlib.file_digest(weights_file, "sha256").hexdigest()
    description = Description(**fields, weights_sha256=digest)
    partial = folder / f".{DESCRIPTION}.partial"
    with partial.open("w", encoding="utf-8") as file:
        file.write(description.model_dump_json(indent=1, ensure_ascii=True))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / DESCRIPTION)
    sync_folder(folder)


def describe(folder: Path) -> Description:
    """The description of a model folder, without its weights.

    Raises:
        UserError: as `load`.
    """
    if not (folder / DESCRIPTION).is_file():
        raise UserError(f"There is no model in {folder.name}.", "Give the folder that a training wrote.")
    try:
        if (folder / DESCRIPTION).stat().st_size > MOST_DESCRIPTION_BYTES:
            raise ValueError("the description is larger than any that was ever written")
        return parse((folder / DESCRIPTION).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise damaged() from error


def load(folder: Path) -> Loaded:
    """Description, weights and corpus windows of a model folder, all checked.

    Raises:
        UserError: there is no model, it is damaged or of no use, or a newer program wrote it.
    """
    description = describe(folder)
    try:
        size, (least, most) = (folder / WEIGHTS).stat().st_size, weights_bytes(description)
        if not least <= size <= most:
            raise ValueError("the weights file has another size than this network's")
        data = (folder / WEIGHTS).read_bytes()
        if hashlib.sha256(data).hexdigest() != description.weights_sha256:
            raise ValueError("the weights differ from those that were saved")
        arrays = safetensors.numpy.load(data)
        windows = arrays.pop(WINDOWS)
        _check(description, arrays, windows)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, safetensors.SafetensorError) as error:
        raise damaged() from error
    return description, arrays, windows


def damaged() -> UserError:
    """The error about a model that cannot be read."""
    return UserError("This model's files are damaged.", "Train it again, or restore them from a backup.")


def weights_bytes(description: Description) -> tuple[int, int]:
    """Between which sizes the weights file of such a model lies, in bytes; known before it is read."""
    least = 4 * description.network.parameters()
    return least, least + _BESIDE_WEIGHTS_BYTES


def parse(text: bytes) -> Description:
    """A description from its JSON, of this format or an older one.

    Raises:
        UserError: a newer program wrote it.
        ValueError: it is damaged.
    """

    class Header(BaseModel):
        format: int

    written = Header.model_validate_json(text).format
    if written > FORMAT:
        raise UserError("This model was written by a newer version of Galvanic.", "Update this installation to use it.")
    if written == 1:
        description = Description.model_validate(_from_format_1(json.loads(text)))
    else:
        description = Description.model_validate_json(text)
    check_description(description)
    return description


def check_description(description: Description) -> None:
    """See that its parts fit together.

    Raises:
        ValueError: they do not.
        UserError: there are too many symbols, or too long ones.
    """
    if min(description.network.units) < 1:
        raise ValueError("a layer without units")
    if len(description.symbols) != description.network.vocabulary:
        raise ValueError("the symbols do not fit the network")
    if make_vocabulary(description.recipe, description.symbols).symbols != description.symbols:
        raise ValueError("the symbols are not in their order")


def _from_format_1(fields: dict[str, Any]) -> dict[str, Any]:
    """Format 1 had its symbols, which were characters, in one string, and told the encoding by the embedding's width.

    Raises:
        ValueError: it is damaged.
    """
    try:
        network = dict(fields["network"])
        network["encoding"] = "embedding" if network["embedding"] else "scaled"
        return {**fields, "format": FORMAT, "symbols": list(fields["vocabulary"]), "network": network}
    except (KeyError, TypeError) as error:
        raise ValueError("the description has other fields than it should") from error


def check_weights(weights: Mapping[str, npt.NDArray[Any]]) -> None:
    """See that whatever is read, all that the network predicts with these weights are numbers.

    What a layer reads lies between -1 and 1, but for an embedding: so the largest weight, times how many there are to
    a unit, bounds what it sums.

    Raises:
        UserError: they may not be.
    """
    largest = {name: float(max(array.max(), -array.min())) for name, array in weights.items()}
    embedded = max((most for name, most in largest.items() if name.endswith("embeddings")), default=1.0)
    for name, most in largest.items():
        terms = weights[name].shape[0] if weights[name].ndim > 1 else 1
        inputs = max(1.0, embedded) if name.endswith("lstm_0/lstm_cell/kernel") else 1.0
        if not terms * most * inputs <= _MOST_SUM:  # not so of NaN either
            raise UserError(
                "This model's weights give no usable probabilities: some are no numbers, or far too large ones.",
                "Train it again, or get another copy of it.",
            )


def _check(description: Description, weights: dict[str, npt.NDArray[Any]], windows: npt.NDArray[Any]) -> None:
    """Compare the arrays with the description.

    Raises:
        ValueError: something does not fit.
        UserError: nothing can be predicted with these weights.
    """
    if {name: array.shape for name, array in weights.items()} != description.network.shapes():
        raise ValueError("the weights do not fit the network")
    if not all(array.dtype == np.float32 for array in weights.values()):
        raise ValueError("the weights are of another kind")
    check_weights(weights)
    if windows.dtype.kind not in "ui" or windows.ndim != 2 or not windows.size:
        raise ValueError("the corpus windows are no ids")
    if windows.shape[0] > MOST_WINDOWS or windows.shape[1] > WINDOW_SYMBOLS:
        raise ValueError("more of the corpus than a training keeps")
    if windows.min() < 0 or windows.max() >= len(description.symbols):
        raise ValueError("the corpus windows do not fit the vocabulary")
