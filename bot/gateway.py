"""The way to Discord: connecting and reconnecting, the pace of requests, and its list of slash commands."""

import asyncio
import contextlib
import hashlib
import json
import logging
import random
import time
import urllib.request
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import aiohttp
import discord
import redis.asyncio
import structlog
from discord import app_commands
from discord.backoff import ExponentialBackoff

from bot.background import DISCORD_ERRORS, TOO_MANY_REQUESTS, TRANSIENT, backoff, is_transient, retry
from bot.errors import TOO_LATE, code_of
from shared import keys
from shared.settings import Settings

LONGEST_WAIT_S = 8.0
"""Longest pause between two tries. With the pause before an identify the bot is back within 15 s."""
IDENTIFY_EVERY_S = 5.0  # Discord's limit for one bot
SILENT_S = 60.0
"""A request that Discord does not answer for so long is given up, however long it waited for its turn."""
_FREE_IDENTIFIES = 100
_IDENTIFY_SELDOM_S = 100.0
"""Pause between two identifies after `_FREE_IDENTIFIES` in a day: at 1,000 Discord resets the token."""
_DAY_S = 86_400.0
_UNTOLD_PAUSE_S = 1.0  # pause after a refusal that does not say how long to wait
AWAY_S = 10.0  # a shorter absence is not reported: Discord itself asks for a reconnect now and then
AWAY = (
    "Discord can't be reached, so the bot goes on trying. Is this machine online? See https://discordstatus.com, too."
)

Tree = app_commands.CommandTree[Any]
log = structlog.get_logger()
_delay_of_discord_py = ExponentialBackoff.delay


def proxy(settings: Settings) -> str | None:
    """Return the proxy by which Discord is reached, as the environment's HTTPS_PROXY names it; None: none."""
    named = urllib.request.getproxies().get("https")
    if not named or settings.discord_api_url or urllib.request.proxy_bypass("discord.com"):
        return None
    return named if "://" in named else f"http://{named}"


def prepare() -> None:
    """Cap discord.py's waits: between two tries, up to 17 minutes, and for an answer, 5 minutes; log in our form.

    It has no option for any. `connect(reconnect=False)` in a loop of our own would lose the session, and close the
    HTTP session that posts answers, at each outage of the gateway alone.
    """
    ExponentialBackoff.delay = _delay  # type: ignore[method-assign,assignment]
    aiohttp.client.DEFAULT_TIMEOUT = aiohttp.ClientTimeout(sock_connect=30.0, sock_read=SILENT_S)  # type: ignore[misc]
    for name in ("discord.client", "discord.app_commands.tree", "discord.ext.commands.bot"):
        logging.getLogger(name).addFilter(_in_our_form)


def _delay(backoff: ExponentialBackoff[bool]) -> float:
    return min(_delay_of_discord_py(backoff), random.uniform(LONGEST_WAIT_S / 2, LONGEST_WAIT_S))


def _in_our_form(record: logging.LogRecord) -> bool:
    """Keep discord.py from logging, with a traceback, what one line says as well.

    That it tries again; that autocomplete choices came too late, as when somebody types fast.
    """
    error = record.exc_info[1] if record.exc_info else None
    code = code_of(error)
    if isinstance(record.args, tuple) and str(record.msg).startswith("Attempting a reconnect"):
        status = getattr(error, "status", None) or code
        log.warning("discord_unreachable", error=type(error).__name__, status=status, try_again_s=record.args[0])
    elif isinstance(error, DISCORD_ERRORS) and (code in TOO_LATE or is_transient(error)):
        log.info("choices_not_taken", error=type(error).__name__, code=code)
    else:
        # `bot.__main__` reports the missing intent itself, with a remedy.
        return not str(record.msg).startswith("Privileged message content intent is missing")
    return False


