"""What reaches the log, and what must not."""

import asyncio
import contextlib
import io
import json
import logging
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import redis.asyncio
import structlog
from billiard.einfo import ExceptionInfo
from celery.app import trace
from celery.worker.consumer import consumer
from hypothesis import given, strategies as st
from kombu.exceptions import OperationalError
from pydantic import ValidationError
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.events import parse_event
from shared.jobs import GenerateJob
from shared.logging import REDACTED, configure_logging, job_context, redactor
from shared.settings import Settings
from tests.factories import GUILD, generate_job

# Built like tokens, and belonging to nobody.
ID_PART = "MTIzNDU2Nzg5MDEyMzQ1Njc4"
TOKEN = f"{ID_PART}.GaBcDe.{'x1y2z3-_' * 4}"
PASSWORD = "s3cr3t-Pass"
PRIVATE = "a private sentence"
BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, hook, thread_hook = list(root.handlers), root.level, sys.excepthook, threading.excepthook
    levels = {name: logger.level for name, logger in root.manager.loggerDict.items() if hasattr(logger, "level")}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    sys.excepthook = hook
    threading.excepthook = thread_hook
    logging.captureWarnings(False)
    for name in root.manager.loggerDict:
        logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))
    structlog.reset_defaults()


def settings(**values: Any) -> Settings:
    values = {"discord_token": TOKEN, "redis_url": f"redis://:{PASSWORD}@127.0.0.1:6379/0", **values}
    return Settings(_env_file=None, **values)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def start(terminal: bool = False, **values: Any) -> io.StringIO:
    out = Terminal() if terminal else io.StringIO()
    with contextlib.redirect_stderr(out):
        configure_logging("bot", settings(**values))
    return out


def records(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_our_record_as_json() -> None:
    out = start()
    structlog.get_logger("bot.test").info("job sent", queue="train", api_token="short", tokens_per_s=12.5)
    (record,) = records(out)
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        **{"event": "job sent", "level": "info", "logger": "bot.test", "service": "bot", "queue": "train"},
        **{"api_token": REDACTED, "tokens_per_s": 12.5},  # a field named like a secret is not shown
    }


def test_records_of_libraries_take_the_same_way() -> None:
    out = start()
    logging.getLogger("discord.client").warning("cannot reach %s", f"https://me:{PASSWORD}@example.org")
    (record,) = records(out)
    assert record["event"] == f"cannot reach https://me:{REDACTED}@example.org"
    assert record["logger"] == "discord.client"
    assert record["service"] == "bot"


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("secret", [TOKEN, PASSWORD])
def test_secrets_do_not_reach_the_output(terminal: bool, secret: str) -> None:
    out = start(terminal)
    ours, theirs = structlog.get_logger(), logging.getLogger("aiohttp.client")

    class Holder:
        def __repr__(self) -> str:
            return f"<Holder {secret}>"

    ours.info(f"starting with {secret}", value=secret, nested={"list": [secret, (secret,)], secret: 1}, obj=Holder())
    ours.info("positional %s", secret)
    theirs.warning("header %r", {"Authorization": f"Bot {secret}"})
    try:
        raise RuntimeError(f"login with {secret} failed")
    except RuntimeError:
        ours.exception("failed", text=secret)
        theirs.exception("failed")
    assert secret not in out.getvalue()
    assert out.getvalue().count(REDACTED) >= 9


@given(
    st.text(BASE64URL, min_size=24, max_size=28),
    st.text(BASE64URL, min_size=6, max_size=6),
    st.text(BASE64URL, min_size=27, max_size=38),
)
def test_a_strangers_token_is_recognised(first: str, second: str, third: str) -> None:
    token = f"{first}.{second}.{third}"
    assert token not in redactor()(f'{{"auth": "Bot {token}"}}')


@given(st.text(BASE64URL, min_size=1, max_size=20))
def test_a_url_keeps_its_host_but_not_its_password(password: str) -> None:
    assert redactor()(f"at redis://u:{password}@host:6379/0.") == f"at redis://u:{REDACTED}@host:6379/0."


def test_ordinary_text_is_left_alone() -> None:
    text = "https://example.org:8080/a@b 127.0.0.1:6379 bot.cogs.train 2026-01-02T03:04:05.678Z 3f2a@home"
    assert redactor(["abc"])(text) == text


def test_payloads_stay_out_of_the_log_even_at_debug() -> None:
    out = start(log_level="DEBUG")
    logging.getLogger("discord.gateway").debug("event %s", {"content": "a private sentence"})
    logging.getLogger("celery.worker.request").info("received", extra={"data": {"args": "a private sentence"}})
    structlog.get_logger("bot.jobs").debug("ours is wanted")
    assert "private" not in out.getvalue()
    assert [record["event"] for record in records(out)] == ["received", "ours is wanted"]


@pytest.mark.parametrize(
    ("form", "values", "kept"),
    [
        (consumer.UNKNOWN_TASK_ERROR, ("'new'", PRIVATE, "{}", "{}"), "Received unregistered task of type 'new'."),
        (consumer.INVALID_TASK_ERROR, ("why", PRIVATE), "Received invalid task message: why"),
        (consumer.UNKNOWN_FORMAT, (PRIVATE,), "Received and deleted unknown message.  Wrong destination?!?"),
        (consumer.MESSAGE_DECODE_ERROR, ("why", "t", "e", "{}", PRIVATE), "Can't decode message body: 'why' [type:'t'"),
    ],
)
def test_a_message_that_celery_refuses_is_not_shown(form: str, values: tuple[str, ...], kept: str) -> None:
    out = start()
    logging.getLogger(consumer.__name__).error(form, *values)
    (record,) = records(out)
    assert record["event"].startswith(kept)
    assert PRIVATE not in out.getvalue()


