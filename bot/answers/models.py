"""Puts what a worker answered about a model into the channel: its card, its file, and that it was imported."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import discord

from bot import cards
from bot.answers.problems import post_error
from bot.models import embeds as model_embeds
from bot.models.views import imported_buttons, info_buttons
from bot.types import Send
from shared.errors import UserError
from shared.events import Event, Exported, Failed, Imported, Pictured
from shared.jobs import CARD_FILE, MODEL_FILE, ExportJob, ImportJob, PictureJob

if TYPE_CHECKING:
    from bot.client import Galvanic

_GONE = UserError("This model was deleted or moved in the meantime.", "The command `models` lists those that are here.")
_SWITCHED_OFF = UserError(
    "This model learned from channels' messages, and I'm not to use those, so I didn't keep it.",
    "The bot's operator decides that, with `CHANNEL_TRAINING`.",
)
_WITHDRAWN = UserError(
    "Words that this model learned from were withdrawn in the meantime, so I don't hand it out any more.",
    "It will be made again without them, or deleted; a new one can be exported.",
)
_NOT_HERE = UserError(
    "This model learned from messages that not everybody who reads this channel can read, so I didn't keep it.",
    "Import it where all readers can read them too, such as in the channel that they are from.",
)


async def post_info(bot: Galvanic, send: Send, job: PictureJob, event: Event | None, **options: Any) -> None:
    """Show a model's card. What the registry knows is shown even when no picture came.

    Args:
        bot: the bot.
        send: a `send` of discord.py's; `options` are passed on to it.
        job: what was asked for.
        event: how it ended, None when no worker answered.
        options: see `send`.
    """
    place = job.place
    found = await bot.registry.by_ids(place.guild_id, place.channel_ids, [job.model.model_id])
    if not found:
        await post_error(send, _GONE, **options)
        return
    model = found[0]
    here = await bot.registry.channel_models(place.guild_id, place.channel_ids)
    picture = await bot.queue.artifact(job.job_id, CARD_FILE) if isinstance(event, Pictured) else None
    missing = event.problem if isinstance(event, Failed) else "No worker drew one in time."
    embed = model_embeds.model_info(
        model,
        current=here.current is not None and here.current.model_id == model.model_id,
        prefix=await bot.guild_settings.prefix(place.guild_id),
        facts=event.facts if isinstance(event, Pictured) else (),
        no_picture=None if picture is not None else missing,
        gone_by=await bot.upkeep.gone_by(model),
        expires=bot.upkeep.expires(model),
    )
    files = [] if picture is None else [discord.File(io.BytesIO(picture), CARD_FILE)]
    await send(embed=embed, files=files, view=info_buttons(model.model_id), **options)


async def post_export(bot: Galvanic, send: Send, job: ExportJob, event: Exported, **options: Any) -> None:
    """Hand over a model as a file; arguments as of `post_info`."""
    data = await bot.queue.artifact(job.job_id, MODEL_FILE, job.most_bytes)
    if data is None:
        await post_error(send, UserError("The file has expired.", "Run the command again."), **options)
        return
    prefix = await bot.guild_settings.prefix(job.place.guild_id)
    model = await bot.registry.record(job.model.model_id)
    refs = model.transcripts if model is not None else ()
    if model is None or model.is_stale(await bot.transcripts.revisions([ref.transcript_id for ref in refs])):
        await post_error(send, _WITHDRAWN, **options)
        return
    said = model_embeds.exported(job.model.name, event.size, prefix, messages=bool(refs))
    await send(said, file=discord.File(io.BytesIO(data), f"{job.model.name}.galvanic"), **options)


async def post_import(bot: Galvanic, send: Send, job: ImportJob, event: Imported, **options: Any) -> None:
    """Tell of a model that was imported; arguments as of `post_info`."""
    place = job.place
    if event.model.transcripts and not bot.audience.allows(place.guild_id, place.channel_ids, event.model):
        await bot.model_actions.drop(event.model)
        bot.dispatch("model_removed")
        off = bot.settings.channel_training == "off"
        await post_error(send, _SWITCHED_OFF if off else _NOT_HERE, **options)
        return
    prefix = await bot.guild_settings.prefix(place.guild_id)
    current = await bot.guild_settings.channel([place.channel_id])
    embed = model_embeds.imported(event.model, event.notes, prefix, current=current.model == event.model.model_id)
    await send(embed=embed, view=imported_buttons(event.model.model_id), **options)


async def post_refusal(send: Send, job: ImportJob, event: Failed, **options: Any) -> None:
    """Tell why a file was not imported; arguments as of `post_info`."""
    await post_error(send, refusal(job, UserError(event.problem, event.remedy)), **options)


def refusal(job: ImportJob, problem: UserError) -> UserError:
    """Why a file was not imported, under the name that it was uploaded with: a worker knows another."""
    return UserError(problem.problem.replace(MODEL_FILE, cards.code(job.file_name, 60)), problem.remedy)
