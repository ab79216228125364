"""Write, read, describe and check model files.

A model is one file, `NAME.safetensors`. It holds the weights, pieces of the text to start from, and mostly a table of
n-grams; its metadata holds a description as JSON. Weights may be stored with less precision if a file must be small
(`Packing`). A file is written atomically. It may come from anybody, so all of it is checked, and none of it executed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field
from safetensors import SafetensorError

from galvanic.checkpoint import Arrays, read_arrays, write_file
from galvanic.errors import UserError
from galvanic.files import at_home, replacing
from galvanic.ngrams import PREFIX
from galvanic.options import STARTER, STARTS, CorpusInfo, ReadingId, RecipeName, TrainOptions
from galvanic.plan import NetworkConfig
from galvanic.results import TrainingRecord
from galvanic.text import make_vocabulary
from galvanic.text.classic import WINDOW
from galvanic.units import MEGABYTE

if TYPE_CHECKING:
    from galvanic.companion import Companion

FORMAT = 5  # the number of all that a file holds; a file with another number is refused
SUFFIX = ".safetensors"
STARTER_FILE = Path(__file__).with_name(f"starter{SUFFIX}")
WINDOWS = "corpus_windows"  # name of the array with pieces of the text
MOST_WINDOWS, WINDOW_SYMBOLS = 1_000, 100
Packing = Literal["float16", "int8"]
"""A way to store weights. `float16`: in half precision. `int8`: each column of a matrix in steps of a 127th of its
largest weight, and biases in float32."""
PACKINGS: tuple[Packing, ...] = ("float16", "int8")  # from the finest
_KEY = "galvanic"
_SCALE, _STEPS = "/scale", 127
_MOST_HEADER = 64 * 2**20
_MOST_DESCRIPTION = 4 * 2**20  # bytes, in an imported file: several times what the largest vocabulary takes
_MOST_SUM = 1e8
"""Largest sum that a unit may make of its inputs. Trained weights stay far below. Numbers far above overflow, or exceed
the logit of forbidden symbols (`galvanic.sampling.NEVER`)."""
_MOST_LSTMS = 16  # layers of all members in an import: a training that goes on from it compiles each

Loaded = tuple["Description", dict[str, npt.NDArray[np.float32]], npt.NDArray[Any], "Companion | None"]


class Ancestor(BaseModel, frozen=True):
    """A model that another one started from."""

    name: str  # its name at that time
    weights_sha256: str
    corpus: CorpusInfo
    epochs: int  # of its own training


class Description(BaseModel, frozen=True):
    """All that a model file says of its model, besides the arrays."""

    format: Literal[5] = 5
    packed: Packing | None = None  # how the weights are stored; None: in float32
    recipe: RecipeName
    symbols: tuple[str, ...] = Field(min_length=1)  # the text of each symbol, by id
    network: NetworkConfig
    unwrapped: bool  # whether the text's lines of fixed width were joined into paragraphs
    unseen: float = Field(gt=0, lt=1)  # probability of a character that the text never had
    corpus: CorpusInfo
    lineage: tuple[Ancestor, ...] = ()  # models that this one goes back to, the oldest first
    options: TrainOptions | None = None
    training: TrainingRecord
    weights_sha256: str = ""  # hash of the arrays as they are stored, hexadecimal; `save` fills it in

    @property
    def readings(self) -> tuple[ReadingId, ...]:
        """Return the readings of channels that the model and its ancestors learned from, each once."""
        return tuple(dict.fromkeys(text.reading for text in self.texts if text.reading is not None))

    @property
    def texts(self) -> tuple[CorpusInfo, ...]:
        """Return the model's text, and those of its ancestors."""
        return self.corpus, *(ancestor.corpus for ancestor in self.lineage)

    @property
    def learned_messages(self) -> bool:
        """Return whether the model or an ancestor learned people's messages, of a channel or an exported chat."""
        return any(text.is_messages for text in self.texts)


