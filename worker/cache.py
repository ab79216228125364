"""Copies of a remote store's models on this host's disk; the least recently used goes first.

Processes may share the folder: each reads through a link of its own, so a copy may be removed at any time. A copy's
mtime is that of its last use.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from galvanic.model_file import SUFFIX
from shared.jobs import is_id

PARTIAL = ".partial-"

log = structlog.get_logger()


class ModelCache:
    """`most_bytes`: of all copies together; a larger one stays until another is fetched."""

    def __init__(self, folder: Path, most_bytes: float) -> None:
        self.folder = folder
        self._most = most_bytes

    @contextlib.contextmanager
    def reading(self, model_id: str, download: Callable[[Path], None]) -> Iterator[Path]:
        """A path that stays as long as the context; `download` makes room and writes the copy unless it is there.

        What that raises is raised; nothing of the copy is left then.
        """
        place = self._place(model_id)
        with self._temporary(model_id) as own:
            while not _link(place, own):
                with self._temporary(model_id) as partial:
                    download(partial)
                    with contextlib.suppress(FileNotFoundError):  # forgotten meanwhile: does the store still have it?
                        partial.replace(place)
            yield own

    def ids(self) -> set[str]:
        return {place.stem for place in self._copies()}

    def forget(self, model_id: str) -> None:
        """Remove the copy of a model, and what is being fetched of it. Raises ValueError if that is no id."""
        for path in (self._place(model_id), *self.folder.glob(f"{PARTIAL}{model_id}.*")):
            path.unlink(missing_ok=True)

    def make_room(self, size: int) -> None:
        """Remove the least recently used until `size` bytes fit."""
        copies = self._copies()
        sizes = [_used(path)[1] for path in copies]
        while copies and sum(sizes) + size > self._most:
            path, own = copies.pop(0), sizes.pop(0)
            path.unlink(missing_ok=True)
            log.info("cached_model_evicted", model_id=path.stem, bytes=own)

    def _place(self, model_id: str) -> Path:
        if not is_id(model_id):
            raise ValueError("not the id of a model")
        return self.folder / f"{model_id}{SUFFIX}"

    def _copies(self) -> list[Path]:
        """The least recently used first."""
        return sorted(self.folder.glob(f"[!.]*{SUFFIX}"), key=_used)

    @contextlib.contextmanager
    def _temporary(self, model_id: str) -> Iterator[Path]:
        """A path for a file, which is removed afterwards."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{PARTIAL}{model_id}.{secrets.token_hex(8)}"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


def _link(place: Path, own: Path) -> bool:
    """Make `own` a link to the copy, and mark it as used now; return whether there is one."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(place)
        os.link(place, own)
        return True
    return False


def _used(copy: Path) -> tuple[int, int]:
    """When it was used last, and its bytes; 0 if it was removed meanwhile."""
    try:
        stat = copy.stat()
    except FileNotFoundError:
        return 0, 0
    return stat.st_mtime_ns, stat.st_size
