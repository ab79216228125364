"""Model files that somebody made to harm, written with the product's own writer."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from galvanic import folder as model_folder
from galvanic.network import Weights
from galvanic.plan import NetworkConfig
from shared.jobs import RecipeName
from tests.worker.small import LETTERS, fields_of, network, random_weights, windows


def tutorial(units: tuple[int, ...], symbols: int = len(LETTERS)) -> NetworkConfig:
    """A network that reads each window anew, as `classic` has it."""
    return network(symbols, kind="windows", encoding="scaled", embedding=0, units=units, window=100)


def zeros(config: NetworkConfig) -> Weights:
    return {name: np.zeros(shape, np.float32) for name, shape in config.shapes().items()}


def model_file(
    symbols: Sequence[str] = LETTERS,
    recipe: RecipeName = "char",
    config: NetworkConfig | None = None,
    weights: Weights | None = None,
    windows_: npt.NDArray[Any] | None = None,
) -> bytes:
    """A model as a file, deflated so that much of nothing takes few bytes."""
    config = config or network(len(symbols))
    weights = random_weights(config) if weights is None else weights
    windows_ = windows(len(symbols)) if windows_ is None else windows_
    held = io.BytesIO()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model_folder.save(folder, weights, windows_, **fields_of(symbols, config, recipe))
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.iterdir()):
                archive.write(path, path.name)
    return held.getvalue()