def path_of(name: str | Path) -> Path:
    """Return the path of a model file that a person names, with or without its ending.

    `starter` is the starter's file, if no other has that name. Raises UserError if the starter isn't installed.
    """
    given = at_home(name)
    path = given if given.is_file() else path_for(name)
    if str(name) != STARTER or path.exists():
        return path
    if not STARTER_FILE.exists():
        raise UserError("The starter isn't installed here.", "Train a model, and give its file.")
    return STARTER_FILE


def find_parent(name: str | Path | None) -> tuple[Path | None, dict[str, str]]:
    """Return the file of a model to start from, and the option that follows from it: its recipe.

    `starter` and `none` are words of the option `start`, and no files, unless a file has that name. Raises UserError if
    there is no model.
    """
    if name is None:
        return None, {}
    if str(name) in STARTS and not (Path(name).is_file() or path_for(name).exists()):
        return None, {"start": str(name)}
    path = path_of(name)
    return path, {"recipe": describe(path).recipe}


def path_for(name: str | Path, suffix: str = SUFFIX) -> Path:
    """Return the path for a new file that a person names, with or without its ending."""
    path = at_home(name)
    if path.suffix.lower() == suffix or path.name in ("", ".."):  # a folder, whose name takes no ending
        return path
    return path.with_name(path.name + suffix)


def save(
    path: Path,
    description: Description,
    weights: Arrays,
    windows: npt.NDArray[Any],
    companion: Companion | None = None,
    packing: Packing | None = None,
) -> None:
    """Write a model file atomically; on return it is on the disk.

    `weights`: float32, by name. `windows`: pieces of the corpus to start texts from, ids [windows, symbols]. Raises
    OverflowError if a weight is too large for the packing, and OSError if the file cannot be written.
    """
    arrays = {**_packed(weights, packing), WINDOWS: windows, **(companion.arrays if companion else {})}
    if not all(np.isfinite(array).all() for array in arrays.values()) and packing:
        raise OverflowError(f"a weight is too large for {packing}")
    stored = description.model_copy(update={"packed": packing, "weights_sha256": _digest(arrays)})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, arrays, {_KEY: stored.model_dump_json(ensure_ascii=True)})


def describe(path: Path, imported_bytes: int | None = None) -> Description:
    """Read the description of a model file, and nothing else. Arguments and errors are those of `load`."""
    foreign = imported_bytes is not None
    try:
        metadata = _metadata(path, _MOST_DESCRIPTION if foreign else _MOST_HEADER)
    except (OSError, ValueError, RecursionError, LookupError, TypeError) as error:
        if foreign:
            remedy = f"Give a file that `export` wrote; it ends in {SUFFIX}."
            raise UserError(f"{path.name} isn't an exported model.", remedy) from error
        remedy = "Give the file that a training or an export wrote."
        if isinstance(error, OSError) and error.errno != errno.ENOENT:
            raise UserError(f"{path.name} can't be read: {error.strerror}.", remedy) from error
        raise UserError(f"There is no model in {path.name}.", remedy) from error
    try:
        if json.loads(metadata)["format"] != FORMAT:
            raise UserError(
                "This model was written by another version of Galvanic.", "Use that version, or train the model again."
            )
        description = Description.model_validate_json(metadata)
        _check_description(description)
        if imported_bytes is not None:
            _check_import(description, imported_bytes)
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise damaged(path if foreign else None) from error
    return description


def load(path: Path, imported_bytes: int | None = None) -> Loaded:
    """Read and check a model file: description, weights, corpus windows and companion.

    `imported_bytes`: for an import, the most bytes that a file may have: anybody may have made it to exhaust a worker's
    memory or time. Raises UserError if there is no model, it is damaged or too large, or another version wrote it.
    """
    description = describe(path, imported_bytes)
    try:
        arrays = read_arrays(path)[0]
        _require(_digest(arrays) == description.weights_sha256, "the weights differ from those that were saved")
        windows = arrays.pop(WINDOWS)
        table = {name: arrays.pop(name) for name in list(arrays) if name.startswith(PREFIX)}
        weights = _unpacked(arrays)
        _check_arrays(description, weights, windows)
        most = np.finfo(np.float16).max if description.packed == "float16" else math.inf
        _require(all(np.abs(weight).max(initial=0) <= most for weight in weights.values()), "weights above float16's")
        _require(not table or description.recipe != "classic", "a table that it may not have")
        companion = None
        if table:
            from galvanic.companion import Companion  # not needed to describe or list models

            companion = Companion.of(table, len(description.symbols))
    # An AttributeError comes from types that numpy lacks, such as 8-bit floats.
    except (OSError, ValueError, LookupError, TypeError, ArithmeticError, AttributeError, SafetensorError) as error:
        raise damaged(path if imported_bytes is not None else None) from error
    return description, weights, windows, companion


