"""What must be so before anything is started, and what a person is told if it is not."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import socket
import stat
import tempfile
from pathlib import Path

import psutil

from galvanic.errors import UserError
from launcher.parts import Folders
from shared.settings import Settings

_OURS = ("run", "logs", "redis", "models", "checkpoints", "cache", "corpora")
HOST = "127.0.0.1"
_MIN_FREE_BYTES = 200_000_000
"""Less than this would not see a training through: corpora, checkpoints and Redis' file."""


def prepare_folders(data: Path) -> Folders:
    """Make the data folder and those in it the owner's alone. Raises UserError: not writable, or its disk is full."""
    folders = Folders(data)
    try:
        for folder in (folders.data, folders.run, folders.logs, folders.redis):
            folder.mkdir(parents=True, exist_ok=True)
        for folder in (folders.data, *filter(Path.is_dir, (folders.data / name for name in _OURS))):
            found = folder.stat()
            # Members' sentences are in it. But not /tmp, nor a disk's root of another's.
            if found.st_uid == os.geteuid() and not found.st_mode & stat.S_ISVTX:
                folder.chmod(0o700)
        with tempfile.TemporaryFile(dir=folders.data) as probe:
            probe.write(b"x" * 4096)
        free = shutil.disk_usage(folders.data).free
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


class InUseError(UserError):
    """Another run has the data folder."""


def close_env_file(path: Path) -> bool:
    """Make a `.env` of one's own the owner's alone, as it may hold the bot's token. Whether others could read it."""
    try:
        found = path.stat()
        if found.st_uid != os.geteuid() or not found.st_mode & 0o077:
            return False
        path.chmod(0o600)
    except OSError:  # there is none, or the disk cannot be written to
        return False
    return True


class Lock:
    """Held by the one run that uses a data folder; ends with its processes, so a stale one is no obstacle.

    The parts inherit the open file: if the launcher is killed, the folder stays locked until all of them have ended.
    """

    def __init__(self, folders: Folders) -> None:
        self._path = folders.run / "lock"
        self._fd = -1

    def __enter__(self) -> Lock:
        """Raises InUseError: another run has it; says which, and where it can be reached."""
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            told = os.read(self._fd, 4096)
            os.close(self._fd)
            raise self._refusal(told) from None
        self.tell("")
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def fileno(self) -> int:
        """The open file, for a process that is to hold the lock, too."""
        return self._fd

    def tell(self, where: str) -> None:
        """Leave word for a second start: our process id, and the line that says how to reach us."""
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()} {where}".encode(), 0)

    def _refusal(self, told: bytes) -> InUseError:
        pid, _, where = told.decode("utf-8", errors="replace").partition(" ")
        problem = f"Galvanic is already running on the data folder {self._path.parent.parent}"
        if not pid.isdigit():  # caught between truncating and writing
            return InUseError(f"{problem}.", "Stop it with Ctrl-C in its terminal.")
        if not psutil.pid_exists(int(pid)):
            return InUseError(f"{problem}: a run that was killed is still being stopped.", "Try again in a minute.")
        return InUseError(
            f"{problem} (process {pid}){f' - {where}' if where else '.'}",
            f"Stop it with `kill {pid}`, or give this one another folder with DATA_DIR=/some/folder.",
        )


def choose_port(settings: Settings) -> tuple[int, str]:
    """The playground's port, and a remark (may be empty): the one set, else the usual one, else any free one.

    Raises UserError: the one set cannot be used.
    """
    wanted = settings.playground_port
    error = cannot_bind(HOST, wanted)
    if error is None and wanted:
        return wanted, ""
    if error is None or "playground_port" not in settings.model_fields_set:
        with socket.create_server((HOST, 0)) as probe:
            port = int(probe.getsockname()[1])
        return port, f"port {wanted} is taken, so the playground uses {port}" if error else ""
    if isinstance(error, PermissionError):
        raise UserError(f"Port {wanted} may not be used without privileges.", "Choose one above 1023 with PORT=...")
    raise UserError(
        f"Port {wanted} is taken by another program.",
        "Choose another with PORT=..., or leave PORT out and a free one is found.",
    )


def cannot_bind(host: str, port: int) -> OSError | None:
    """Why nobody can listen there, if so."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        return error
    return None


def sockets_folder(folders: Folders) -> Path:
    """A private folder whose path is short and plain; the caller removes it unless it is the run folder.

    A socket's path holds 103 bytes on macOS and 107 on Linux (unix(7)), and it travels in URLs.
    """
    if re.fullmatch(r"[A-Za-z0-9/._-]{1,70}", str(folders.run)):
        return folders.run
    base = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="galvanic-", dir=base if len(base) <= 60 else "/tmp"))  # noqa: S108 - made 0700
