"""Puts a generated text into a channel."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from typing import Any

import discord

from bot import cards
from shared.errors import UserError
from shared.events import Event, Failed, Generated
from shared.jobs import GenerateJob

Send = Callable[..., Awaitable[Any]]


async def post_generated(send: Send, job: GenerateJob, event: Event | None, **options: Any) -> None:
    """Show the end of a generate job: the text, as an embed or when it is long as a file, or what went wrong.

    Args:
        send: a `send` of discord.py's; `options` are passed on to it.
        job: what was asked for.
        event: the final event, None when none came in time.
        options: see `send`.
    """
    if isinstance(event, Generated):
        embed = cards.generated(job, event)
        if embed is not None:
            await send(embed=embed, **options)
            return
        file = discord.File(io.BytesIO((event.seed + event.text).encode()), f"{_file_name(job)}.txt")
        said = "\n".join((cards.generated_footer(job, event), *event.notes))
        await send(cards.plain(said)[:2_000], file=file, **options)
        return
    if isinstance(event, Failed):
        problem = UserError(event.problem, event.remedy)
    else:
        problem = UserError("The worker took too long to answer.", "Try again, or ask for a shorter text.")
    await send(embed=cards.error(problem), **options)


def _file_name(job: GenerateJob) -> str:
    return "-".join(part.name for part in job.mix)[:60] or job.model_name
