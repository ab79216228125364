"""Make redis-py's errors fit for a log. They quote the refused command, which may hold members' words."""

import re
from collections.abc import Iterator

import redis

_CODE = re.compile(r"[A-Z][A-Z_]+")
_OWN_WORDS = (redis.ConnectionError, redis.TimeoutError)  # without those derived: they name the host, and quote nothing
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
    for cause in causes_of(error):
        if isinstance(cause, redis.RedisError) and (message := str(cause)):
            for form in (message, repr(message)[1:-1]):
                text = text.replace(form, code_of(cause))
    return text


def shown(value: object) -> object:
    """Return what may be logged of a value: an error of Redis, or one that it led to, as its class and code."""
    if isinstance(value, BaseException) and any(isinstance(cause, redis.RedisError) for cause in causes_of(value)):
        return f"{type(value).__name__} {without_quotes(str(value), value)}".strip()
    return value


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and the errors that it was raised from, groups or carries."""
    pending, seen = [error], set[int]()
    while pending:
        cause = pending.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        group = cause.exceptions if isinstance(cause, BaseExceptionGroup) else ()
        related = (cause.__cause__, cause.__context__, *group, *cause.args)
        pending += [other for other in related if isinstance(other, BaseException)]
