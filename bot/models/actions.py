"""What people do with models, by commands and buttons: rights are asked each time."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import discord

from bot import components
from bot.components import Press
from bot.errors import AlreadyReported
from bot.jobs.client import JobClient
from bot.jobs.delivery import Delivery
from bot.models import embeds
from bot.models.access import require_owner
from bot.models.lifetime import Lifetimes
from bot.models.registry import Registry
from bot.models.removal import Removal
from bot.servers.access import Access
from bot.servers.actor import Actor
from bot.servers.cooldowns import Cooldowns
from bot.servers.settings import GuildSettingsStore
from bot.types import Send
from shared.errors import UserError
from shared.events import Failed, Pictured
from shared.jobs import CARD_FILE, PictureJob
from shared.models import ModelRecord
from shared.settings import Settings

ANSWER_WITHIN = timedelta(minutes=15)
"""How long the question about deleting can be answered: nobody should delete a model by finding an old message."""


@dataclass(frozen=True)
class ModelActions:
    settings: Settings
    servers: GuildSettingsStore
    access: Access
    cooldowns: Cooldowns
    queue: JobClient
    delivery: Delivery
    registry: Registry
    lifetimes: Lifetimes
    removal: Removal

    async def use(self, who: Actor, model: ModelRecord) -> None:
        """Raises UserError: this person may not generate texts there."""
        await self.access.require("generate", who.user, who.channel)
        await self.registry.use(who.place.channel_id, model)

    async def page(self, who: Actor, page: int) -> dict[str, Any]:
        """One page of a channel's models, to send or to edit a message to. Raises UserError: there is none."""
        here = await self.registry.channel_models(who.guild_id, who.here)
        prefix = await self.servers.prefix(who.guild_id)
        if not here.models:
            raise UserError(
                "There is no model here yet.",
                f"Train one: `{prefix}train frankenstein`, or attach a `.txt` file to `{prefix}train`. "
                f"`{prefix}model import` imports one that was exported.",
            )
        last = embeds.pages(here.models) - 1
        page = min(page, last)
        return {
            "embed": embeds.model_list(here.models, here.current, who.here, page, prefix),
            "view": embeds.page_buttons(who.here[0], page, last),
        }

    async def show_info(self, who: Actor, model: ModelRecord, send: Send, **options: Any) -> None:
        """Show a model's card, drawn by a worker if one is there. Raises UserError: they asked a moment ago."""
        job = PictureJob(job_id=f"p-{who.request_id}", place=who.place, model=model.ref)
        wait = self.settings.generate_cooldown_s
        async with self.cooldowns.spend("model", who.guild_id, who.user.id, wait, request=who.request_id):
            try:
                await self.delivery.ask(job, send, **options)
            except AlreadyReported:  # the card is there, and says why it has no picture
                return
            except UserError as error:
                await self.post_info(send, job, Failed(problem=error.problem, remedy=error.remedy), **options)

    async def post_info(self, send: Send, job: PictureJob, event: Pictured | Failed, **options: Any) -> None:
        """Show a model's card, even when no picture came. Raises UserError: it can't be used there by now."""
        place = job.place
        here = await self.registry.channel_models(place.guild_id, place.channel_ids)
        model = next((model for model in here.models if model.model_id == job.model.model_id), None)
        if model is None:
            raise UserError(
                "This model was deleted or moved in the meantime.", "The command `models` lists those that are here."
            )
        picture = await self.queue.artifact(job.job_id, CARD_FILE) if isinstance(event, Pictured) else None
        missing = event.problem if isinstance(event, Failed) else "No worker drew one in time."
        embed = embeds.model_info(
            model,
            current=here.current is not None and here.current.model_id == model.model_id,
            prefix=await self.servers.prefix(place.guild_id),
            facts=event.facts if isinstance(event, Pictured) else (),
            no_picture=None if picture is not None else missing,
            gone_by=await self.lifetimes.gone_by(model),
            expires=self.lifetimes.expires(model),
        )
        files = [] if picture is None else [discord.File(io.BytesIO(picture), CARD_FILE)]
        view = embeds.model_buttons(model.model_id, "write", "use", "export", "delete")
        await send(embed=embed, files=files, view=view, **options)

    async def rename(self, who: Actor, model: ModelRecord, name: str) -> None:
        """Channels, buttons and trainings that use a model know it by its id.

        Raises UserError: this person may not, or the name is taken.
        """
        require_owner(model, who, "rename it")
        if name == model.name:
            raise UserError(f"`{model.name}` already has this name.", "Choose another one.")
        await self.registry.amend(model.model_id, lambda record: record.model_copy(update={"name": name}))

    async def question(self, who: Actor, model: ModelRecord) -> dict[str, Any]:
        """Whether a model is really to be deleted, as a message to send. Raises UserError: they may not."""
        require_owner(model, who, "delete it")
        embed = embeds.delete_question(model, who.user.id, await self.servers.prefix(who.guild_id))
        return {"embed": embed, "view": embeds.question_buttons(model.model_id, who.user.id)}

    # ------------------------------------------------------------------ buttons

    async def pressed_use(self, press: Press) -> None:
        who, model = await self.pressed(press)
        await self.use(who, model)
        await press.send(f"<@{who.user.id}> made `{model.name}` this channel's model.")

    async def pressed_page(self, press: Press) -> None:
        if press.actor.here[0] != int(press["channel"]):
            prefix = await self.servers.prefix(press.actor.guild_id)
            raise UserError("This list belongs to another channel.", f"`{prefix}models` lists this channel's.")
        await press.update(**await self.page(press.actor, int(press["page"])))

    async def pressed_delete(self, press: Press) -> None:
        await press.send(**await self.question(*await self.pressed(press)))

    async def pressed_yes(self, press: Press) -> None:
        message = press.interaction.message
        if message is not None and discord.utils.utcnow() - message.created_at > ANSWER_WITHIN:
            await press.update(view=None)
            prefix = await self.servers.prefix(press.interaction.guild_id)
            raise UserError(
                "This question is older than 15 minutes, so nothing was deleted.",
                f"Ask again: `{prefix}model delete NAME`.",
            )
        who, model = await self.pressed(press)
        require_owner(model, who, "delete it")
        if not await self.removal.drop(model):
            raise UserError(f"`{model.name}` was deleted a moment ago.", "There is nothing left to do.")
        await press.update(embed=embeds.deleted(model, who.user.id), view=None)

    async def pressed_no(self, press: Press) -> None:
        await press.update(embed=embeds.not_deleted(press.actor.user.id), view=None)

    async def pressed(self, press: Press) -> tuple[Actor, ModelRecord]:
        """Raises UserError: the button's model can't be used there any more."""
        who = press.actor
        return who, await self.registry.by_id(who.guild_id, who.here, press["model"])

    def register(self, table: components.Components) -> None:
        table.add("use", self.pressed_use, components.MODEL)
        table.add("delete", self.pressed_delete, components.MODEL)
        table.add("delete-now", self.pressed_yes, f"{components.MODEL}:{components.USER}", how="update", owner=True)
        table.add("delete-not", self.pressed_no, components.USER, how="update", owner=True)
        table.add("models", self.pressed_page, r"(?P<channel>\d{1,20}):(?P<page>\d{1,4}):[<>]", how="update")
        self.delivery.present(PictureJob, Pictured, self.post_info)
        self.delivery.present(PictureJob, Failed, self.post_info)
