"""One way to have a job answered in the channel, whoever asks: a command, a button, a form or a mention."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import discord
import structlog

from bot.answers.post import post_answer, problem_of
from bot.types import Send
from shared.errors import UserError
from shared.events import Failed
from shared.jobs import GENERATE_QUEUE, Asked
from shared.logging import job_context

if TYPE_CHECKING:
    from bot.checks import Context
    from bot.client import Galvanic

TYPING_AFTER_S = 0.4
"""Most answers are there sooner, and the request that shows "is typing" would only delay them."""
_TYPING_EVERY_S = 8.0

log = structlog.get_logger()


async def require_writer(bot: Galvanic) -> None:
    """Refuse when no generate worker is running.

    Raises:
        UserError: says who can start one.
    """
    if not await bot.queue.has_worker(GENERATE_QUEUE):
        raise UserError(
            "No generate worker is running, so I can't do this now.",
            "The bot's operator can start one with `make run` or `python -m worker serve generate`.",
        )


async def ask(bot: Galvanic, job: Asked, send: Send, *, files: dict[str, bytes] | None = None, **options: Any) -> None:
    """Send a job, wait for its end, and post that.

    Args:
        bot: the bot.
        job: what is asked for.
        send: a `send` of discord.py's; `options` are passed on to it.
        files: files that the worker needs, by name (`keys.artifact`).
        options: see `send`.

    Raises:
        UserError: no worker is there, it refused the job, or it did not answer in time.
        redis.RedisError: Redis cannot be reached.
    """
    place = job.place
    if "nonce" in options:  # that of the answer after a restart, so that Discord takes only one of the two
        options["nonce"] = job.job_id
    with job_context(job.job_id, guild_id=place.guild_id, channel_id=place.channel_id):
        await require_writer(bot)
        if not await bot.queue.submit(job, files=files):
            return  # Discord delivered this message before
        channel = bot.get_partial_messageable(place.channel_id, guild_id=place.guild_id)
        try:
            async with _typing(channel):
                event = await bot.follower.answer(job.job_id, bot.settings.generate_timeout_s)
            if event is None or isinstance(event, Failed):
                raise problem_of(event)
            await post_answer(bot, send, job, event, **options)
        except Exception:
            # Whatever came of posting it: the same answer must not turn up after the next restart. Not so when the
            # bot is being stopped (CancelledError): then the next run posts it.
            await bot.queue.delivered(job.job_id)
            raise
        await bot.queue.delivered(job.job_id)


def replying(ctx: Context) -> dict[str, Any]:
    """Options of a `send` with which an answer to a message refers to it, and is never posted twice."""
    if ctx.interaction is not None:
        return {}
    return {"reference": ctx.message.to_reference(fail_if_not_exists=False), "nonce": f"a-{ctx.message.id}"}


@asynccontextmanager
async def _typing(channel: discord.PartialMessageable) -> AsyncIterator[None]:
    """Show "is typing" while something takes long."""

    async def show() -> None:
        await asyncio.sleep(TYPING_AFTER_S)
        while True:
            try:
                await channel._state.http.send_typing(channel.id)
            except discord.HTTPException as error:
                log.info("typing_not_shown", status=error.status, code=error.code)
                return
            await asyncio.sleep(_TYPING_EVERY_S)

    task = asyncio.create_task(show())
    try:
        yield
    finally:
        task.cancel()
