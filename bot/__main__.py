"""Run the bot, or say whether one is running (`python -m bot health`)."""

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

from bot import gateway, intents
from bot.admin.metrics import RedisFigures
from bot.app import Galvanic
from bot.lock import AnotherBot
from galvanic.errors import UserError
from shared import presence
from shared.corpora.catalogue import catalogue
from shared.logging import configure_logging
from shared.metrics import serve
from shared.settings import Settings, SettingsError, read_settings
from shared.version import OtherVersion

EX_CONFIG = 78  # sysexits.h: retrying cannot help

_BAD_TOKEN = (
    f"Discord refused the DISCORD_TOKEN. Make a new one ({intents.PORTAL} -> your application -> Bot -> Reset Token) "
    f"and put it into {intents.CREDENTIAL_FILE}."
)
_CLOSED_FOR_GOOD = {
    4004: _BAD_TOKEN,
    4011: "This bot is in more than 2,500 servers, and Galvanic serves no more with one bot. Remove it from some, or "
    "run a second application with a bot of its own.",
}
"""Messages by close code of the gateway, for those after which discord.py gives up."""
_INTENT_GONE = (
    "Discord no longer grants this bot an intent. Started again, it does without. To have it back, turn it on "
    f"({intents.PORTAL} -> your application -> Bot -> Privileged Gateway Intents)."
)

log = structlog.get_logger()


def main(arguments: Sequence[str] = ()) -> int:
    """Run until stopped. Exit status 78 (EX_CONFIG): the configuration is wrong, so the supervisor does not restart."""
    try:
        settings = read_settings()
    except SettingsError as error:
        return _refuse(str(error))
    if "health" in arguments:
        return presence.health_command(settings, presence.BOT)
    try:
        catalogue(settings.corpora_dir)
    except UserError as error:
        return _refuse(f"{error.problem} {error.remedy}")
    configure_logging("bot", settings)
    if settings.discord_token is None:
        return _refuse(
            f"No DISCORD_TOKEN is set. Put one into {intents.CREDENTIAL_FILE}: "
            f"{intents.PORTAL} -> your application -> Bot -> Token."
        )
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # it never speaks
    if settings.discord_api_url:
        discord.http.Route.BASE = settings.discord_api_url
    if settings.discord_gateway_url:
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(settings.discord_gateway_url)
    serve(settings, RedisFigures(settings))
    try:
        asyncio.run(_run(settings))
    except discord.LoginFailure:
        return _refuse(_BAD_TOKEN)
    except (OtherVersion, AnotherBot) as error:
        return _refuse(str(error))
    except discord.PrivilegedIntentsRequired:
        print(_INTENT_GONE, file=sys.stderr)
        return 1  # what started the bot starts it again
    except discord.ConnectionClosed as error:
        unknown = f"Discord's gateway refused this bot for good, with code {error.code}."
        return _refuse(_CLOSED_FOR_GOOD.get(error.code, unknown))
    except (KeyboardInterrupt, asyncio.CancelledError):
        log.info("stopped")
    return 0


async def _run(settings: Settings) -> None:
    """Serve until the bot is closed. A client's intents are fixed, so another one does without those not granted."""
    task = asyncio.current_task()
    assert settings.discord_token is not None
    assert task is not None
    with contextlib.suppress(NotImplementedError):  # on Windows
        # A second signal must not interrupt the closing.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: task.cancelling() or task.cancel())
    lacks = frozenset[str]()
    while True:
        async with Galvanic(settings, lacks) as bot:
            bot.presence.tell_of_trouble()
            try:
                missing = await _serve(bot, settings.discord_token.get_secret_value())
            except asyncio.CancelledError:
                log.info("stopping")
                return
        if not missing:
            return
        lacks |= missing


async def _serve(bot: Galvanic, token: str) -> frozenset[str]:
    """Serve until the bot is closed; or return, before it connects, the intents that Discord does not grant."""
    await gateway.log_in(bot, token, bot.presence.miss_discord)
    if missing := intents.not_granted(bot.intents, bot.application_flags):
        log.warning("intents_not_granted", intents=sorted(missing), remedy=intents.REMEDY)
        return missing
    await bot.presence.take_lock()
    await bot.presence.require_version()
    await bot.connect()
    if bot.presence.overtaken:
        raise AnotherBot
    return frozenset()


def _refuse(message: str) -> int:
    # The last line on stderr: the launcher shows it to the person who started everything.
    print(message, file=sys.stderr)
    return EX_CONFIG


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
