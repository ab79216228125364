"""The model folder: weights as safetensors, everything else as JSON. Nothing in it is ever executed."""

from __future__ import annotations

import hashlib
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import UserError
from shared.jobs import CorpusInfo, RecipeName
from worker.model.checkpoint import write_file
from worker.model.plan import NetworkConfig
from worker.model.results import TrainResult
from worker.text import Vocabulary

FORMAT = 1
WEIGHTS, DESCRIPTION = "weights.safetensors", "model.json"
_WINDOWS = "corpus_windows"
_LIBRARIES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "safetensors", "nltk", "galvanic")


class TrainingRecord(BaseModel):
    """How the model came about; losses in nats per character."""

    model_config = ConfigDict(frozen=True)

    epochs: int
    seconds: float
    stopped: str
    random_seed: int
    train_loss: float
    heldout_loss: float | None
    curve: tuple[tuple[int, float, float | None], ...]
    notes: tuple[str, ...] = ()


class Description(BaseModel):
    """What `model.json` holds.

    Attributes:
        vocabulary: all characters, in the order of their ids.
        unwrapped: the text's lines of fixed width were joined into paragraphs.
        unseen: probability that the next character is one that the text never had.
        weights_sha256: of the weights file, hexadecimal.
    """

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    recipe: RecipeName
    vocabulary: str = Field(min_length=1)
    network: NetworkConfig
    unwrapped: bool
    unseen: float = Field(gt=0, lt=1)
    corpus: CorpusInfo
    training: TrainingRecord
    versions: dict[str, str] = Field(default_factory=dict)
    created_at: float = Field(default_factory=time.time)
    weights_sha256: str


def record_of(result: TrainResult) -> TrainingRecord:
    """The part of a result that goes into the folder."""
    return TrainingRecord(
        epochs=result.epochs,
        seconds=round(result.seconds, 1),
        stopped=result.stopped,
        random_seed=result.random_seed,
        train_loss=result.train_loss,
        heldout_loss=result.heldout_loss,
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
        windows: ids of windows of the corpus, [windows, characters], to start a text from.
        fields: of `Description`, but for the versions and the hash.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DESCRIPTION).unlink(missing_ok=True)
    write_file(folder / WEIGHTS, {**weights, _WINDOWS: windows})
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    description = Description(**fields, versions=library_versions(), weights_sha256=digest)
    partial = folder / f".{DESCRIPTION}.partial"
    # Escaped: a vocabulary may hold what UTF-8 cannot.
    partial.write_text(description.model_dump_json(indent=1, ensure_ascii=True), "utf-8")
    partial.replace(folder / DESCRIPTION)


def load(folder: Path) -> tuple[Description, dict[str, npt.NDArray[np.float32]], npt.NDArray[Any]]:
    """Description, weights and corpus windows of a model folder, all checked.

    Raises:
        UserError: there is no model, it is damaged, or a newer program wrote it.
    """
    if not (folder / DESCRIPTION).is_file():
        raise UserError(f"There is no model in {folder.name}.", "Give the folder that a training wrote.")
    try:
        text = (folder / DESCRIPTION).read_text("utf-8")
        data = (folder / WEIGHTS).read_bytes()
        description = _parse(text)
        if hashlib.sha256(data).hexdigest() != description.weights_sha256:
            raise ValueError("the weights differ from those that were saved")
        arrays = safetensors.numpy.load(data)
        windows = arrays.pop(_WINDOWS)
        _check(description, arrays, windows)
    except (OSError, ValueError, KeyError, RecursionError, safetensors.SafetensorError) as error:
        raise _damaged() from error
    return description, arrays, windows


def _damaged() -> UserError:
    return UserError("This model's files are damaged.", "Train it again, or restore them from a backup.")


def _parse(text: str) -> Description:
    class Header(BaseModel):
        format: int

    if Header.model_validate_json(text).format > FORMAT:
        raise UserError("This model was written by a newer version of Galvanic.", "Update this installation to use it.")
    try:
        return Description.model_validate_json(text)
    except ValidationError as error:
        raise ValueError("the description has other fields than it should") from error


def _check(description: Description, weights: dict[str, npt.NDArray[Any]], windows: npt.NDArray[Any]) -> None:
    """Compare everything with everything else.

    Raises:
        ValueError: something does not fit.
    """
    size = len(Vocabulary(description.vocabulary))
    if {name: array.shape for name, array in weights.items()} != description.network.shapes():
        raise ValueError("the weights do not fit the network")
    if size != description.network.vocabulary:
        raise ValueError("the vocabulary does not fit the network")
    if not all(array.dtype == np.float32 and np.isfinite(array).all() for array in weights.values()):
        raise ValueError("some weights are no numbers")
    if windows.ndim != 2 or not windows.size or windows.min() < 0 or windows.max() >= size:
        raise ValueError("the corpus windows do not fit the vocabulary")
