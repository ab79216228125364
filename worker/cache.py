"""Copies of a remote store's models on this host's disk; the least recently used goes first.

Processes may share the folder: each reads through a link of its own, so a copy may be removed at any time. A copy's
mtime is that of its last use.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from galvanic.checkpoint import is_full

PARTIAL = ".partial-"
_ENTRY = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]{0,63})\.([0-9a-f]{16})")

log = structlog.get_logger()


class ModelCache:
    """`most_bytes`: of all copies together; a larger one stays until another is fetched."""

    def __init__(self, folder: Path, most_bytes: float) -> None:
        self.folder = folder
        self._most = most_bytes

    @contextlib.contextmanager
    def reading(self, model_id: str, version: str, size: int, download: Callable[[Path], None]) -> Iterator[Path]:
        """A path that stays as long as the context; `download` writes the copy unless it is there.

        `version`: 16 hexadecimal digits. `size`: bytes. Raises OSError: from `download`; nothing of it is left then.
        """
        place = self.folder / f"{model_id}.{version}"
        with temporary(self.folder, model_id) as own:
            while not _link(place, own):
                self._download(place, size, download)
            for other in self._entries():  # what it was before is of no more use
                if _model_of(other) == model_id and other != place:
                    other.unlink(missing_ok=True)
            yield own

    @contextlib.contextmanager
    def newest(self, model_id: str) -> Iterator[Path | None]:
        """The copy used last, of whatever version; None: there is none."""
        with temporary(self.folder, model_id) as own:
            copies = [place for place in reversed(self._entries()) if _model_of(place) == model_id]
            yield own if any(_link(place, own) for place in copies) else None

    def ids(self) -> set[str]:
        return {_model_of(place) for place in self._entries()}

    def forget(self, model_id: str) -> bool:
        """Return whether there was a copy."""
        own = [place for place in self._entries() if _model_of(place) == model_id]
        for path in (*own, *self.folder.glob(f"{PARTIAL}{model_id}.*")):
            path.unlink(missing_ok=True)
        return bool(own)

    def _download(self, place: Path, size: int, download: Callable[[Path], None]) -> None:
        self._make_room(size, place)
        with temporary(self.folder, _model_of(place)) as partial:
            try:
                download(partial)
            except OSError as error:
                if not is_full(error) or not self._make_room(self._most, place):
                    raise
                download(partial)
            partial.replace(place)

    def _make_room(self, size: float, place: Path) -> bool:
        """Remove the least recently used until `size` bytes fit; return whether any went."""
        entries = {path: _stat(path).st_size for path in self._entries() if path != place}
        taken, removed = sum(entries.values()), False
        for path, own in entries.items():
            if taken + size <= self._most:
                break
            path.unlink(missing_ok=True)
            taken, removed = taken - own, True
            log.info("cached_model_evicted", model_id=_model_of(path), bytes=own)
        return removed

    def _entries(self) -> list[Path]:
        """The copies, the least recently used first."""
        try:
            found = [path for path in self.folder.iterdir() if _ENTRY.fullmatch(path.name)]
        except FileNotFoundError:
            return []
        return sorted(found, key=lambda path: _stat(path).st_mtime_ns)


@contextlib.contextmanager
def temporary(folder: Path, model_id: str) -> Iterator[Path]:
    """A path in `folder` for a file or a folder; removed afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{PARTIAL}{model_id}.{secrets.token_hex(8)}"
    try:
        yield path
    finally:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _link(place: Path, own: Path) -> bool:
    """Make `own` a link to the copy, and mark it as used now; return whether there is one."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(place)
        try:
            os.link(place, own)
        except PermissionError:  # a file system without links
            shutil.copyfile(place, own)
        return True
    return False


def _stat(path: Path) -> os.stat_result:
    """A copy's; if it was removed meanwhile, its folder's."""
    try:
        return path.stat()
    except FileNotFoundError:
        return path.parent.stat()


def _model_of(place: Path) -> str:
    found = _ENTRY.fullmatch(place.name)
    return found[1] if found else ""
