"""Galvanic's engine, and a library of its own: it learns to write from any text.

    import galvanic

    model = galvanic.train("book.txt", minutes=2)
    print(model.generate("It was", length=300))
    model.save("book.safetensors")
    model = galvanic.load("book.safetensors")

Importing it is light: TensorFlow comes with the first training, and writing needs none.
"""

import os
from typing import TYPE_CHECKING, Any

from galvanic.errors import UserError

if TYPE_CHECKING:
    from galvanic.library import Model, Text, load, train

__version__ = "1.0.0"
__all__ = ["Model", "Text", "UserError", "load", "train"]

# Before TensorFlow is imported: take a GPU's memory as it is needed, for two processes may share the card.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
# Cards count as nvidia-smi counts them, and not by their speed.
os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from galvanic import library

    return getattr(library, name)


def __dir__() -> list[str]:
    return sorted(__all__)
