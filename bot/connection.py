"""The way to Discord and back to it: short waits, few identifies, and one line of log for each try."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from typing import TYPE_CHECKING

import discord
import structlog
from discord.backoff import ExponentialBackoff
from redis.exceptions import RedisError

from bot.failures import TRANSIENT
from shared import presence

if TYPE_CHECKING:
    from bot.client import Galvanic

LONGEST_WAIT_S = 8.0
"""Between two tries to reach Discord. With the pause before an identify the bot is back within 15 s."""
IDENTIFY_EVERY_S = 5.0
"""Discord takes no more from one bot."""
_FREE_IDENTIFIES = 100
_IDENTIFY_SELDOM_S = 100.0
"""Between two once there were many within a day: after 1,000 Discord makes the token void."""
_DAY_S = 86_400.0
_AWAY_S = 10.0
"""A shorter absence is told to nobody: Discord itself asks for a reconnect now and then."""
AWAY = (
    "Discord can't be reached, so the bot goes on trying. Is this machine online? See https://discordstatus.com, too."
)

log = structlog.get_logger()
_delay_of_discord_py = ExponentialBackoff.delay


def prepare() -> None:
    """Cap what discord.py waits for between two tries, up to 17 minutes, and log its tries in our form.

    It has no option for either. `connect(reconnect=False)` and a loop of our own would lose the session, and close what
    answers are posted with, at each outage of the gateway alone.
    """
    ExponentialBackoff.delay = _delay  # type: ignore[method-assign,assignment]
    logging.getLogger("discord.client").addFilter(_in_our_form)


def _delay(backoff: ExponentialBackoff[bool]) -> float:
    return min(_delay_of_discord_py(backoff), random.uniform(LONGEST_WAIT_S / 2, LONGEST_WAIT_S))


def _in_our_form(record: logging.LogRecord) -> bool:
    """Whether discord.py is to log this itself: not that it tries again, which is one line without a traceback."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None or not str(record.msg).startswith("Attempting a reconnect") or not isinstance(record.args, tuple):
        return True
    _log_unreachable(error, *record.args)
    return False


def _log_unreachable(error: BaseException, again_s: object) -> None:
    status = getattr(error, "status", None) or getattr(error, "code", None)
    again = round(again_s, 1) if isinstance(again_s, float) else again_s
    log.warning("discord_unreachable", error=type(error).__name__, status=status, try_again_s=again)


async def log_in(bot: Galvanic, token: str) -> None:
    """As `bot.login`, again and again while Discord cannot be reached.

    Raises:
        discord.LoginFailure: the token is wrong.
    """
    backoff = ExponentialBackoff()
    while True:
        try:
            await bot.login(token)
            return
        except (discord.HTTPException, *TRANSIENT) as error:
            # A login makes a new HTTP session, and leaves it open with its connections.
            await bot.http.close()
            bot.http.connector = discord.utils.MISSING
            bot.metrics.missed()
            wait = backoff.delay()
            _log_unreachable(error, wait)
        await asyncio.sleep(wait)


class Identifies:
    """When the bot may identify again: seldom enough for Discord, whatever comes of it."""

    def __init__(self) -> None:
        self._at: deque[float] = deque(maxlen=_FREE_IDENTIFIES)

    def wait_s(self, now: float) -> float:
        """Seconds until the next one."""
        if not self._at:
            return 0.0
        many = len(self._at) == _FREE_IDENTIFIES and now - self._at[0] < _DAY_S
        return max(0.0, self._at[-1] + (_IDENTIFY_SELDOM_S if many else IDENTIFY_EVERY_S) - now)

    def note(self, now: float) -> None:
        """One is being sent."""
        self._at.append(now)

    async def wait(self) -> None:
        """Return when one may be sent."""
        # Discord asks for 1 to 5 s after it has ended a session.
        wait = self.wait_s(time.monotonic())
        if wait > IDENTIFY_EVERY_S:
            log.warning("identify_put_off", wait_s=round(wait))
        await asyncio.sleep(max(wait, random.uniform(1, 5) if self._at else 0))
        self.note(time.monotonic())


def trouble(bot: Galvanic) -> str | None:
    """What keeps the bot from Discord, in a sentence for whoever runs it; None: nothing, or only for a moment."""
    since = bot.metrics.away_since
    return AWAY if since is not None and time.monotonic() - since > _AWAY_S else None


async def tell_trouble(bot: Galvanic) -> None:
    """Say in Redis, while it is so, that Discord cannot be reached: `make run` shows that."""
    while True:
        await asyncio.sleep(presence.BEAT_S)
        if (said := trouble(bot)) is None:
            continue
        try:
            await presence.beat_async(bot.redis, presence.TROUBLE, said)
        except RedisError as error:
            log.warning("redis_unreachable", error=type(error).__name__)
