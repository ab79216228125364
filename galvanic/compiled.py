"""Compile functions with Numba, and keep the compiled code on the disk for the next process.

Numba notices that a function's own file has changed, but not that the file of a function that it calls has. So the code
is kept in a folder whose name is a hash of all files with compiled functions.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

from numba import config, njit

_Function = TypeVar("_Function", bound=Callable[..., object])


def _folder() -> str:
    """Return the folder for compiled code; empty if none can be written to, and each process compiles for itself.

    It is never a folder that other users can write to, such as /tmp, since the code in it is run.
    """
    sources = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    state = hashlib.sha256(b"\0".join(source for source in sources if b"@compiled" in source)).hexdigest()[:16]
    asked, cache = os.environ.get("NUMBA_CACHE_DIR"), os.environ.get("XDG_CACHE_HOME", "~/.cache")
    places = [Path(asked)] if asked else [Path(__file__).parent / "__pycache__", Path(cache) / "galvanic"]
    for place in places:
        try:
            folder = place.expanduser() / f"compiled-{state}"
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return str(folder)
        except (OSError, RuntimeError):  # RuntimeError: of nobody's home
            continue
    return ""


KEPT_IN = _folder()


def compiled(function: _Function) -> _Function:
    """Compile a function with Numba, on its first call.

    It releases the interpreter's lock, checks no bounds, and may round a product and a sum once (fused multiply-add).
    """
    before, config.CACHE_DIR = config.CACHE_DIR, KEPT_IN
    try:
        compiled_function = njit(function, nogil=True, cache=bool(KEPT_IN), error_model="numpy", fastmath={"contract"})
    finally:
        config.CACHE_DIR = before
    return cast(_Function, compiled_function)
