"""Exported models with weights in half precision, which take half the bytes (docs/decisions/041-half-precision.md).

The archive's description says `"format": 3, "packed": "float16"`, so that an older program asks for a newer one; the
hash is that of the packed weights. Only files have this form: a model folder is as `worker.model.folder` writes it.
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

from shared.errors import UserError
from worker.model import folder as model_folder
from worker.model.folder import WEIGHTS, WINDOWS, Description

FORMAT = 3


class Packed(Description):
    """The description in such an archive."""

    format: Literal[3] = FORMAT  # type: ignore[assignment]  # a description of its own format
    packed: Literal["float16"] = "float16"


def pack(
    description: Description, weights: dict[str, npt.NDArray[np.float32]], windows: npt.NDArray[Any]
) -> tuple[bytes, bytes]:
    """Description and weights as they stand in an archive.

    Raises:
        UserError: a weight is too large for half precision.
    """
    with np.errstate(over="ignore"):
        halves = {name: array.astype(np.float16) for name, array in weights.items()}
    if not all(np.isfinite(array).all() for array in halves.values()):
        raise UserError(
            "This model's file is too large to be sent, and its weights are too large numbers for a smaller one.",
            "Whoever runs the bot can export it on the machine, with `python -m worker export`.",
        )
    data = safetensors.numpy.save({**halves, WINDOWS: windows})
    digest = hashlib.sha256(data).hexdigest()
    fields = {**description.model_dump(exclude={"format", "weights_sha256"}), "weights_sha256": digest}
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
    if (header.format, header.packed) != (FORMAT, "float16"):
        return None
    description = Packed.model_validate_json(text)
    model_folder.check_description(description)
    return description


def packed_bytes(description: Description) -> tuple[int, int]:
    """As `worker.model.folder.weights_bytes`, of the packed weights."""
    least, most = model_folder.weights_bytes(description)
    return least // 2, most - least // 2


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
    except (safetensors.SafetensorError, TypeError) as error:
        raise ValueError("the weights cannot be read") from error
    if any(array.dtype != np.float16 for array in arrays.values()):
        raise ValueError("the weights are not in half precision")
    weights = {name: array.astype(np.float32) for name, array in arrays.items()}
    fields = {name: getattr(packed, name) for name in Description.model_fields.keys() - {"format", "weights_sha256"}}
    model_folder.save(folder, weights, windows, **fields)
