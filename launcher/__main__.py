"""Run Redis, the bot, the workers and, without a Discord token, the playground: `python -m launcher`."""

import argparse
import io
import os
import sys
from collections.abc import Callable

from galvanic.errors import UserError


def main(arguments: list[str] | None = None) -> int:
    if sys.platform == "win32":
        print("error: this runs on Linux and macOS. On Windows use WSL or Docker.", file=sys.stderr)
        return 2
    from launcher import backup, run

    parser = argparse.ArgumentParser(prog="python -m launcher", description="Run every part on this machine.")
    parser.set_defaults(run=lambda _options: run.run_system())
    commands = parser.add_subparsers(metavar="COMMAND")
    make = commands.add_parser("backup", help="write Redis' state, models and checkpoints into one file")
    make.add_argument("file", nargs="?", metavar="FILE", help="default: a new one in the folder backups")
    make.set_defaults(run=lambda options: backup.backup(options.file))
    back = commands.add_parser("restore", help="bring a backup back into an empty DATA_DIR")
    back.add_argument("file", nargs="?", metavar="FILE", help="a file that backup wrote")
    back.set_defaults(run=lambda options: backup.restore(options.file))
    options = parser.parse_args(arguments)
    return reporting(lambda: int(options.run(options)))


def reporting(command: Callable[[], int]) -> int:
    """Run a command, print its error, and return its exit code.

    Other codes: 2, a person must mend something; 78, the settings are wrong; 130, Ctrl-C.
    """
    os.umask(0o077)  # what people write is in nearly all that is written from here on
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a bot's name that this terminal can't show
    try:
        return command()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
