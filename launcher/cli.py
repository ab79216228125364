"""Run everything on a data folder, within its lock."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from galvanic.errors import UserError
from launcher.parts import Folders, Plan
from launcher.preflight import close_env_file, locked, prepare_folders, sockets_folder
from launcher.run import Run, say
from launcher.system import system_plan
from shared.settings import read_settings


def reporting(command: Callable[[], int]) -> int:
    """Run a command, print its error, and return its exit code.

    Other codes: 2, a person must mend something; 78, the settings are wrong; 130, Ctrl-C.
    """
    os.umask(0o077)  # what people write is in nearly all that is written from here on
    try:
        return command()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        return 130


def run() -> int:
    """Run everything until stopped; return the exit code. Raises UserError."""
    settings = read_settings()
    if close_env_file(Path(".env")):
        say("others on this machine could read .env, which may hold secrets: now only you can")
    return run_plan(settings.data_dir, lambda folders, sockets: system_plan(settings, folders, sockets, say))


def run_plan(data: Path, planner: Callable[[Folders, Path], Plan]) -> int:
    """Run until stopped; return the exit code (see `Run.run`). Raises UserError: a person can mend what is in the way.

    `planner`: makes the plan, given the data folder and a folder for sockets.
    """
    folders = prepare_folders(data)
    with locked(folders) as lock, sockets_folder(folders) as sockets:
        return Run(planner(folders, sockets), folders, lock).run()
