"""Puts the answer to a job into a channel: one presenter for each kind of answer."""

from __future__ import annotations

import io
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import discord
import structlog

from bot import cards, failures
from bot.answers.models import post_export, post_import, post_info, post_refusal
from bot.answers.problems import post_error
from bot.pacing import each_request_within
from bot.types import Send
from bot.write import embeds as write_embeds
from bot.write.views import compared_menu, written_buttons
from shared.errors import UserError
from shared.events import Compared, Event, Exported, Failed, Generated, Imported, Surprised
from shared.jobs import (
    SURPRISE_FILE,
    Asked,
    CompareJob,
    ExportJob,
    GenerateJob,
    ImportJob,
    PictureJob,
    SurpriseJob,
)

if TYPE_CHECKING:
    from bot.client import Galvanic

POSTED_WITHIN_S = 60.0

log = structlog.get_logger()


def posting(job: Asked) -> AbstractAsyncContextManager[None]:
    """How long Discord may take for an answer before it is asked again; a model's file takes as long as it takes."""
    return nullcontext() if isinstance(job, ExportJob) else each_request_within(POSTED_WITHIN_S)


async def post_answer(bot: Galvanic, send: Send, job: Asked, event: Event | None, **options: Any) -> None:
    """Show the end of a job that somebody waits for, or what went wrong.

    Args:
        bot: the bot.
        send: a `send` of discord.py's; `options` are passed on to it.
        job: what was asked for.
        event: the final event, None when none came in time.
        options: see `send`.
    """
    if event is not None and not isinstance(event, Failed) and not await _may_be_shown(bot, job):
        # Its place may have been opened to others since it was asked for, above all when it comes late.
        prefix = await bot.guild_settings.prefix(job.place.guild_id)
        await post_error(send, _withheld(prefix), **options)
        return
    match job, event:
        case GenerateJob(), Generated() if job.shown == 0:
            await _chatted(bot, send, job, event, **options)
        case GenerateJob(), Generated():
            await _generated(bot, send, job, event, **options)
        case CompareJob(), Compared():
            await _compared(bot, send, job, event, **options)
        case SurpriseJob(), Surprised():
            await _surprised(bot, send, job, event, **options)
        case PictureJob(), _:
            await post_info(bot, send, job, event, **options)
        case ExportJob(), Exported():
            await post_export(bot, send, job, event, **options)
        case ImportJob(), Imported():
            await post_import(bot, send, job, event, **options)
        case ImportJob(), Failed():
            await post_refusal(send, job, event, **options)
        case _:
            ended = event if isinstance(event, Failed) else too_slow()
            await post_error(send, UserError(ended.problem, ended.remedy), **options)


def too_slow() -> Failed:
    """How a job ends for whoever waits for it when its worker says nothing in time."""
    return Failed(problem="The worker took too long to answer.", remedy="Try again, or ask for a shorter text.")


async def _may_be_shown(bot: Galvanic, job: Asked) -> bool:
    """Whether all models that have a part in an answer may be used where it is to be posted, now."""
    model_ids = _models_of(job)
    found = await bot.registry.by_ids(job.place.guild_id, job.place.channel_ids, model_ids)
    return len(found) == len(model_ids)


def _models_of(job: Asked) -> set[str]:
    """Ids of the models that write or draw an answer, or leave with it."""
    match job:
        case GenerateJob():
            return {part.model_id for part in job.mix} or {job.model_id}
        case CompareJob():
            return {variant.model_id for variant in job.variants}
        case SurpriseJob() | ExportJob():
            return {job.model.model_id}
        case PictureJob() | ImportJob():  # their presenters ask themselves: they have more to say
            return set()


def _withheld(prefix: str) -> UserError:
    return UserError(
        "I can't post this here: its model was deleted in the meantime, or may no longer be used in this channel.",
        f"`{prefix}models` lists those that may.",
    )


async def _generated(bot: Galvanic, send: Send, job: GenerateJob, event: Generated, **options: Any) -> None:
    event = await _masked(bot, job, event)
    options["view"] = written_buttons(job, event)
    embed = write_embeds.generated(job, event)
    if embed is not None:
        await send(embed=embed, **options)
        return
    beginning = write_embeds.generated(job, event, beginning=True)
    assert beginning is not None
    guild = bot.get_guild(job.place.guild_id)
    most = guild.filesize_limit if guild is not None else discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES
    data = (event.seed + event.text).encode()[:most].decode(errors="ignore").encode()
    try:
        await send(embed=beginning, file=discord.File(io.BytesIO(data), f"{_file_name(job)}.txt"), **options)
    except discord.Forbidden as error:
        if error.code != failures.MISSING_PERMISSIONS:
            raise
        log.warning("file_not_attached", job_id=job.job_id)
        said = f"The rest would be a file, and {cards.NO_FILES}"
        beginning.add_field(name="Only the beginning", value=said, inline=False)
        await send(embed=beginning, **options)


async def _masked(bot: Galvanic, job: GenerateJob, event: Generated) -> Generated:
    # What the worker wrote was checked against the blocklist of then; the seed, and an older answer, were not.
    blocked = await bot.guild_settings.blocklist(job.place.guild_id)
    seed, text = blocked.mask(event.seed), blocked.mask(event.text)
    masked = event.masked or (seed, text) != (event.seed, event.text)
    notes = tuple(map(blocked.mask, event.notes))  # one may quote the seed as the model reads it
    return event.model_copy(update={"seed": seed, "text": text, "notes": notes, "masked": masked})


async def _chatted(bot: Galvanic, send: Send, job: GenerateJob, event: Generated, **options: Any) -> None:
    # Plain text, as people talk; a link that the model made up gets no preview.
    await send(write_embeds.chatted(await _masked(bot, job, event)), suppress_embeds=True, **options)


async def _compared(bot: Galvanic, send: Send, job: CompareJob, event: Compared, **options: Any) -> None:
    blocked = await bot.guild_settings.blocklist(job.place.guild_id)
    texts = tuple(
        text.model_copy(update={"text": blocked.mask(text.text), "problem": blocked.mask(text.problem)})
        for text in event.texts
    )
    seed, notes = blocked.mask(event.seed), tuple(map(blocked.mask, event.notes))
    masked = event.masked or (seed, texts) != (event.seed, event.texts)
    event = event.model_copy(update={"seed": seed, "texts": texts, "notes": notes, "masked": masked})
    await send(embed=write_embeds.compared(job, event), view=compared_menu(job.job_id, event), **options)


async def _surprised(bot: Galvanic, send: Send, job: SurpriseJob, event: Surprised, **options: Any) -> None:
    blocked = await bot.guild_settings.blocklist(job.place.guild_id)
    event = event.model_copy(update={"notes": tuple(map(blocked.mask, event.notes))})
    picture = await bot.queue.artifact(job.job_id, SURPRISE_FILE)
    embed = write_embeds.surprised(job, event)
    if picture is None:
        embed.set_image(url=None).set_footer(text="The picture has expired: run the command again for a new one.")
        await send(embed=embed, **options)
        return
    await send(embed=embed, file=discord.File(io.BytesIO(picture), SURPRISE_FILE), **options)


def _file_name(job: GenerateJob) -> str:
    return "-".join(part.name for part in job.mix)[:60] or job.model_name
