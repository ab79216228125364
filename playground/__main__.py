"""Serve the local Discord until SIGINT or SIGTERM: `python -m playground`."""

import argparse
import asyncio
import importlib
import os
import signal
import sys
from pathlib import Path

from galvanic.errors import UserError
from galvanic.files import write_text
from playground.server import HOST, Playground, open_port
from shared.logging import configure_logging
from shared.settings import get_settings

EXTENSION = "GALVANIC_PLAYGROUND_EXTENSION"
"""Names a module whose `extend` gets the playground before it is served."""
PAGE_TOKEN = "GALVANIC_PLAYGROUND_TOKEN"  # noqa: S105 - the variable's name
"""Opens the page. Without it the playground makes one, and prints it."""
LISTEN = "GALVANIC_PLAYGROUND_LISTEN"
"""The address to listen on in place of 127.0.0.1: 0.0.0.0 in a container, whose engine publishes the port."""


async def _run(arguments: argparse.Namespace) -> None:
    settings = get_settings()
    configure_logging("playground", settings)
    port = arguments.port if arguments.port is not None else settings.playground_port
    bot_token = settings.discord_token.get_secret_value().strip() if settings.discord_token else ""
    if not bot_token:
        raise UserError("No DISCORD_TOKEN is set.", "Choose one: the playground lets in the bot that has the same.")
    page_token = os.environ.get(PAGE_TOKEN)
    listener = open_port(port, os.environ.get(LISTEN) or HOST)
    playground = Playground(listener, bot_token=bot_token, page_token=page_token)
    if extension := os.environ.get(EXTENSION):
        importlib.import_module(extension).extend(playground)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if arguments.port_file is not None:
        write_text(arguments.port_file, f"{playground.port}\n")
    # Whoever chose the token knows it, and this may go to a log.
    print(f"playground: {playground.url if page_token else playground.address}", flush=True)
    await playground.serve(stop)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m playground", description="A local Discord in the browser.")
    parser.add_argument("--port", type=int, help="port on 127.0.0.1; 0 takes a free one (default: PORT, else 8765)")
    parser.add_argument("--port-file", type=Path, help="write the port in use to this file")
    try:
        asyncio.run(_run(parser.parse_args()))
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
