"""Connecting to Discord and reconnecting: short waits, few identifies, and one log line for each try."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable

import discord
import structlog
from discord.backoff import ExponentialBackoff

from bot.background import DISCORD_ERRORS, backoff, retry

LONGEST_WAIT_S = 8.0
"""Between two tries. With the pause before an identify the bot is back within 15 s."""
IDENTIFY_EVERY_S = 5.0
"""Discord's limit for one bot."""
_FREE_IDENTIFIES = 100
_IDENTIFY_SELDOM_S = 100.0
"""Between two after `_FREE_IDENTIFIES` within a day: at 1,000 Discord resets the token."""
_DAY_S = 86_400.0
_AWAY_S = 10.0
"""A shorter absence is not reported: Discord itself asks for a reconnect now and then."""
AWAY = (
    "Discord can't be reached, so the bot goes on trying. Is this machine online? See https://discordstatus.com, too."
)

log = structlog.get_logger()
_delay_of_discord_py = ExponentialBackoff.delay


def prepare() -> None:
    """Cap discord.py's waits between two tries, up to 17 minutes, and log its tries in our form.

    It has no option for either. `connect(reconnect=False)` in a loop of our own would lose the session, and close the
    HTTP session that posts answers, at each outage of the gateway alone.
    """
    ExponentialBackoff.delay = _delay  # type: ignore[method-assign,assignment]
    logging.getLogger("discord.client").addFilter(_in_our_form)


def _delay(backoff: ExponentialBackoff[bool]) -> float:
    return min(_delay_of_discord_py(backoff), random.uniform(LONGEST_WAIT_S / 2, LONGEST_WAIT_S))


def _in_our_form(record: logging.LogRecord) -> bool:
    """Keep discord.py from logging, with a traceback, that it tries again; one line says so instead."""
    error = record.exc_info[1] if record.exc_info else None
    if not str(record.msg).startswith("Attempting a reconnect") or not isinstance(record.args, tuple):
        return True
    status = getattr(error, "status", None) or getattr(error, "code", None)
    log.warning("discord_unreachable", error=type(error).__name__, status=status, try_again_s=record.args[0])
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

    def wait_s(self, now: float) -> float:
        if not self._at:
            return 0.0
        many = len(self._at) == _FREE_IDENTIFIES and now - self._at[0] < _DAY_S
        return max(0.0, self._at[-1] + (_IDENTIFY_SELDOM_S if many else IDENTIFY_EVERY_S) - now)

    def note(self, now: float) -> None:
        self._at.append(now)

    async def wait(self) -> None:
        # Discord asks for 1 to 5 s after it has ended a session.
        wait = self.wait_s(time.monotonic())
        if wait > IDENTIFY_EVERY_S:
            log.warning("identify_put_off", wait_s=round(wait))
        await asyncio.sleep(max(wait, random.uniform(1, 5) if self._at else 0))
        self.note(time.monotonic())


def trouble(away_since: float | None) -> str | None:
    """What to tell whoever runs the bot; None: Discord is there, or away only for a moment. `away_since`: monotonic."""
    return AWAY if away_since is not None and time.monotonic() - away_since > _AWAY_S else None
