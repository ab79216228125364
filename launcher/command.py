"""`galvanic run`: joins the command line as a plugin."""

from __future__ import annotations

import argparse

from galvanic.cli.base import Cli


def register(cli: Cli) -> None:
    cli.add("run", "Run Redis, the bot, the workers and, without a token, the playground.", _run, json=False)


def _run(_options: argparse.Namespace) -> int:
    from launcher.__main__ import main

    return main([])