def _refused(redis_url: str, how: str) -> redis.RedisError:
    """An error of a real Redis, or of its client, which quotes what somebody wrote."""
    with redis.Redis.from_url(redis_url) as client:
        client.set("k", "a string")
        pipeline = client.pipeline().hset("k", "a\nb", PRIVATE)
        ask = pipeline.execute if how == "pipeline" else lambda: client.execute_command("NOSUCH", PRIVATE)
        with pytest.raises(redis.ResponseError, match=PRIVATE) as refused:
            ask()
    return refused.value


async def _refused_async(redis_url: str) -> redis.RedisError:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        pipeline: Any = client.pipeline()
        with pytest.raises(redis.ResponseError, match=PRIVATE) as refused:
            await pipeline.set("k", "a string").hset("k", "a\nb", PRIVATE).execute()
    return refused.value


def _not_understood() -> redis.RedisError:
    """An error of redis-py at an answer that is none, as after a reply was lost."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(f"{PRIVATE}\r\n".encode())
                connection.recv(1)

        threading.Thread(target=answer, daemon=True).start()
        with (
            redis.Redis(port=server.getsockname()[1], retry=Retry(NoBackoff(), 0)) as client,
            pytest.raises(redis.InvalidResponse, match=PRIVATE) as refused,
        ):
            client.ping()
    return refused.value


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize(
    ("how", "kept"),
    [
        ("pipeline", "WRONGTYPE"),
        ("async pipeline", "WRONGTYPE"),
        ("unknown", "unknown command"),
        ("answer", "Protocol Error"),
    ],
)
def test_an_error_of_redis_quotes_no_command(redis_url: str, how: str, kept: str, terminal: bool) -> None:
    if how == "answer":
        error = _not_understood()
    else:
        error = asyncio.run(_refused_async(redis_url)) if how == "async pipeline" else _refused(redis_url, how)
    out = start(terminal)
    ours, theirs = structlog.get_logger(), logging.getLogger("celery.worker.consumer")
    wrapped = OperationalError(str(error))
    wrapped.__cause__ = error
    for one in (error, wrapped, ExceptionGroup("several", [ValueError("x"), wrapped])):
        ours.error("failed", exc_info=one)
        theirs.error("lost: %s, again in %s s", one, 2, exc_info=one)
        theirs.error("Task raised: %(exc)s", {"exc": repr(str(one))}, exc_info=(type(one), one, None))
    try:
        raise RuntimeError(f"on the way: {error}") from error
    except RuntimeError:
        ours.exception("failed", error=error)
        info = ExceptionInfo()
        task = {"name": "train", "id": "t-1", "description": "raised unexpected", "exc": repr(info.exception)}
        theirs.error(trace.LOG_FAILURE, task, exc_info=info.exc_info)
    ours.warning(f"as a process wrote it that logs in another way: {error}", cut_off=str(error)[:43])
    assert PRIVATE not in out.getvalue()
    assert out.getvalue().count(kept) >= 9
    assert out.getvalue().count(type(error).__name__) >= 7


async def test_the_context_belongs_to_its_task() -> None:
    out = start()
    log = structlog.get_logger()

    async def work(job: str) -> None:
        with job_context(generate_job(job_id=job)):
            await asyncio.sleep(0)
            log.info("inside")
            logging.getLogger("celery").info("theirs")

    await asyncio.gather(work("a"), work("b"))
    log.info("outside")
    found = Counter((record["event"], record.get("job_id"), record.get("guild_id")) for record in records(out))
    inside = [(event, job, GUILD) for event in ("inside", "theirs") for job in ("a", "b")]
    assert found == Counter([*inside, ("outside", None, None)])


@pytest.mark.process
def test_an_uncaught_exception_is_logged_without_the_secret() -> None:
    program = (
        "from shared.logging import configure_logging\nfrom shared.settings import Settings\n"
        f"configure_logging('bot', Settings(_env_file=None))\nraise RuntimeError('bad {TOKEN}')\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    assert result.stdout == ""
    record = json.loads(result.stderr)  # one JSON line, since a pipe is no terminal
    assert record["event"] == "uncaught exception"
    assert "RuntimeError" in record["exception"]
    assert TOKEN not in result.stderr


def test_an_uncaught_exception_of_a_thread_is_logged_without_the_secret() -> None:
    out = start()

    def fail() -> None:
        raise RuntimeError(f"bad {TOKEN}")

    thread = threading.Thread(target=fail, name="warm-up")
    thread.start()
    thread.join()
    (record,) = records(out)
    assert record["thread"] == "warm-up"
    assert f"RuntimeError: bad {REDACTED}" in record["exception"]


def test_a_job_that_is_refused_does_not_show_its_text() -> None:
    out = start()
    text = "a private sentence"  # a traceback quotes the lines below
    message = {"job_id": "a", "seed": text, "length": text}
    event = json.dumps({"kind": "generated", "seed": [text], "text": text})
    try:
        GenerateJob.model_validate(message)
    except ValidationError:
        structlog.get_logger().exception("not a job")
    try:
        parse_event(event)
    except ValidationError:
        structlog.get_logger().exception("not an event")
    assert len(records(out)) == 2
    assert "private" not in out.getvalue()


def test_the_level_holds() -> None:
    out = start(log_level="WARNING")
    structlog.get_logger().info("no")
    logging.getLogger("discord").info("no")
    structlog.get_logger().warning("yes")
    assert [record["event"] for record in records(out)] == ["yes"]
