"""One way of logging for every process: structlog over the standard library, to standard error.

Our own records (`structlog.get_logger()`) and those of libraries (discord.py, Celery, aiohttp) pass through the
same processors; the last one takes secrets out of the whole line, and the words of members that errors of Redis quote.
"""

import contextlib
import json
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from types import TracebackType
from urllib.parse import quote, unquote, urlsplit

import structlog
from structlog.contextvars import bound_contextvars
from structlog.typing import EventDict, Processor, WrappedLogger

from shared.jobs import Job
from shared.settings import Settings

REDACTED = "[redacted]"

# Three base64url parts: the bot's id, a timestamp, a signature.
# https://discord.com/developers/docs/reference#authentication
_DISCORD_TOKEN = re.compile(r"[\w-]{23,30}\.[\w-]{6,7}\.[\w-]{27,}")
# The path of a webhook or an interaction holds its token.
_DISCORD_PATH = re.compile(r"(/(?:webhooks|interactions)/\d+/)[\w-]{20,}")
_URL_PASSWORD = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@'\"]*):[^\s/@]+@", re.IGNORECASE)
# Errors of Redis quote what may be members' words: redis-py the command of a pipeline, or an answer that it can't read,
# and Redis the arguments of a command that it doesn't know.
_QUOTE_OF_REDIS = re.compile(
    r"(Command # \d+ \().*?(?=\) of pipeline caused error|\Z)|(with args beginning with: |Protocol Error: )[^\n]*",
    re.DOTALL,
)
_SECRET_FIELD = re.compile(r"token|password|secret|authorization", re.IGNORECASE)

_OWN_LOGGERS = ("bot", "worker", "galvanic", "shared", "playground")
_LEAST_LEVELS = {
    # A line per request says nothing that a failed one does not say better.
    "aiohttp.access": logging.WARNING,
    # Its line of each task names no server.
    "celery.worker.strategy": logging.WARNING,
    # It reports, with a traceback, that a stopping worker gives a training back, which is normal; our own records do.
    "celery.app.trace": logging.ERROR,
}
# Celery logs the whole body of a message that it does not take, and that has what somebody wrote.
_TELLS_BODIES = "celery.worker.consumer.consumer"


def redactor(secrets: Iterable[str] = ()) -> Callable[[str], str]:
    """Return a filter that takes secrets out of a line.

    It finds `secrets`, anything built like a Discord token, tokens in the paths of webhooks and interactions, and
    passwords in URLs. Of `secrets`, those shorter than four characters are ignored: they would take ordinary words with
    them.
    """
    forms = {form for secret in secrets for form in (secret, json.dumps(secret)[1:-1]) if len(secret) >= 4}
    longest_first = sorted(map(re.escape, forms), key=len, reverse=True)
    patterns = re.compile("|".join(longest_first) or "(?!)")

    def redacted(line: str) -> str:
        line = _DISCORD_TOKEN.sub(REDACTED, patterns.sub(REDACTED, line))
        return _URL_PASSWORD.sub(rf"\1:{REDACTED}@", _DISCORD_PATH.sub(rf"\1{REDACTED}", line))

    return redacted


def known_secrets(settings: Settings) -> list[str]:
    """Return this process's secrets: the bot's token and the passwords of Redis, as written and decoded."""
    secrets = [secret.get_secret_value() for secret in (settings.discord_token, settings.redis_password) if secret]
    with contextlib.suppress(ValueError):  # not a URL; whoever connects says so
        secrets.append(urlsplit(settings.redis_url.get_secret_value() if settings.redis_url else "").password or "")
    return [form for secret in secrets for form in (secret, quote(secret, safe=""), unquote(secret))]


def job_context(job: Job) -> AbstractContextManager[None]:
    """Name a job, and where it was asked for, in all that this thread or asyncio task logs within the block."""
    place = job.place
    return bound_contextvars(job_id=job.job_id, guild_id=place.guild_id, channel_id=place.channel_id)


def _renderer(settings: Settings) -> Processor:
    """Return the function that makes a line of a record: for people on a terminal, else JSON; without secrets."""
    render: Processor = structlog.processors.JSONRenderer(ensure_ascii=False)
    if sys.stderr.isatty():
        render = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    redacted = redactor(known_secrets(settings))

    def rendered(logger: WrappedLogger, method: str, event_dict: EventDict) -> str:
        fields = {key: _shown(key, value) for key, value in event_dict.items()}
        return redacted(str(render(logger, method, fields)))

    return rendered


def _shown(key: str, value: object) -> object:
    """Return a field's value as it may be logged: none if it is named like a secret, else all but quotes of Redis."""
    if _SECRET_FIELD.search(key) and isinstance(value, str | bytes):
        return REDACTED
    text = repr(value) if isinstance(value, BaseException) else value
    return _QUOTE_OF_REDIS.sub(rf"\1\2{REDACTED}", text) if isinstance(text, str) else text


def configure_logging(service: str, settings: Settings) -> None:
    """Set up this process's logging, to standard error; calling it again replaces the former set-up.

    `service` is put on each record. `worker.app` keeps Celery from setting up its own.
    """

    def add_service(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
        event_dict.setdefault("service", service)
        return event_dict

    # The records' `extra` is left out on purpose: Celery puts a task's arguments there.
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        add_service,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *common, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=common,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _renderer(settings),
        ],
    )
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    level = logging.getLevelNamesMapping()[settings.log_level]
    # At DEBUG libraries write whole payloads - messages of people, task arguments - into the log.
    root.setLevel(max(level, logging.INFO))
    for name in _OWN_LOGGERS:
        logging.getLogger(name).setLevel(level)
    for name, least in _LEAST_LEVELS.items():
        logging.getLogger(name).setLevel(max(level, least))
    logging.getLogger(_TELLS_BODIES).addFilter(_first_line)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _first_line(record: logging.LogRecord) -> bool:
    """Keep only the first line of a warning: in Celery's on a message that it refuses, the rest is the message."""
    if record.levelno >= logging.WARNING:
        record.msg, record.args = record.getMessage().partition("\n")[0], ()
    return True


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        structlog.get_logger("uncaught").critical("uncaught exception", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None and not issubclass(arguments.exc_type, SystemExit):
        structlog.get_logger("uncaught").error(
            "uncaught exception in a thread",
            thread=arguments.thread.name if arguments.thread is not None else None,
            exc_info=arguments.exc_value,
        )
