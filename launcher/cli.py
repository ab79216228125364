"""Runs everything on a data folder, within its lock."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from galvanic.errors import UserError
from launcher.parts import Folders, Plan
from launcher.preflight import Lock, close_env_file, prepare_folders, sockets_folder
from launcher.run import Run, say
from launcher.system import system_plan
from shared.settings import read_settings


def reporting(command: Callable[[], int]) -> int:
    """Print errors; return the command's exit code, or 2: a person must mend something, 78: settings, 130: Ctrl-C."""
    os.umask(0o077)  # what people write is in nearly all that is written from here on
    try:
        return command()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        return 130


def run(*, with_parent: bool) -> int:
    """Raises UserError."""
    settings = read_settings()
    if close_env_file(Path(".env")):
        say("others on this machine could read .env, which may hold secrets: now only you can")
    return run_plan(
        settings.data_dir,
        lambda folders, sockets: system_plan(settings, folders, sockets, say),
        with_parent=with_parent,
    )


def run_plan(data: Path, planner: Callable[[Folders, Path], Plan], *, with_parent: bool = False) -> int:
    """Run until stopped; return the exit code (see `Run.run`). Raises UserError: a person can mend what is in the way.

    `planner`: makes the plan, given the data folder and a folder for sockets.
    """
    folders = prepare_folders(data)
    with Lock(folders) as lock, sockets(folders) as short:
        return Run(planner(folders, short), folders, lock, with_parent=with_parent).run()


@contextlib.contextmanager
def sockets(folders: Folders) -> Iterator[Path]:
    """A folder for sockets, for one run."""
    folder = sockets_folder(folders)
    try:
        yield folder
    finally:
        (folders.run / "redis.url").unlink(missing_ok=True)
        if folder != folders.run:
            shutil.rmtree(folder)
