"""Make redis-py's errors fit for a log. They quote the refused command, which may hold members' words."""

from __future__ import annotations

import re
from collections.abc import Iterator

import redis

_CODE = re.compile(r"[A-Z][A-Z_]+")
_OWN_WORDS = (redis.ConnectionError, redis.TimeoutError)
"""Just these, not what is derived from them: redis-py says which host was tried, and quotes nothing."""
COMMAND = re.compile(r"(Command # \d+ \().*(\) of pipeline caused error)", re.DOTALL)
"""A quoted command of a pipeline in a message of redis-py's."""


def code_of(error: redis.RedisError) -> str:
    """Return all of an error's message that may be shown: its code, such as `NOPERM`; empty: its class says it."""
    if type(error) in _OWN_WORDS:
        return str(error)
    code = error.status_code or str(error).rpartition("caused error: ")[2].partition(" ")[0]
    return code if _CODE.fullmatch(code) else ""


def without_quotes(text: str, error: BaseException) -> str:
    """Return a text, such as a traceback, with the code alone of each error of Redis that led to `error`."""
    for one in _chain(error):
        if isinstance(one, redis.RedisError) and (message := str(one)):
            for form in (message, repr(message)[1:-1]):
                text = text.replace(form, code_of(one))
    return text


def shown(value: object) -> object:
    """Return what may be logged of a value: an error of Redis, or one that it led to, as its class and code."""
    if isinstance(value, BaseException) and any(isinstance(one, redis.RedisError) for one in _chain(value)):
        return f"{type(value).__name__} {without_quotes(str(value), value)}".strip()
    return value


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, and all that it was raised from, is a group of or carries."""
    left, seen = [error], set[int]()
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        group = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        related = (one.__cause__, one.__context__, *group, *one.args)
        left += [other for other in related if isinstance(other, BaseException)]
