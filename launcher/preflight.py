"""Check what must be so before anything is started, and say what to do if it is not."""

import contextlib
import fcntl
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from galvanic.errors import UserError
from launcher.parts import Folders
from shared.settings import Settings

HOST = "127.0.0.1"
_MIN_FREE_BYTES = 200_000_000
"""Less than this would not see a training through: corpora, checkpoints and Redis' file."""


def prepare_folders(data: Path) -> Folders:
    """Make the data folder and those in it. Raises UserError: not writable, or its disk is full."""
    folders = Folders(data)
    try:
        for folder in (folders.run, folders.logs, folders.redis):
            folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folders.run):
            free = shutil.disk_usage(data).free
    except OSError as error:
        raise UserError(
            f"The data folder {data} cannot be written to: {error.strerror or error}.",
            "Give yourself write access to it, or choose another with DATA_DIR=/some/folder.",
        ) from error
    if free < _MIN_FREE_BYTES:
        raise UserError(
            f"The disk of the data folder {data} is full: {free // 1_000_000} MB are free, "
            f"{_MIN_FREE_BYTES // 1_000_000} MB are needed.",
            "Free some space, or choose a folder on another disk with DATA_DIR=/some/folder.",
        )
    return folders


def close_env_file(path: Path) -> bool:
    """Make `.env` its owner's alone, as it may hold the bot's token. Return whether others could read it."""
    with contextlib.suppress(OSError):  # there is none, or it is somebody else's
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
            return True
    return False


@contextlib.contextmanager
def locked(folders: Folders) -> Iterator[TextIO]:
    """Take a data folder for one run, and give the open file that locks it.

    The parts inherit the file: if the launcher is killed, the folder stays locked until all of them have ended. A file
    that nobody has open is no obstacle. Raises UserError: another run has the folder.
    """
    path = folders.run / "lock"
    with path.open("a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"Galvanic is already running on the data folder {folders.data} ({path.read_text('utf-8')}).",
                "Stop it with Ctrl-C in its terminal, or give this one another folder with DATA_DIR=/some/folder.",
            ) from None
        write_note(lock)
        yield lock


def write_note(lock: TextIO, *remarks: str) -> None:
    """Leave word for a second start: our process id, and for example the line that says how to reach us."""
    lock.truncate(0)
    lock.write(", ".join([f"process {os.getpid()}", *remarks]))
    lock.flush()


def choose_port(settings: Settings, say: Callable[[str], None]) -> int:
    """Return the playground's port: the one set, or else the usual one, or a free one if that is taken.

    Raises UserError: the one set cannot be used.
    """
    preferred = settings.playground_port
    with contextlib.suppress(OSError), socket.create_server((HOST, preferred)) as probe:
        return int(probe.getsockname()[1])
    if "playground_port" in settings.model_fields_set:
        raise UserError(
            f"Port {preferred} is taken by another program, or may not be used without privileges.",
            "Choose another above 1023 with PORT=..., or leave PORT out and a free one is found.",
        )
    with socket.create_server((HOST, 0)) as probe:
        port = int(probe.getsockname()[1])
    say(f"port {preferred} is taken, so the playground uses {port}")
    return port


@contextlib.contextmanager
def sockets_folder(folders: Folders) -> Iterator[Path]:
    """Give a private folder whose path is short and plain, for one run.

    A socket's path holds 103 bytes on macOS and 107 on Linux (unix(7)), and it travels in URLs.
    """
    with contextlib.ExitStack() as stack:
        stack.callback((folders.run / "redis.url").unlink, missing_ok=True)
        folder = folders.run
        if re.fullmatch(r"[A-Za-z0-9/._-]{1,70}", str(folder)) is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="galvanic-", dir="/tmp")))
        yield folder