def export(path: Path, target: Path, most_bytes: float = math.inf) -> None:
    """Write a model into another file of at most so many bytes.

    It stores the weights with as much precision as fits. Raises UserError if there is no model, it is damaged, the file
    cannot be written, or the model doesn't fit; then the other file stays as it was.
    """
    description, weights, windows, companion = load(path)
    finest = (None, *PACKINGS).index(description.packed)
    try:
        with replacing(target) as partial:
            for packing in (None, *PACKINGS)[finest:]:
                try:
                    save(partial, description, weights, windows, companion, packing)
                except OverflowError:  # a weight is too large for float16; int8 holds any of a model
                    continue
                size = partial.stat().st_size
                if size <= most_bytes:
                    return
            raise UserError(
                f"This model's file takes {size / MEGABYTE:.1f} MB at least, and here files may have "
                f"{most_bytes / MEGABYTE:.1f} MB.",
                "Train one with fewer `--units`, or ask the bot's operator: `galvanic export` on the machine has no "
                "such limit.",
            )
    except OSError as error:
        raise not_written(target, error) from error


def not_written(target: Path, error: OSError) -> UserError:
    """Return the error for a file that cannot be written."""
    return UserError(f"{target.name} cannot be written: {error.strerror}.", "Name another file, or make room.")


def damaged(path: Path | None = None) -> UserError:
    """Return the error for a damaged file. `path`: that of an import."""
    if path is not None:
        return UserError(f"{path.name} is damaged.", "Export the model again, or get another copy of the file.")
    return UserError("This model's file is damaged.", "Train it again, or restore it from a backup.")


def _require(holds: bool, why_not: str) -> None:
    if not holds:
        raise ValueError(why_not)


def _metadata(path: Path, most: int) -> str:
    """Read our part of a safetensors file's header.

    Raises ValueError if it is no file, longer than `most` bytes or no JSON, and LookupError or TypeError if it has no
    such part.
    """
    _require(path.is_file(), "no file, but perhaps a pipe, which never ends")
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        _require(length <= most, "a longer header than a model has")
        return str(json.loads(file.read(length))["__metadata__"][_KEY])


