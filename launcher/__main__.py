"""Run Redis, the bot, the workers and, without a Discord token, the playground: `python -m launcher`."""

from __future__ import annotations

import argparse
import sys


def main(arguments: list[str] | None = None) -> int:
    if sys.platform == "win32":
        print("error: this runs on Linux and macOS. On Windows use WSL or Docker.", file=sys.stderr)
        return 2
    from launcher import backup, cli

    parser = argparse.ArgumentParser(prog="python -m launcher", description="Run every part on this machine.")
    parser.set_defaults(run=lambda _options: cli.run())
    commands = parser.add_subparsers(metavar="COMMAND")
    make = commands.add_parser("backup", help="write Redis' state, models and checkpoints into one file")
    make.add_argument("file", nargs="?", metavar="FILE", help="default: a new one in the folder backups")
    make.set_defaults(run=lambda options: backup.backup(options.file))
    back = commands.add_parser("restore", help="bring a backup back into an empty DATA_DIR")
    back.add_argument("file", nargs="?", metavar="FILE", help="a file that backup wrote")
    back.set_defaults(run=lambda options: backup.restore(options.file))
    options = parser.parse_args(arguments)
    return cli.reporting(lambda: int(options.run(options)))


if __name__ == "__main__":
    sys.exit(main())
