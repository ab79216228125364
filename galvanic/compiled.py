"""Functions compiled by Numba on their first call, kept on the disk for the next process.

Numba notices that the file of a function has changed, but not that of one that it calls. So what is compiled is kept
in a folder for each state of all these files together.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

from numba import config, njit

_Function = TypeVar("_Function", bound=Callable[..., object])


def _state() -> str:
    sources = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    return hashlib.sha256(b"\0".join(source for source in sources if b"@compiled" in source)).hexdigest()[:16]


def _folder() -> str:
    """The first of them that can be written to; empty: none, and each process compiles for itself.

    No folder that others can write to, such as /tmp: what is kept is run.
    """
    asked, cache = os.environ.get("NUMBA_CACHE_DIR"), os.environ.get("XDG_CACHE_HOME", "~/.cache")
    places = [Path(asked)] if asked else [Path(__file__).parent / "__pycache__", Path(cache) / "galvanic"]
    for place in places:
        try:
            folder = place.expanduser() / f"compiled-{_state()}"
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return str(folder)
        except (OSError, RuntimeError):  # RuntimeError: of nobody's home
            continue
    return ""


KEPT_IN = _folder()


def compiled(function: _Function) -> _Function:
    """Releases the lock of the interpreter; a product and a sum may be rounded once. Bounds are not checked."""
    before, config.CACHE_DIR = config.CACHE_DIR, KEPT_IN
    try:
        made = njit(function, nogil=True, cache=bool(KEPT_IN), error_model="numpy", fastmath={"contract"})
    finally:
        config.CACHE_DIR = before
    return cast(_Function, made)