def _digest(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def _check_description(description: Description) -> None:
    """Check that a description's parts fit together, and that a training may have left it.

    Raises ValueError if not, and UserError if there are too many symbols, or too long ones.
    """
    network, symbols = description.network, description.symbols
    _require(min(network.units) > 0, "a layer without units")
    _require(network.window in (0, WINDOW), "a window that no recipe has")
    _require((network.kind == "windows") == (description.recipe == "classic"), "a network that its recipe has not")
    _require(len(symbols) == network.vocabulary, "the symbols do not fit the network")
    _require(make_vocabulary(description.recipe, symbols).symbols == symbols, "the symbols are not in their order")


def memory(network: NetworkConfig) -> int:
    """Return the most bytes of memory that a model with this network needs to write.

    That is its weights, and the table of the first layer's inputs for each symbol, whose units are padded to a multiple
    of 16 (`galvanic.kernels.LANES`).
    """
    gates = 4 * (network.units[0] + -network.units[0] % 16)
    table = network.members * network.vocabulary * gates if network.kind == "streams" else 0
    return 4 * (network.parameters() + table)


def _check_import(description: Description, file_bytes: int) -> None:
    """Check an import before its weights are read.

    Raises UserError if the model is too large or too slow, ValueError if it claims too much.
    """
    few = len(description.readings) <= 200 and description.corpus.chars <= 10**12
    _require(few, "more than a model learns from")
    network = description.network
    # Packed weights take up to four times their bytes in memory.
    for needed, most in ((4 * network.parameters(), 4 * file_bytes), (memory(network), 12 * file_bytes)):
        if needed > most:
            raise UserError(
                f"This model's network takes {needed / MEGABYTE:,.0f} MB, and imports may take "
                f"{most / MEGABYTE:,.0f} MB.",
                "Import a smaller model.",
            )
    network.check_pace()
    layers = len(network.units) * network.members
    if layers > _MOST_LSTMS:
        raise UserError(
            f"This model's network has {layers} layers, and imports may have {_MOST_LSTMS}.",
            "Import a model with fewer layers.",
        )


def check_weights(weights: Mapping[str, npt.NDArray[Any]]) -> None:
    """Check that a network predicts numbers with these weights, whatever it reads. Raises UserError if not.

    A layer's inputs lie between -1 and 1, except embeddings. So the largest weight times the number of weights of a
    unit bounds its sum.
    """
    largest = {name: float(max(array.max(), -array.min())) for name, array in weights.items()}
    embedded = max((most for name, most in largest.items() if name.endswith("embeddings")), default=1.0)
    for name, most in largest.items():
        terms = weights[name].shape[0] if weights[name].ndim > 1 else 1
        inputs = max(1.0, embedded) if name.endswith("lstm_0/lstm_cell/kernel") else 1.0
        if not terms * most * inputs <= _MOST_SUM:  # NaN fails as well
            raise UserError(
                "This model's weights give no usable probabilities: some are no numbers, or far too large ones.",
                "Train it again, or get another copy of it.",
            )


def _check_arrays(description: Description, weights: Arrays, windows: npt.NDArray[Any]) -> None:
    """Check the arrays against the description. Raises ValueError, and UserError as `check_weights`."""
    shapes = {name: array.shape for name, array in weights.items()}
    _require(shapes == description.network.shapes(), "the weights do not fit the network")
    _require(all(array.dtype == np.float32 for array in weights.values()), "the weights are of another kind")
    check_weights(weights)
    _require(windows.dtype.kind in "ui" and windows.ndim == 2 and windows.size > 0, "the corpus windows are no ids")
    few = windows.shape[0] <= MOST_WINDOWS and windows.shape[1] <= WINDOW_SYMBOLS
    _require(few, "more of the corpus than a training keeps")
    within = windows.min() >= 0 and windows.max() < len(description.symbols)
    _require(bool(within), "the corpus windows do not fit the vocabulary")


def _packed(weights: Arrays, packing: Packing | None) -> Arrays:
    """Return the weights as a file stores them, the scales of `int8` beside them."""
    if packing is None:
        return weights
    if packing == "float16":
        with np.errstate(over="ignore"):  # `save` refuses infinite weights
            return {name: array.astype(np.float16) for name, array in weights.items()}
    arrays: Arrays = {}
    for name, array in weights.items():
        if array.ndim < 2:
            arrays[name] = array
            continue
        scale = np.maximum(np.abs(array).max(axis=0) / _STEPS, np.finfo(np.float32).tiny).astype(np.float32)
        arrays[name], arrays[name + _SCALE] = np.round(array / scale).astype(np.int8), scale
    return arrays


def _unpacked(arrays: Arrays) -> Arrays:
    """Return stored weights as float32; undoes `_packed`. Raises ValueError if a scale doesn't fit its matrix."""
    weights: Arrays = {}
    for name, array in arrays.items():
        if name.endswith(_SCALE):
            continue
        with np.errstate(over="ignore"):  # `load` refuses infinite weights
            weights[name] = array.astype(np.float32, copy=False)
            if (scale := arrays.get(name + _SCALE)) is not None:
                _require(scale.shape == array.shape[1:], "the scales do not fit the weights")
                weights[name] *= scale  # in place: a product could be of a wider type, chosen to exhaust the memory
    return weights
