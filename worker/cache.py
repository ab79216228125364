"""Copies of a remote store's models on this host's disk: as many as there is room for, none gone while it is read.

Any number of processes may share the folder. Each copy has a lock file beside it: who reads holds it shared, who
downloads or removes holds it alone; the system lets go of it when a process dies. Its time is that of the last use.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from galvanic.room import is_full

if sys.platform != "win32":  # there, one process at a time is all that can be had
    import fcntl

_LOCK = ".lock"
PARTIAL = ".partial-"
_ENTRY = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]{0,63})\.([0-9a-f]{16})")

log = structlog.get_logger()


class Held:
    """A copy that stays where it is until it is closed, or this object is gone.

    Attributes:
        folder: the model's; to be read only.
    """

    def __init__(self, folder: Path, lock: _Lock) -> None:
        self.folder = folder
        self._lock = lock

    def close(self) -> None:
        """Let it go."""
        self._lock.close()


class ModelCache:
    """The copies in one folder.

    Args:
        folder: where they are; made when it is needed.
        most_bytes: that they may take. One that is larger, or in use, stays beyond that until it is not.
    """

    def __init__(self, folder: Path, most_bytes: float) -> None:
        self.folder = folder
        self._most = most_bytes

    def hold(self, model_id: str, version: str, size: int, download: Callable[[Path], None]) -> Held:
        """The copy of a model, downloaded unless it is there.

        Args:
            model_id: whose.
            version: of the model, 16 hexadecimal digits; another one is another copy.
            size: bytes that it takes.
            download: writes it as a new folder.

        Raises:
            OSError: `download` raised it; nothing of it is left then.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        place = self.folder / f"{model_id}.{version}"
        while (held := self._held(place)) is None:
            if (lock := _Lock.try_alone(_lock_of(place))) is None:
                # Somebody downloads it. To wait for being alone would be to wait for all who read it then.
                _Lock.take_shared(_lock_of(place)).close()
                continue
            with contextlib.closing(lock):
                if not place.is_dir():
                    self._download(place, size, download)
        for other in self._entries():  # what it was before is of no more use
            if _model_of(other) == model_id and other != place:
                self._remove_unused(other)
        return held

    def newest(self, model_id: str) -> Held | None:
        """The copy of a model that was used last, whatever the store has by now; None: there is none."""
        own = [place for place in self._entries() if _model_of(place) == model_id]
        return next((held for place in reversed(own) if (held := self._held(place)) is not None), None)

    def ids(self) -> set[str]:
        """The models of which there is a copy."""
        return {_model_of(place) for place in self._entries()}

    def forget(self, model_id: str) -> bool:
        """Remove what there is of a model, also while it is read: it is not to be there any more.

        Returns:
            Whether there was anything.
        """
        own = [place for place in self._entries() if _model_of(place) == model_id]
        for place in own:
            shutil.rmtree(place, ignore_errors=True)
            _lock_of(place).unlink(missing_ok=True)
        for partial in self.folder.glob(f"{PARTIAL}{model_id}.*"):
            _remove(partial)
        return bool(own)

    def tidy(self) -> None:
        """Remove what an older version kept here, and locks of what is gone."""
        try:
            found = list(self.folder.iterdir())
        except FileNotFoundError:
            return
        for path in found:
            if path.name.startswith(PARTIAL) or _ENTRY.fullmatch(path.name):
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.suffix == _LOCK and not path.with_suffix("").is_dir():
                self._remove_unused(path.with_suffix(""))

    def _held(self, place: Path) -> Held | None:
        if not place.is_dir():
            return None
        lock = _Lock.take_shared(_lock_of(place))
        if place.is_dir():
            lock.touch()
            return Held(place, lock)
        lock.close()  # it went meanwhile
        return None

    def _download(self, place: Path, size: int, download: Callable[[Path], None]) -> None:
        self._make_room(size)
        partial = place.with_name(f"{PARTIAL}{place.name}-{secrets.token_hex(4)}")
        try:
            try:
                download(partial)
            except OSError as error:
                if not is_full(error) or not self._make_room(self._most):
                    raise
                _remove(partial)
                download(partial)
            partial.rename(place)
        finally:
            _remove(partial)

    def _make_room(self, size: float) -> bool:
        """Remove what was not used for longest, until so much fits; whether anything went."""
        sizes = {place: _bytes_in(place) for place in self._entries()}
        taken, removed = sum(sizes.values()), False
        for place, own in sizes.items():
            if taken + size <= self._most:
                break
            if self._remove_unused(place):
                taken, removed = taken - own, True
                log.info("cached_model_evicted", model_id=_model_of(place), bytes=own)
        return removed

    def _remove_unused(self, place: Path) -> bool:
        """Remove a copy unless somebody reads it; whether it went."""
        lock = _Lock.try_alone(_lock_of(place))
        if lock is None:
            return False
        with contextlib.closing(lock):
            shutil.rmtree(place, ignore_errors=True)
            _lock_of(place).unlink(missing_ok=True)
        return not place.exists()

    def _entries(self) -> list[Path]:
        """The copies, that which was not used for longest first."""
        try:
            found = [path for path in self.folder.iterdir() if _ENTRY.fullmatch(path.name)]
        except FileNotFoundError:
            return []
        return sorted(found, key=_used_at)


class _Lock:
    """An open lock file. Each opening counts as its own, so threads exclude each other like processes."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._closing = threading.Lock()

    @classmethod
    def take_shared(cls, path: Path) -> _Lock:
        """Wait until nobody has it alone."""
        while True:
            lock = cls._open(path)
            if lock._lock(alone=False, wait=True) and lock._is_at(path):
                return lock
            lock.close()  # who had it before has removed it

    @classmethod
    def try_alone(cls, path: Path) -> _Lock | None:
        """Take it if nobody has it."""
        lock = cls._open(path)
        if lock._lock(alone=True, wait=False) and lock._is_at(path):
            return lock
        lock.close()
        return None

    @classmethod
    def _open(cls, path: Path) -> _Lock:
        return cls(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644))

    def _lock(self, *, alone: bool, wait: bool) -> bool:
        if sys.platform == "win32":
            return True
        kind = (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | (0 if wait else fcntl.LOCK_NB)
        try:
            fcntl.flock(self._descriptor, kind)
        except BlockingIOError:
            return False
        return True

    def _is_at(self, path: Path) -> bool:
        try:
            return os.path.samestat(os.fstat(self._descriptor), path.stat())
        except FileNotFoundError:
            return False

    def touch(self) -> None:
        """It is used now."""
        os.utime(self._descriptor)

    def close(self) -> None:
        """Let go of it; may be done twice."""
        with self._closing:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def __del__(self) -> None:
        self.close()


@contextlib.contextmanager
def temporary(folder: Path, model_id: str) -> Iterator[Path]:
    """A path beside the copies for a file that is on its way; nothing is left there afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{PARTIAL}{model_id}.{secrets.token_hex(8)}"
    try:
        yield path
    finally:
        _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _lock_of(place: Path) -> Path:
    return place.with_name(f"{place.name}{_LOCK}")


def _model_of(place: Path) -> str:
    found = _ENTRY.fullmatch(place.name)
    return found[1] if found else ""


def _used_at(place: Path) -> float:
    for path in (_lock_of(place), place):
        with contextlib.suppress(FileNotFoundError):
            return path.stat().st_mtime
    return 0.0


def _bytes_in(folder: Path) -> int:
    total = 0
    with contextlib.suppress(FileNotFoundError):
        for path in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                total += path.stat().st_size
    return total
