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
from bot.models import embeds
from bot.models.lifetime import Lifetimes
from bot.models.requests import Requests
from bot.options.checks import HOTTEST, temperature
from bot.servers.access import is_admin, visible_channels
from bot.servers.actor import Actor
from bot.types import Send
from shared.errors import UserError
from shared.events import Failed, Pictured
from shared.jobs import CARD_FILE, PictureJob
from shared.models import ModelRecord

ANSWER_WITHIN = timedelta(minutes=15)
"""How long the question about deleting can be answered: nobody should delete a model by finding an old message."""
SERVER = "server"
"""Stands for a channel's name where a model is shared with all of them."""
MOST_CHANNELS = 50
_NOBODYS = (
    "A model of messages can be used wherever everybody could have read them. To let others use it, let them read the "
    "channels that it learned from."
)


def require_owner(model: ModelRecord, who: Actor, action: str) -> None:
    """Raises UserError for all but its owner and members with Manage Server. `action`: what for, as `delete it`."""
    if model.owner_id != who.user.id and not is_admin(who.user):
        raise UserError(
            f"`{model.name}` isn't your model.",
            f"<@{model.owner_id}> can {action}, and so can members with Manage Server.",
        )


@dataclass(frozen=True)
class ModelActions(Requests):
    lifetimes: Lifetimes

    async def use(self, who: Actor, model: ModelRecord) -> None:
        """Make a model its channel's."""
        await self.require_generate(who)
        await self.registry.use(who.place.channel_id, model)

    async def temperature(self, who: Actor, typed: str | None) -> str:
        """Set the default temperature of a channel's texts, if one is given, or forget it; says what it is now."""
        prefix = await self.servers.prefix(who.guild_id)
        if typed is not None:
            await self.require_generate(who)
            remedy = f"Use a number from 0 to {HOTTEST:g}, as in `{prefix}model temperature 0.5`, or `default`."
            usual = typed.strip().lower() in ("default", "usual", "reset")
            await self.servers.choose(who.here[0], "temperature", None if usual else temperature(typed, remedy))
        chosen = (await self.servers.channel(who.here)).temperature
        default = self.settings.generate_temperature
        if chosen is None:
            return (
                f"Texts in this channel are generated at temperature {default:g}, the default. "
                f"`{prefix}model temperature 0.5` would make them more predictable, 1 more surprising."
            )
        return (
            f"Texts in this channel are generated at temperature {chosen:g}. "
            f"`{prefix}model temperature default` goes back to {default:g}."
        )

    async def page(self, who: Actor, page: int) -> dict[str, Any]:
        """One page of a channel's models, to send or to edit a message to."""
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
        """Show a model's card, drawn by a worker if one is there."""
        job = PictureJob(job_id=f"p-{who.request_id}", place=who.place, model=model.ref)
        async with self.cooldown("model", who):
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
            current=model == here.current,
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
        """Channels, buttons and trainings that use a model know it by its id. Raises UserError: the name is taken."""
        require_owner(model, who, "rename it")
        if name == model.name:
            raise UserError(f"`{model.name}` already has this name.", "Choose another one.")
        await self.registry.amend(model.model_id, lambda record: record.model_copy(update={"name": name}))

    async def question(self, who: Actor, model: ModelRecord) -> dict[str, Any]:
        """Whether a model is really to be deleted, as a message to send."""
        require_owner(model, who, "delete it")
        embed = embeds.delete_question(model, who.user.id, await self.servers.prefix(who.guild_id))
        return {"embed": embed, "view": embeds.question_buttons(model.model_id, who.user.id)}

    # ------------------------------------------------------------------ sharing

    async def share(
        self, who: Actor, model: ModelRecord, where: str
    ) -> tuple[ModelRecord, discord.abc.GuildChannel | None]:
        """Let a channel (`where`: mention, name or id) or the server use a model; the record now, and that channel.

        Raises UserError: this person may not (a model of messages nobody may, not even an admin), it may be used there
        anyway, or there is no such channel.
        """
        to = self._target(who, where)
        if model.transcripts:  # those who wrote them chose their readers
            raise UserError(f"`{model.name}` learned from channels' messages, so nobody can share it.", _NOBODYS)
        require_owner(model, who, "share it")
        if set(model.origins) - {model.channel_id} and not is_admin(who.user):
            raise UserError(
                f"`{model.name}` was trained from a model of another channel's text, which isn't yours to share.",
                "Members with Manage Server can share it.",
            )
        if model.scope == "guild":
            raise UserError(
                f"`{model.name}` learned from a public text: the whole server can already use it.",
                "Only models of uploaded texts need to be shared.",
            )

        def shared(record: ModelRecord) -> ModelRecord:
            if record.for_server or (to is not None and record.usable_in([to.id])):
                there = "in the whole server" if record.for_server else f"in <#{to.id if to else 0}>"
                raise UserError(f"`{record.name}` can already be used {there}.", "Nothing has to be done for that.")
            if to is None:
                return record.model_copy(update={"for_server": True})
            if len(record.shared_with) >= MOST_CHANNELS:
                raise UserError(
                    f"`{record.name}` is shared with {MOST_CHANNELS} channels, which is the maximum.",
                    f"Share it with the `{SERVER}`, or stop sharing it with another one first.",
                )
            return record.model_copy(update={"shared_with": (*record.shared_with, to.id)})

        return await self.registry.amend(model.model_id, shared), to

    async def unshare(self, who: Actor, model: ModelRecord, typed: str | None) -> tuple[ModelRecord, str]:
        """Stop sharing a model. A channel that has chosen it and can no longer use it has no model then.

        `typed`: a channel, or `server`; None: everything. The record now, and with whom it is no longer shared. Raises
        UserError: this person may not, or it was not shared there.
        """
        require_owner(model, who, "do that")
        if model.scope == "guild" and model.transcripts:
            raise UserError(f"`{model.name}` is not shared.", _NOBODYS)
        if model.scope == "guild":
            raise UserError(
                f"`{model.name}` learned from a public text, so it belongs to the whole server.",
                "Only models of uploaded texts can be kept to channels.",
            )
        whom = ""

        def unshared(record: ModelRecord) -> ModelRecord:
            # Works on the newest record, because somebody else may be changing it at the same time.
            nonlocal whom
            change, whom = self._unshared(who, record, typed)
            return record.model_copy(update=change)

        return await self.registry.amend(model.model_id, unshared), whom

    def _unshared(self, who: Actor, model: ModelRecord, typed: str | None) -> tuple[dict[str, Any], str]:
        """The fields to change, and with whom the model is no longer shared."""
        if not model.shared_with and not model.for_server:
            raise UserError(f"`{model.name}` is not shared.", "It can be used only where it was trained.")
        if typed is None:
            return {"shared_with": (), "for_server": False}, "everyone else"
        number = typed.strip().removeprefix("<#").removesuffix(">")
        if number.isdecimal() and int(number) in model.shared_with:
            to: int | None = int(number)  # works even if the owner no longer sees the channel, or it is gone
        else:
            channel = self._target(who, typed)
            to = channel.id if channel is not None else None
        if to is None and model.for_server:
            return {"for_server": False}, "the rest of the server"
        if to not in model.shared_with:
            where = "the whole server" if to is None else f"<#{to}>"
            others = ", ".join(f"<#{channel_id}>" for channel_id in model.shared_with[:10])
            remedy = f"It is shared with {'the whole server' if model.for_server else others}."
            raise UserError(f"`{model.name}` is not shared with {where}.", remedy)
        return {"shared_with": tuple(other for other in model.shared_with if other != to)}, f"<#{to}>"

    def _target(self, who: Actor, typed: str) -> discord.abc.GuildChannel | None:
        """The channel that was named; None: the whole server.

        Raises UserError: there is none that both the person and the bot see; a hidden one gets the same answer.
        """
        guild, word = self.guild_of(who), typed.strip()
        if word.lower().lstrip("#") in (SERVER, "everyone", "all"):
            return None
        number = word.removeprefix("<#").removesuffix(">")
        for channel in visible_channels(guild, who.user):
            if number == str(channel.id) or word.lower().removeprefix("#") == channel.name.lower():
                return channel
        if number.isdecimal() and guild.get_thread(int(number)) is not None:
            raise UserError(
                "A thread uses the models of its channel.", "Share it with the channel that the thread is in."
            )
        raise UserError(
            f"I can't find a channel `{word[:60].replace('`', '')}` that both of us can see.",
            f"Name one, such as `#general`, or `{SERVER}` for the whole server.",
        )

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
        if not await self.registry.remove(model):
            raise UserError(f"`{model.name}` was deleted a moment ago.", "There is nothing left to do.")
        await press.update(embed=embeds.deleted(model, who.user.id), view=None)

    async def pressed_no(self, press: Press) -> None:
        await press.update(embed=embeds.not_deleted(press.actor.user.id), view=None)

    def register(self, table: components.Components) -> None:
        table.add("use", self.pressed_use, components.MODEL)
        table.add("delete", self.pressed_delete, components.MODEL)
        table.add("delete-now", self.pressed_yes, f"{components.MODEL}:{components.USER}", how="update", owner=True)
        table.add("delete-not", self.pressed_no, components.USER, how="update", owner=True)
        table.add("models", self.pressed_page, r"(?P<channel>\d{1,20}):(?P<page>\d{1,4}):[<>]", how="update")
        self.delivery.present(PictureJob, Pictured, self.post_info)
        self.delivery.present(PictureJob, Failed, self.post_info)
