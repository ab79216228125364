"""Puts the answer to a job into a channel: one presenter for each kind of answer."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import discord

from bot import cards
from bot.model_answers import post_export, post_import, post_info, post_refusal
from shared.errors import UserError
from shared.events import Event, Exported, Failed, Generated, Imported
from shared.jobs import Asked, ExportJob, GenerateJob, ImportJob, PictureJob

if TYPE_CHECKING:
    from bot.client import Galvanic

Send = Callable[..., Awaitable[Any]]


async def post_answer(bot: Galvanic, send: Send, job: Asked, event: Event | None, **options: Any) -> None:
    """Show the end of a job that somebody waits for, or what went wrong.

    Args:
        bot: the bot.
        send: a `send` of discord.py's; `options` are passed on to it.
        job: what was asked for.
        event: the final event, None when none came in time.
        options: see `send`.
    """
    match job, event:
        case GenerateJob(), Generated():
            await _generated(bot, send, job, event, **options)
        case PictureJob(), _:
            await post_info(bot, send, job, event, **options)
        case ExportJob(), Exported():
            await post_export(bot, send, job, event, **options)
        case ImportJob(), Imported():
            await post_import(bot, send, job, event, **options)
        case ImportJob(), Failed():
            await post_refusal(send, job, event, **options)
        case _, Failed():
            await send(embed=cards.error(UserError(event.problem, event.remedy)), **options)
        case _:
            problem = UserError("The worker took too long to answer.", "Try again, or ask for a shorter text.")
            await send(embed=cards.error(problem), **options)


async def _generated(bot: Galvanic, send: Send, job: GenerateJob, event: Generated, **options: Any) -> None:
    # What the worker wrote was checked against the blocklist of then; the seed, and an older answer, were not.
    blocked = await bot.guild_settings.blocklist(job.place.guild_id)
    event = event.model_copy(update={"seed": blocked.mask(event.seed), "text": blocked.mask(event.text)})
    embed = cards.generated(job, event)
    if embed is not None:
        await send(embed=embed, **options)
        return
    file = discord.File(io.BytesIO((event.seed + event.text).encode()), f"{_file_name(job)}.txt")
    said = "\n".join((cards.generated_footer(job, event), *event.notes))
    await send(cards.plain(said)[:2_000], file=file, **options)


def _file_name(job: GenerateJob) -> str:
    return "-".join(part.name for part in job.mix)[:60] or job.model_name