async def log_in(client: discord.Client, token: str, missed: Callable[[], None]) -> None:
    """Retry `client.login` while Discord cannot be reached; each time call `missed`. Raises discord.LoginFailure."""

    async def attempt() -> None:
        try:
            await client.login(token)
        except DISCORD_ERRORS:
            # A login makes a new HTTP session, and leaves it open with its connections.
            await client.http.close()
            client.http.connector = discord.utils.MISSING
            missed()
            raise

    await retry(attempt, "discord_unreachable", pauses_s=backoff(most_s=LONGEST_WAIT_S))


class Identifies:
    """When the bot may identify again, by Discord's limits, whether or not the last one succeeded."""

    def __init__(self) -> None:
        self._at: deque[float] = deque(maxlen=_FREE_IDENTIFIES)

    def next(self, now: float) -> float:
        """Return when the next one may be sent; monotonic, as `now`."""
        if self._at:
            many = len(self._at) == _FREE_IDENTIFIES and now - self._at[0] < _DAY_S
            first = self._at[-1] + (_IDENTIFY_SELDOM_S if many else IDENTIFY_EVERY_S)
            # Discord asks for 1 to 5 s after it has ended a session.
            return max(first, now + random.uniform(IDENTIFY_EVERY_S / 5, IDENTIFY_EVERY_S))
        return now

    def sent(self, at: float) -> None:
        self._at.append(at)

    async def wait(self) -> None:
        now = time.monotonic()
        wait = self.next(now) - now
        if wait > IDENTIFY_EVERY_S:
            log.warning("identify_put_off", wait_s=round(wait))
        await asyncio.sleep(wait)  # discord.py gives up a connection after 60 s: then none was sent
        self.sent(time.monotonic())


class Pacing:
    """Holds back all requests while a proxy in front of Discord asks for a pause.

    discord.py waits out Discord's own limits. A proxy's refusal has no header `Via`, and discord.py raises it at once.
    """

    def __init__(self, trace: aiohttp.TraceConfig) -> None:
        """Watch the requests of an HTTP session."""
        self._closed_until = 0.0
        trace.on_request_start.append(self._wait)
        trace.on_request_end.append(self._look)

    async def _wait(self, *_: object) -> None:
        if (pause_s := self._closed_until - time.monotonic()) > 0:
            await asyncio.sleep(pause_s)

    async def _look(
        self, _: aiohttp.ClientSession, _context: SimpleNamespace, ended: aiohttp.TraceRequestEndParams
    ) -> None:
        headers = ended.response.headers
        if ended.response.status == TOO_MANY_REQUESTS and "Via" not in headers:
            retry_after = headers.get("Retry-After", "")
            pause_s = float(retry_after) if retry_after.replace(".", "", 1).isdigit() else _UNTOLD_PAUSE_S
            log.warning("discord_asks_for_a_pause", pause_s=pause_s)
            self._closed_until = max(self._closed_until, time.monotonic() + pause_s)


async def sync_if_changed(tree: Tree, connection: redis.asyncio.Redis) -> None:
    """Send the slash commands if they differ from Discord's. A failure is logged: `!x` works without.

    Syncing at every start would run into Discord's limit on it. A hash of what was sent last is kept in Redis; the
    names are compared with Discord's own list, too: a playground's Discord begins anew with the same Redis.
    """
    try:
        key = keys.synced_commands(tree.client.application_id)
        payload = json.dumps([command.to_dict(tree) for command in tree.get_commands()], sort_keys=True, default=str)
        digest = hashlib.sha256(payload.encode()).hexdigest()
        synced = {command.name for command in await tree.fetch_commands()}
        changed = synced != {command.name for command in tree.get_commands()}
        with contextlib.suppress(redis.RedisError):
            changed = changed or await connection.get(key) != digest.encode()
        if changed:
            sent = await tree.sync()
            log.info("commands_synced", count=len(sent))
            with contextlib.suppress(redis.RedisError):  # the next start sends them once more
                await connection.set(key, digest)
    except discord.HTTPException as error:
        log.error("commands_not_synced", status=error.status, code=error.code)
    except TRANSIENT as error:  # the bot goes on with those that Discord has; the next start tries again
        log.warning("commands_not_synced", error=type(error).__name__)
