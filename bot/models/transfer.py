"""Models as files: `model export` and `model import`."""

import io
from dataclasses import dataclass
from typing import Any

import discord

from bot.components import MODEL, Components, Press
from bot.core import Core
from bot.jobs.delivery import Delivery
from bot.models import embeds
from bot.models.registry import MOST_OWN, Registry
from bot.models.sharing import require_owner
from bot.options import decoding
from bot.responder import write_to
from bot.servers.access import Actor, Viewer, guild_of, is_admin
from bot.types import Context, Send
from bot.words import code
from galvanic.errors import UserError
from galvanic.units import MEGABYTE
from shared.events import Exported, Failed, Imported
from shared.jobs import MODEL_FILE, ExportJob, ImportJob, Place
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
        """Everyone who reads the channel can take the file."""
        require_export(model, actor)
        most = guild_of(self.core.bot, actor).filesize_limit
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
        """Let an imported model be used, and post its card.

        Raises UserError, and keeps nothing, if it learned messages that are unknown, withdrawn, or not for all there.
        """
        place, model = job.place, ModelRecord.of(event.model, Ownership.of(job))
        try:
            model = await self._checked(model, place)
        except UserError:
            await self.registry.remove(model)
            raise
        embed = embeds.imported(model, event.notes, await self.core.servers.prefix(place.guild_id))
        if model.is_private:
            await write_to(await self.core.bot.fetch_user(place.user_id), embed=embed, nonce=f"{job.job_id}-d")
            await send(f"✅ Imported. `/models` shows it to <@{place.user_id}> alone.", **options)
            return
        await send(embed=embed, view=embeds.model_buttons(model.model_id, "write", "use"), **options)

    async def _checked(self, model: ModelRecord, place: Place) -> ModelRecord:
        """Look up the readings that an imported file names, and let the model be used.

        A file whose readings were taken out of it names none; nobody can tell that. Raises UserError: one is unknown,
        words in it were withdrawn, or not everybody there can read its channel; or it is one too many.
        """
        notes = await self.registry.notes.load_all(model.file_readings)
        readings = tuple(notes[name].ref for name in model.file_readings if name in notes)
        if len(readings) < len(model.file_readings) or any(note.guild_id != place.guild_id for note in notes.values()):
            raise UserError(
                "This model learned from channels' messages that I know nothing of, so I can't tell whether it may be "
                "used.",
                "Train a new one on the channel. What was exported elsewhere can be imported only there.",
            )
        if any(note.withdrawn_at is not None for note in notes.values()):
            raise UserError(
                "Words that this model learned from were withdrawn after it was exported.",
                "Export a newer one, or train one on the channel.",
            )
        if any(ref.channel_id for ref in readings) and self.core.settings.channel_training == "off":
            raise UserError(
                "This model learned from channels' messages, and I'm not to use those, so I didn't keep it.",
                "The bot's operator decides that, with `CHANNEL_TRAINING`.",
            )
        author_id = next((ref.author_id for ref in readings if ref.author_id), 0)
        checked = {"readings": readings, "checked": True, "author_id": author_id}
        viewer = Viewer(place.guild_id, place.channel_ids, place.user_id)
        if not await self.registry.among(viewer, [model.model_copy(update=checked)]):
            raise UserError(
                "This model learned from messages that not everybody who reads this channel can read, so I didn't keep "
                "it.",
                "Import it where all readers can read them too, such as in the channel that they are from.",
            )

        def change(record: ModelRecord) -> ModelRecord:
            return record if record.checked else record.model_copy(update=checked)

        model = await self.registry.amend(model, change, numbered=True)
        if model.authors:
            await self.registry.require_few_own(place.guild_id, place.user_id, MOST_OWN)
        return model

    async def post_refusal(self, send: Send, job: ImportJob, event: Failed, **options: Any) -> None:  # noqa: ARG002
        # Names the file as it was uploaded: a worker knows it by another name.
        raise UserError(event.problem.replace(MODEL_FILE, code(job.file_name, 60)), event.remedy)

    def register(self, table: Components, delivery: Delivery) -> None:
        table.add("export", self._pressed_export, MODEL)
        delivery.present(ExportJob, self.post_export)
        delivery.present(ImportJob, self.post_import, failed=self.post_refusal)
