"""Models as files: `model export` and `model import`."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import discord

from bot import components
from bot.components import Press
from bot.errors import AlreadyReported
from bot.escape import code
from bot.jobs.client import JobClient
from bot.jobs.delivery import Delivery
from bot.models import embeds
from bot.models.access import guild_of, require_export
from bot.models.audience import Audience
from bot.models.lifetime import Lifetimes
from bot.models.registry import Registry
from bot.models.removal import Removal
from bot.options import attached
from bot.servers.access import Access
from bot.servers.actor import Actor
from bot.servers.cooldowns import Cooldowns
from bot.servers.settings import GuildSettingsStore
from bot.types import Send
from shared.errors import UserError
from shared.events import Exported, Failed, Imported
from shared.jobs import MODEL_FILE, ExportJob, ImportJob
from shared.models import ModelRecord
from shared.settings import Settings
from shared.units import MEGABYTE

_LISTED = 10
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


@dataclass(frozen=True)
class Transfer:
    client: discord.Client
    settings: Settings
    servers: GuildSettingsStore
    access: Access
    cooldowns: Cooldowns
    queue: JobClient
    delivery: Delivery
    registry: Registry
    audience: Audience
    lifetimes: Lifetimes
    removal: Removal

    async def export(self, who: Actor, model: ModelRecord, send: Send, **options: Any) -> None:
        """Post a model as a file. Everyone who reads the channel can take it.

        Raises UserError: this person may not, or not here; or no worker is there.
        """
        require_export(model, who)
        most = guild_of(self.client, who).filesize_limit
        job = ExportJob(job_id=f"x-{who.request_id}", place=who.place, model=model.ref, most_bytes=most)
        wait = self.settings.generate_cooldown_s
        async with self.cooldowns.spend("model", who.guild_id, who.user.id, wait, request=who.request_id):
            await self.delivery.ask(job, send, **options)

    async def exportable(self, who: Actor) -> ModelRecord:
        """The only model they may export here. Raises UserError: there is none, or several, which it lists."""
        models = []
        for model in await self.registry.usable(who.guild_id, who.here):
            try:
                require_export(model, who)
            except UserError:
                continue
            models.append(model)
        if len(models) == 1:
            return models[0]
        prefix = await self.servers.prefix(who.guild_id)
        if not models:
            raise UserError(
                "There is no model here that you may export.",
                f"A model's owner and members with Manage Server can; `{prefix}model info NAME` names the owner.",
            )
        lines = [f"`{prefix}model export {model.name}`" for model in models[:_LISTED]]
        more = [f"`{prefix}models` lists all."] if len(models) > _LISTED else []
        raise UserError(
            f"You may export {len(models)} models here.", "\n".join(["Type which one you mean:", *lines, *more])
        )

    async def post_export(self, send: Send, job: ExportJob, event: Exported, **options: Any) -> None:
        """Raises UserError: it can't be used there by now, or learned words that were withdrawn."""
        (model,) = await self.registry.require_usable(job.place, [job.model.model_id])
        data = await self.queue.artifact(job.job_id, MODEL_FILE, job.most_bytes)
        if data is None:
            raise UserError("The file has expired.", "Run the command again.")
        if await self.lifetimes.is_stale(model):
            raise _WITHDRAWN
        prefix = await self.servers.prefix(job.place.guild_id)
        said = embeds.exported(job.model.name, event.size, prefix, messages=bool(model.transcripts))
        await send(said, file=discord.File(io.BytesIO(data), f"{job.model.name}.safetensors"), **options)

    async def pressed_export(self, press: Press) -> None:
        who = press.actor
        await self.export(who, await self.registry.by_id(who.guild_id, who.here, press["model"]), press.send)

    async def import_file(
        self, who: Actor, file: discord.Attachment, name: str | None, send: Send, **options: Any
    ) -> None:
        """Have an exported model checked and entered.

        Raises UserError: this person may not train here, or the file is too large for me or for the server's disk
        space.
        """
        await self.access.require("train", who.user, who.channel)
        most = self.settings.import_max_mb
        if file.size > most * MEGABYTE:
            raise UserError(
                f"That file is {file.size / MEGABYTE:,.1f} MB; I take model files up to {most:g} MB.",
                "The bot's operator can raise `IMPORT_MAX_MB`.",
            )
        await self.delivery.require_writer()
        disk_bytes = await self._require_disk_space(who.guild_id, file.size)
        wait = self.settings.train_cooldown_s
        async with self.cooldowns.spend("train", who.guild_id, who.user.id, wait, request=who.request_id):
            data = await attached.read(file)
            job = ImportJob(
                job_id=f"i-{who.request_id}",
                place=who.place,
                file_name=file.filename,
                name=name,
                disk_bytes=disk_bytes,
            )
            try:
                await self.delivery.ask(job, send, files={MODEL_FILE: data}, **options)
            except AlreadyReported:
                raise
            except UserError as error:
                raise refusal(job, error) from error

    async def _require_disk_space(self, guild_id: int, more_bytes: int) -> int:
        """Bytes that all the server's models may take. Raises UserError: this one would take more."""
        most = self.servers.disk_mb(await self.servers.get(guild_id))
        taken, more = await self.registry.stored_bytes(guild_id) / MEGABYTE, more_bytes / MEGABYTE
        if taken + more > most:
            raise UserError(
                f"This server's models take {taken:,.1f} of {most:,.0f} MB, and this one would add {more:,.1f} MB.",
                f"Make room with `{await self.servers.prefix(guild_id)}model delete NAME`, or ask a server admin.",
            )
        return int(most * MEGABYTE)

    async def post_import(self, send: Send, job: ImportJob, event: Imported, **options: Any) -> None:
        """Raises UserError: it learned from messages that not everybody there can read, and was not kept."""
        place, model = job.place, event.model
        if not self.audience.allows(place.guild_id, place.channel_ids, model):
            await self.removal.drop(model)
            raise _SWITCHED_OFF if self.settings.channel_training == "off" else _NOT_HERE
        prefix = await self.servers.prefix(place.guild_id)
        current = await self.servers.channel([place.channel_id])
        embed = embeds.imported(model, event.notes, prefix, current=current.model == model.model_id)
        await send(embed=embed, view=embeds.model_buttons(model.model_id, "write", "use"), **options)

    async def post_refusal(self, send: Send, job: ImportJob, event: Failed, **options: Any) -> None:  # noqa: ARG002
        raise refusal(job, UserError(event.problem, event.remedy))

    def register(self, table: components.Components) -> None:
        table.add("export", self.pressed_export, components.MODEL)
        self.delivery.present(ExportJob, Exported, self.post_export, slow=True)
        self.delivery.present(ImportJob, Imported, self.post_import)
        self.delivery.present(ImportJob, Failed, self.post_refusal)


def refusal(job: ImportJob, problem: UserError) -> UserError:
    """Names the file as it was uploaded: a worker knows it by another name."""
    return UserError(problem.problem.replace(MODEL_FILE, code(job.file_name, 60)), problem.remedy)
