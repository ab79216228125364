"""Add `galvanic run` to the command line, as a plugin."""

from galvanic.cli.base import Cli
from launcher.__main__ import main


def register(cli: Cli) -> None:
    cli.add(
        "run",
        "Run Redis, the bot, the workers and, without a token, the playground.",
        lambda _options: main([]),
        json=False,
    )
