"""Autocomplete choices, within Discord's limits."""

import asyncio
import functools
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, ParamSpec, TypeVar

import structlog
from discord import app_commands
from redis.exceptions import RedisError

from bot.words import LABEL_LIMIT, MOST, label

_OFFERED_S = 2.0  # Discord waits 3 s for choices, and shows an error after that

P = ParamSpec("P")
T = TypeVar("T")
log = structlog.get_logger()


def choices(entries: Iterable[str | tuple[str, str]], typed: str) -> list[app_commands.Choice[str]]:
    """Return what to offer while somebody types: entries whose name contains what is typed so far.

    `entries`: names, or (name, value). Values that Discord would not take are left out.
    """
    part = typed.strip().lower()
    pairs = ((entry, entry) if isinstance(entry, str) else entry for entry in entries)
    near = ((name, value) for name, value in pairs if part in name.lower() and 0 < len(value) <= LABEL_LIMIT)
    return [app_commands.Choice(name=label(name), value=value) for name, value in itertools.islice(near, MOST)]


def in_time(find: Callable[P, Awaitable[list[T]]]) -> Callable[P, Coroutine[Any, Any, list[T]]]:
    """Have a function return nothing if Redis or the disk is slow: people can still type the name."""

    @functools.wraps(find)
    async def find_in_time(*args: P.args, **kwargs: P.kwargs) -> list[T]:
        try:
            async with asyncio.timeout(_OFFERED_S):
                return await find(*args, **kwargs)
        except (RedisError, OSError) as error:  # a TimeoutError is an OSError
            log.info("no_choices_offered", error=type(error).__name__)
            return []

    return find_in_time
