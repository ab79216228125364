"""`python -m bot` runs the bot; `python -m bot health` says whether one is running."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence

import discord
import discord.gateway
import discord.http
import structlog
import yarl

from bot import gateway
from bot.app import Galvanic
from bot.background import run_forever
from shared import presence
from shared.logging import configure_logging
from shared.metrics import health_command
from shared.settings import Settings, SettingsError, read_settings

EX_CONFIG = 78  # sysexits.h: retrying cannot help
PORTAL = "https://discord.com/developers/applications"

_BAD_TOKEN = (
    f"Discord refused the DISCORD_TOKEN in .env. Make a new one ({PORTAL} -> your application -> Bot -> Reset Token) "
    "and put it there."
)
_CLOSED_FOR_GOOD = {
    4004: _BAD_TOKEN,
    4011: "This bot is in more than 2,500 servers, and Galvanic serves no more with one bot. Remove it from some, or "
    "run a second application with a bot of its own.",
}
"""By close code, those after which discord.py gives up."""

log = structlog.get_logger()


def main(arguments: Sequence[str] = ()) -> int:
    """Run until stopped. Exit status 78 (EX_CONFIG): the configuration is wrong, so the supervisor does not restart."""
    try:
        settings = read_settings()
    except SettingsError as error:
        return _refuse(str(error))
    if "health" in arguments:
        return health_command(settings, presence.BOT)
    configure_logging("bot", settings)
    if settings.discord_token is None:
        return _refuse(f"No DISCORD_TOKEN is set. Put one into .env: {PORTAL} -> your application -> Bot -> Token.")
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # it never speaks
    if settings.discord_api_url:
        discord.http.Route.BASE = settings.discord_api_url
    if settings.discord_gateway_url:
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(settings.discord_gateway_url)
    try:
        asyncio.run(_run(settings))
    except discord.LoginFailure:
        return _refuse(_BAD_TOKEN)
    except discord.ConnectionClosed as error:
        return _refuse(
            _CLOSED_FOR_GOOD.get(error.code, f"Discord's gateway refused this bot for good, with code {error.code}.")
        )
    except discord.PrivilegedIntentsRequired:
        return _refuse(
            f"Discord does not let this bot read messages. Turn on 'Message Content Intent' ({PORTAL} -> your "
            "application -> Bot -> Privileged Gateway Intents) and start again."
        )
    except KeyboardInterrupt:
        log.info("stopped")
    return 0


async def _run(settings: Settings) -> None:
    assert settings.discord_token is not None
    async with Galvanic(settings) as bot:
        with bot.metrics.served():
            bot.tasks.spawn(run_forever("tell_trouble", bot.tell_trouble, every_s=presence.BEAT_S))
            task = asyncio.create_task(_serve(bot, settings.discord_token.get_secret_value()))
            with contextlib.suppress(NotImplementedError):  # on Windows
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
            try:
                await task
            except asyncio.CancelledError:
                log.info("stopping")


async def _serve(bot: Galvanic, token: str) -> None:
    await gateway.log_in(bot, token, bot.metrics.missed)
    bot.metrics.logged_in = True
    assert bot.application_id is not None
    await bot.leader.wait(bot.application_id)
    bot.metrics.leads = True
    await bot.connect()


def _refuse(message: str) -> int:
    # The last line on stderr: the launcher shows it to the person who started everything.
    print(message, file=sys.stderr)
    return EX_CONFIG


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
