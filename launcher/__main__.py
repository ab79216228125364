"""`python -m launcher`: runs Redis, the bot, the workers and - without a Discord token - the playground."""

from __future__ import annotations

import sys


def main(arguments: list[str] | None = None) -> int:
    if sys.platform == "win32":
        print("error: this runs on Linux and macOS. On Windows use WSL or Docker.", file=sys.stderr)
        return 2
    from launcher.cli import run_from_command_line

    return run_from_command_line(sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
