"""One way to have a job answered in the channel, whoever asks: a command, a button, a form or a mention."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import structlog

from bot.answers.post import post_answer, posting, too_slow
from bot.failures import Told, passing, persist
from bot.types import Send
from shared.errors import UserError
from shared.events import Event, Failed
from shared.jobs import GENERATE_QUEUE, Asked
from shared.logging import job_context

if TYPE_CHECKING:
    from bot.client import Galvanic
    from bot.options.checks import Context

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
        send: a `send` of discord.py's, for all to see: an answer that is put off is posted in the channel. `options`
            are passed on to it.
        files: files that the worker needs, by name (`keys.artifact`).
        options: see `send`.

    Raises:
        Told: the worker refused the job, or did not answer in time. That is posted as an answer is, so that no trouble
            of Discord's loses it.
        UserError: no worker is there, or Discord refuses the end of one that failed.
        redis.RedisError: Redis cannot be reached, so nothing was sent. Later on the answer is put off.
    """
    begun = time.monotonic()
    place = job.place
    # That of the answer after a restart, so that Discord takes only one of the two (for a few minutes).
    options["nonce"] = job.job_id
    context = job_context(job.job_id, guild_id=place.guild_id, channel_id=place.channel_id)
    with context, bot.follower.reserved(job.job_id) as ours:
        if not ours:
            return  # Discord delivered this message before
        await require_writer(bot)
        if not await bot.queue.submit(job, files=files):
            return  # it did so before the bot was started
        event: Event | None = None
        try:
            async with bot.typing.shown(place.channel_id):
                event = await bot.follower.answer(job.job_id, bot.settings.generate_timeout_s)
                if event is None:
                    bot.metrics.ended(job.kind, "expired")
                    event = too_slow()

            async def post() -> None:
                async with posting(job):
                    await post_answer(bot, send, job, event, **options)

            await persist(bot, post)
            bot.metrics.answered(job.kind, time.monotonic() - begun)
        except Exception as error:
            if bot.is_closed():
                log.info("answer_left_to_the_next_start", error=type(error).__name__)
                return
            if not passing(error):
                # Whatever came of posting it: the same answer must not turn up after the next restart. Not so when the
                # bot is being stopped (CancelledError, too): then the next run posts it.
                bot.follower.delivered(job.job_id)
                if isinstance(event, Failed):  # errors have other ways to their person
                    raise UserError(event.problem, event.remedy) from error
                raise
            log.warning("answer_put_off", error=type(error).__name__)  # now the follower goes on with it
            bot.follower.answer_later(job, event)
        else:
            bot.follower.delivered(job.job_id)
            if not isinstance(event, Failed):
                bot.crowd.answered()
        if isinstance(event, Failed):
            raise Told(event.problem, event.remedy)


def replying(ctx: Context) -> dict[str, Any]:
    """Options of a `send` with which an answer to a message refers to it, and is never posted twice."""
    if ctx.interaction is not None:
        return {}
    return {"reference": ctx.message.to_reference(fail_if_not_exists=False), "nonce": f"a-{ctx.message.id}"}
