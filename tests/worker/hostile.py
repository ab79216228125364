"""Model files that somebody made to harm, written with the product's own writer."""

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from galvanic import model_file as files
from galvanic.checkpoint import Arrays
from galvanic.options import RecipeName
from galvanic.plan import NetworkConfig, Weights
from tests.worker.small import LETTERS, description_of, network, random_weights, windows


def tutorial(units: tuple[int, ...]) -> NetworkConfig:
    """A network that reads each window anew, as `classic` has it."""
    return network(len(LETTERS), kind="windows", embedding=0, units=units, window=100)


def zeros(config: NetworkConfig) -> Weights:
    return {name: np.zeros(shape, np.float32) for name, shape in config.shapes().items()}


def model_file(
    symbols: Sequence[str] = LETTERS,
    recipe: RecipeName = "char",
    config: NetworkConfig | None = None,
    weights: Weights | None = None,
    windows_: npt.NDArray[Any] | None = None,
    packing: files.Packing | None = None,
) -> bytes:
    config = config or network(len(symbols))
    weights = random_weights(config) if weights is None else weights
    windows_ = windows(len(symbols)) if windows_ is None else windows_
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "x"
        files.save(path, description_of(symbols, config, recipe), weights, windows_, packing=packing)
        return path.read_bytes()


def apart(data: bytes) -> tuple[dict[str, Any], Arrays]:
    """A model file's description and arrays."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return json.loads(header["__metadata__"]["galvanic"]), safetensors.numpy.load(data)


def sealed(description: Any, arrays: Arrays, digest: bool = False) -> bytes:
    """The opposite of `apart`; `digest`: the description is to name these weights."""
    if digest:
        description = {**description, "weights_sha256": files._digest(arrays)}
    return safetensors.numpy.save(arrays, {"galvanic": json.dumps(description)})


def changed(data: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """A model's file whose description says something else."""
    fields, arrays = apart(data)
    change(fields)
    return sealed(fields, arrays)
