"""`galvanic bot`: joins the command line as a plugin."""

import argparse

from galvanic.cli.base import Cli


def register(cli: Cli) -> None:
    bot = cli.add("bot", "Run the Discord bot; `health`: end with 0 when one is well.", _run, json=False)
    bot.add_argument("what", nargs="?", choices=("health",), help=argparse.SUPPRESS)


def _run(options: argparse.Namespace) -> int:
    from bot.__main__ import main

    return main([options.what] if options.what else [])
