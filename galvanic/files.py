"""Write files atomically: neither a reader nor a crash ever leaves a part of one. Without numpy."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def at_home(path: str | Path) -> Path:
    """Return a path with the home folder in place of `~`; a name such as `~draft` is nobody's home, and stays."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the path of a temporary file, and move that into its place at the end; then it is on the disk.

    After an error the old file is still there, and nothing else. If several write at once, the last one's file stays.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)  # half a file must not take up disk space
        raise
    with contextlib.suppress(PermissionError):  # Windows cannot flush a folder's entries
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a text atomically, in UTF-8."""
    with replacing(path) as partial:
        partial.write_text(text, "utf-8")
