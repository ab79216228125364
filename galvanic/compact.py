"""Exported models with coarser weights, which take a half or a quarter of the bytes (docs/decisions/041-exports.md).

The archive's description says `"format": 3` and how the weights are packed, so that an older program asks for a newer
one; the hash is that of the packed weights. Only files have this form: a model folder is as `galvanic.folder`
writes it.

`float16`: all weights in half precision. `int8`: each column of a matrix, which is what one unit weighs its inputs
by, in whole steps of a 127th of its largest; biases stay as they are.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy
from pydantic import BaseModel

from galvanic import folder as model_folder
from galvanic.errors import UserError
from galvanic.folder import WEIGHTS, WINDOWS, Description

FORMAT = 3
Packing = Literal["float16", "int8"]
PACKINGS: tuple[Packing, ...] = ("float16", "int8")
"""From the finest."""
_SCALE = "/scale"
_STEPS = 127
_Arrays = dict[str, npt.NDArray[Any]]


class Packed(Description):
    """The description in such an archive."""

    format: Literal[3] = FORMAT  # type: ignore[assignment]  # a description of its own format
    packed: Packing


def pack(
    description: Description, weights: _Arrays, windows: npt.NDArray[Any], packing: Packing
) -> tuple[bytes, bytes]:
    """Description and weights as they stand in an archive.

    Raises:
        UserError: a weight is too large for it.
    """
    arrays = _halves(weights) if packing == "float16" else _steps(weights)
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise UserError(
            "This model's file is too large to be sent, and its weights are too large numbers for a smaller one.",
            "The bot's operator can export it on the machine, with `python -m worker export`.",
        )
    data = safetensors.numpy.save({**arrays, WINDOWS: windows})
    digest = hashlib.sha256(data).hexdigest()
    fields = {**description.model_dump(exclude={"format"}), "weights_sha256": digest, "packed": packing}
    return Packed.model_validate(fields).model_dump_json(indent=1, ensure_ascii=True).encode(), data


def parse(text: bytes) -> Packed | None:
    """The description of such an archive; None when it is another archive's.

    Raises:
        ValueError: it is damaged.
    """

    class Header(BaseModel):
        format: int
        packed: str | None = None

    header = Header.model_validate_json(text)
    if header.format != FORMAT or header.packed not in PACKINGS:
        return None
    description = Packed.model_validate_json(text)
    model_folder.check_description(description)
    return description


def packed_bytes(packed: Packed) -> int:
    """The most that the packed weights of such a model take; known before they are read."""
    # Beside each matrix in whole steps lies a row of scales, which is as long as a bias.
    share = 2 if packed.packed == "float16" else 4
    least, most = model_folder.weights_bytes(packed)
    scales = 4 * sum(shape[-1] for shape in packed.network.shapes().values())
    return least // share + scales + most - least


def unpack(packed: Packed, folder: Path) -> None:
    """Make a folder with such an archive's weights in it a model folder.

    Raises:
        ValueError: the weights are damaged.
    """
    data = (folder / WEIGHTS).read_bytes()
    if hashlib.sha256(data).hexdigest() != packed.weights_sha256:
        raise ValueError("the weights differ from those that were packed")
    try:
        arrays = safetensors.numpy.load(data)
        windows = arrays.pop(WINDOWS)
        weights = _from_halves(arrays) if packed.packed == "float16" else _from_steps(arrays)
    except (safetensors.SafetensorError, TypeError) as error:
        raise ValueError("the weights cannot be read") from error
    fields = {name: getattr(packed, name) for name in Description.model_fields.keys() - {"format", "weights_sha256"}}
    model_folder.save(folder, weights, windows, **fields)


def _halves(weights: _Arrays) -> _Arrays:
    with np.errstate(over="ignore"):
        return {name: array.astype(np.float16) for name, array in weights.items()}


def _from_halves(arrays: _Arrays) -> _Arrays:
    if any(array.dtype != np.float16 for array in arrays.values()):
        raise ValueError("the weights are not in half precision")
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def _steps(weights: _Arrays) -> _Arrays:
    arrays: _Arrays = {}
    for name, array in weights.items():
        if array.ndim < 2:
            arrays[name] = array
            continue
        scale = np.maximum(np.abs(array).max(axis=0) / _STEPS, np.finfo(np.float32).tiny).astype(np.float32)
        arrays[name] = np.round(array / scale).astype(np.int8)
        arrays[name + _SCALE] = scale
    return arrays


def _from_steps(arrays: _Arrays) -> _Arrays:
    weights: _Arrays = {}
    for name, array in arrays.items():
        if name.endswith(_SCALE):
            continue
        if array.ndim < 2:
            weights[name] = array
            continue
        scale = arrays[name + _SCALE]
        if array.dtype != np.int8 or scale.dtype != np.float32 or scale.shape != array.shape[1:]:
            raise ValueError("the weights are not in whole steps of their scales")
        with np.errstate(over="ignore"):  # who loads them refuses what is no number
            weights[name] = array * scale
    return weights
