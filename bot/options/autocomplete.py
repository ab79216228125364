"""Autocomplete choices, within Discord's limits."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Iterable

import structlog
from discord import app_commands
from redis.exceptions import RedisError

from bot.escape import LABEL_LIMIT, MOST, label

_OFFERED_S = 2.0
"""Discord waits 3 s for choices, and shows an error after that."""

log = structlog.get_logger()


def choices(known: Iterable[str | tuple[str, str]], typed: str) -> list[app_commands.Choice[str]]:
    """What to offer while somebody types: entries whose name contains what is typed so far.

    `known`: names, or (name, value). Values that Discord would not take are left out.
    """
    wanted = typed.strip().lower()
    pairs = ((entry, entry) if isinstance(entry, str) else entry for entry in known)
    near = ((name, value) for name, value in pairs if wanted in name.lower() and 0 < len(value) <= LABEL_LIMIT)
    return [app_commands.Choice(name=label(name), value=value) for name, value in itertools.islice(near, MOST)]


class Offers:
    """Choices in time: none while Redis or the disk is away, which is logged once."""

    def __init__(self) -> None:
        self._there = True

    async def in_time(self, found: Awaitable[list[app_commands.Choice[str]]]) -> list[app_commands.Choice[str]]:
        """What was found; nothing when that fails or takes too long: people can type the name all the same."""
        try:
            async with asyncio.timeout(_OFFERED_S):
                offered = await found
        except (RedisError, OSError) as error:  # a TimeoutError is an OSError
            if self._there:
                log.warning("no_choices_offered", error=type(error).__name__)
            self._there = False
            return []
        self._there = True
        return offered
