"""`galvanic bot`: joins the command line as a plugin."""

import argparse
import asyncio
from collections.abc import Iterable

from galvanic.cli.base import Cli
from galvanic.cli.findings import Finding
from shared.settings import get_settings


def register(cli: Cli) -> None:
    bot = cli.add("bot", "Run the Discord bot; `health`: end with 0 when one is well.", _run, json=False)
    bot.add_argument("what", nargs="?", choices=("health",), help=argparse.SUPPRESS)
    cli.checks.append(_check_discord)


def _run(options: argparse.Namespace) -> int:
    from bot.__main__ import main

    return main([options.what] if options.what else [])


def _check_discord() -> Iterable[Finding]:
    try:
        from bot.doctor import check_discord
    except ImportError:  # a worker's machine lacks the bot's packages
        return []
    return asyncio.run(check_discord(get_settings()))
