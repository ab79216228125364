"""Puts the answer to a job into a channel: one presenter for each kind of answer."""

from __future__ import annotations

import functools
import io
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import discord
import structlog

from bot import failures, words
from bot.answers.models import post_export, post_import, post_info, post_refusal
from bot.answers.problems import post_error
from bot.types import Send
from bot.write import embeds as write_embeds
from bot.write.views import compared_menu, written_buttons
from shared.errors import UserError
from shared.events import Compared, Event, Exported, Failed, Generated, Imported, Pictured, Surprised
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

log = structlog.get_logger()


def register(bot: Galvanic) -> None:
    """Have delivery post each kind of answer."""
    delivery = bot.delivery

    def guarded(present: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def post(send: Send, job: Asked, event: Event, **options: Any) -> None:
            if await _may_be_shown(bot, job):
                await present(bot, send, job, event, **options)
                return
            # Its place may have been opened to others since it was asked for, above all when it comes late.
            await post_error(send, _withheld(await bot.guild_settings.prefix(job.place.guild_id)), **options)

        return post

    delivery.present(GenerateJob, Generated, guarded(_written))
    delivery.present(CompareJob, Compared, guarded(_compared))
    delivery.present(SurpriseJob, Surprised, guarded(_surprised))
    delivery.present(ExportJob, Exported, guarded(post_export), slow=True)  # a model's file takes as long as it takes
    # These ask themselves what may be shown: they have more to say.
    for end in (Pictured, Failed):
        delivery.present(PictureJob, end, functools.partial(post_info, bot))
    delivery.present(ImportJob, Imported, functools.partial(post_import, bot))
    delivery.present(ImportJob, Failed, post_refusal)


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
        case PictureJob() | ImportJob():
            return set()


def _withheld(prefix: str) -> UserError:
    return UserError(
        "I can't post this here: its model was deleted in the meantime, or may no longer be used in this channel.",
        f"`{prefix}models` lists those that may.",
    )


async def _written(bot: Galvanic, send: Send, job: GenerateJob, event: Generated, **options: Any) -> None:
    await (_chatted if job.shown == 0 else _generated)(bot, send, job, event, **options)


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
        said = f"The rest would be a file, and {words.NO_FILES}"
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
