"""Models as files: `model export` and `model import`."""

import io
from dataclasses import dataclass
from typing import Any

import discord

from bot.components import MODEL, Components, Press
from bot.core import Core
from bot.jobs.delivery import Delivery
from bot.models import embeds
from bot.models.registry import Registry
from bot.models.sharing import require_owner
from bot.options import decoding
from bot.servers.access import Actor, Viewer, guild_of, is_admin
from bot.types import Context, Send
from bot.words import code
from galvanic.errors import UserError
from galvanic.units import MEGABYTE
from shared.events import Exported, Failed, Imported
from shared.jobs import MODEL_FILE, ExportJob, ImportJob
from shared.models import ModelRecord, Ownership


def require_export(model: ModelRecord, actor: Actor) -> None:
    """Refuse an export that is not theirs, or not here. Raises UserError.

    What was learned from a text stays where it was shown. A model of members' messages is not its owner's alone: only
    admins let it out of the bot's reach. A model of one member's alone is theirs, also once they share it.
    """
    if model.authors != {actor.user.id} and model.readings and (model.authors or not is_admin(actor.user)):
        raise UserError(
            f"`{model.name}` learned from members' messages, and a file of it is beyond my reach.",
            f"Only {'its owner' if model.authors else 'members with Manage Server'} can export it.",
        )
    require_owner(model, actor, "export it")
    if set(model.origins) <= set(actor.here):
        return
    if len(model.origins) > 1:
        raise UserError(
            f"`{model.name}` learned from texts of several channels, so its file can't be posted in any of them.",
            "A model of one of these texts can be exported in that text's channel.",
        )
    (origin,) = model.origins
    where = f"Export it in <#{origin}>."
    if origin != model.channel_id:
        where = f"The model it was trained from can be exported in <#{origin}>."
    raise UserError(f"`{model.name}` learned from a text of another channel, so it can be exported only there.", where)


@dataclass(eq=False, repr=False)
class Transfer:
    """Exports models as files, and imports such files."""

    core: Core
    registry: Registry

    async def export(self, ctx: Context, name: str | None, *, page: bool) -> None:
        """Post a model as a file: the one of this name, or (None) the channel's. `page`: one that writes by itself."""

        async def build(actor: Actor) -> ExportJob:
            return self._export_job(actor, await self.registry.choose(actor.viewer, name), page=page)

        await self.core.requests.command(ctx, build, may=None, cooldown="model")

    async def _pressed_export(self, press: Press) -> None:
        async def build(actor: Actor) -> ExportJob:
            return self._export_job(actor, await self.registry.by_id(actor.viewer, press["model"]))

        await self.core.requests.press(press, build, may=None, cooldown="model")

    def _export_job(self, actor: Actor, model: ModelRecord, *, page: bool = False) -> ExportJob:
        """Return the export job. Everyone who reads the channel can take the file, so `require_export` comes first."""
        require_export(model, actor)
        most = guild_of(self.core.bot, actor.guild_id).filesize_limit
        return ExportJob(**actor.asks(ExportJob), model=model.ref, most_bytes=most, page=page)

    async def post_export(self, send: Send, job: ExportJob, event: Exported, **options: Any) -> None:
        """Post the file. Raises UserError if it can't be used there by now, or learned words that were withdrawn."""
        (model,) = await self.registry.require_may_use(job.place, [job.model.model_id])
        data = await self.core.jobs.artifact(job.job_id, MODEL_FILE, job.most_bytes)
        if data is None:
            raise UserError("The file has expired.", "Run the command again.")
        if await self.registry.is_withdrawn(model.readings):
            raise UserError(
                "Words that this model learned from were withdrawn in the meantime, so I don't hand it out any more.",
                "It will be made again without them, or deleted; a new one can be exported.",
            )
        prefix = await self.core.servers.prefix(job.place.guild_id)
        notice = embeds.exported(job, event.size, prefix, messages=bool(model.readings))
        ending = "html" if job.page else "safetensors"
        await send(notice, file=discord.File(io.BytesIO(data), f"{job.model.name}.{ending}"), **options)
        await self.core.jobs.drop_artifact(job.job_id, MODEL_FILE)  # a large one, in the Redis of all servers

    async def import_file(self, ctx: Context, file: discord.Attachment, name: str | None) -> None:
        """Have an exported model checked and entered, if this person may train here and it fits the server's quota."""
        most = self.core.settings.import_max_mb
        if file.size > most * MEGABYTE:
            raise UserError(
                f"That file is {file.size / MEGABYTE:,.1f} MB; I take model files up to {most:g} MB.",
                "The bot's operator can raise `IMPORT_MAX_MB`.",
            )
        files: dict[str, bytes] = {}

        async def build(actor: Actor) -> ImportJob:
            files[MODEL_FILE] = await decoding.read_file(file)
            room = int(MEGABYTE * self.core.servers.quotas(await self.core.servers.get(actor.guild_id)).disk_mb)
            return ImportJob(**actor.asks(ImportJob), file_name=file.filename, name=name, disk_bytes=room)

        await self.core.requests.command(ctx, build, may="train", cooldown="train", files=files)

    async def post_import(self, send: Send, job: ImportJob, event: Imported, **options: Any) -> None:
        """Post an imported model's card. Raises UserError if it can't be used there by now."""
        place = job.place
        if event.model.file_readings:  # a worker of 1.0.0 entered it, and nobody may use it
            await self.registry.remove(ModelRecord.of(event.model, Ownership.of(job)))
        model = await self.registry.by_id(Viewer(place.guild_id, place.channel_ids), event.model.model_id)
        embed = embeds.imported(model, event.notes, await self.core.servers.prefix(place.guild_id))
        await send(embed=embed, view=embeds.model_buttons(model.model_id, "write", "use"), **options)

    async def post_refusal(self, send: Send, job: ImportJob, event: Failed, **options: Any) -> None:  # noqa: ARG002
        # Names the file as it was uploaded: a worker knows it by another name.
        raise UserError(event.problem.replace(MODEL_FILE, code(job.file_name, 60)), event.remedy)

    def register(self, table: Components, delivery: Delivery) -> None:
        table.add("export", self._pressed_export, MODEL)
        delivery.present(ExportJob, self.post_export)
        delivery.present(ImportJob, self.post_import, failed=self.post_refusal)
