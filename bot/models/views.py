"""The buttons of models. Each carries what it needs in its custom id, and asks for rights when it is pressed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import discord

from bot.escape import NOBODY
from bot.models import embeds
from bot.servers.actor import Actor
from bot.types import Send
from bot.views.base import USER, ButtonItem, FromItsId, RequiresPlace, answering, replying_to
from bot.write.views import GenerateButton
from shared.errors import UserError
from shared.models import ModelRecord

if TYPE_CHECKING:
    from bot.client import Galvanic

ANSWER_WITHIN = timedelta(minutes=15)
"""How long the question about deleting can be answered: nobody should delete a model by finding an old message."""
_MODEL = r"(?P<model>[A-Za-z0-9][A-Za-z0-9_-]{0,63})"


class _ModelButton(RequiresPlace, FromItsId):
    """A button that names a model."""


class UseButton(_ModelButton, ButtonItem, template=rf"galvanic:use:{_MODEL}"):
    """Makes a model the current one of the channel where the button is."""

    def __init__(self, model_id: str) -> None:
        custom_id = f"galvanic:use:{model_id}"
        super().__init__(discord.ui.Button(label="Use here", custom_id=custom_id))
        self.model_id = model_id

    async def callback(self, interaction: discord.Interaction) -> None:
        """Use it here, if this person may."""

        async def use(bot: Galvanic, who: Actor, send: Send) -> None:
            model = await bot.registry.by_id(who.guild_id, who.here, self.model_id)
            await bot.model_actions.use(who, model)
            await send(f"<@{who.user.id}> made `{model.name}` this channel's model.")

        await replying_to(interaction, "use button", use)


class ExportButton(_ModelButton, ButtonItem, template=rf"galvanic:export:{_MODEL}"):
    """Posts a model as a file; for its owner and members with Manage Server."""

    def __init__(self, model_id: str) -> None:
        super().__init__(discord.ui.Button(label="Export", custom_id=f"galvanic:export:{model_id}"))
        self.model_id = model_id

    async def callback(self, interaction: discord.Interaction) -> None:
        """Export it, if this person may."""

        async def export(bot: Galvanic, who: Actor, send: Send) -> None:
            model = await bot.registry.by_id(who.guild_id, who.here, self.model_id)
            await bot.model_actions.export(who, model, send)

        await replying_to(interaction, "export button", export)


class DeleteButton(_ModelButton, ButtonItem, template=rf"galvanic:delete:{_MODEL}"):
    """Asks whether a model is to be deleted; for its owner and members with Manage Server."""

    def __init__(self, model_id: str) -> None:
        custom_id = f"galvanic:delete:{model_id}"
        super().__init__(discord.ui.Button(label="Delete…", style=discord.ButtonStyle.danger, custom_id=custom_id))
        self.model_id = model_id

    async def callback(self, interaction: discord.Interaction) -> None:
        """Ask, if this person may delete it."""

        async def ask(bot: Galvanic, who: Actor, send: Send) -> None:
            model = await bot.registry.by_id(who.guild_id, who.here, self.model_id)
            await send(**await bot.model_actions.question(who, model))

        await replying_to(interaction, "delete button", ask)


class ConfirmButton(_ModelButton, ButtonItem, template=rf"galvanic:delete-now:{_MODEL}:{USER}"):
    """Deletes a model; only for the person who was asked."""

    def __init__(self, model_id: str, user_id: str) -> None:
        custom_id = f"galvanic:delete-now:{model_id}:{user_id}"
        super().__init__(discord.ui.Button(label="Delete it", style=discord.ButtonStyle.danger, custom_id=custom_id))
        self.model_id = model_id
        self.user_id = int(user_id)

    async def callback(self, interaction: discord.Interaction) -> None:
        """Delete it, if this person was asked, in time, and still may."""
        async with answering(interaction, "delete confirmation", update=True) as bot:
            who = Actor.of_interaction(interaction)
            require_asked(self.user_id, interaction)
            await _require_in_time(bot, interaction)
            model = await bot.registry.by_id(who.guild_id, who.here, self.model_id)
            await bot.model_actions.delete(who, model)
            await interaction.edit_original_response(
                embed=embeds.deleted(model, who.user.id), view=None, allowed_mentions=NOBODY
            )


class KeepButton(_ModelButton, ButtonItem, template=rf"galvanic:delete-not:{USER}"):
    """Answers the question about deleting with No; only for the person who was asked."""

    def __init__(self, user_id: str) -> None:
        super().__init__(discord.ui.Button(label="Keep it", custom_id=f"galvanic:delete-not:{user_id}"))
        self.user_id = int(user_id)

    async def callback(self, interaction: discord.Interaction) -> None:
        """Take the question away."""
        async with answering(interaction, "delete refusal", update=True):
            require_asked(self.user_id, interaction)
            await interaction.edit_original_response(
                embed=embeds.not_deleted(interaction.user.id), view=None, allowed_mentions=NOBODY
            )


class PageButton(_ModelButton, ButtonItem, template=r"galvanic:models:(?P<channel>\d{1,20}):(?P<page>\d{1,4}):[<>]"):
    """Shows another page of a channel's list of models, as the list is now."""

    def __init__(self, channel_id: str, page: str, *, back: bool = False, disabled: bool = False) -> None:
        custom_id = f"galvanic:models:{channel_id}:{page}:{'<' if back else '>'}"
        label = "Previous" if back else "Next"
        super().__init__(discord.ui.Button(label=label, custom_id=custom_id, disabled=disabled))
        self.channel_id = int(channel_id)
        self.page = int(page)

    async def callback(self, interaction: discord.Interaction) -> None:
        """Show the page, of what may be used here now."""
        async with answering(interaction, "page button", update=True) as bot:
            who = Actor.of_interaction(interaction)
            if who.here[0] != self.channel_id:
                prefix = await bot.guild_settings.prefix(who.guild_id)
                raise UserError("This list belongs to another channel.", f"`{prefix}models` lists this channel's.")
            await interaction.edit_original_response(**await list_page(bot, who, self.page), allowed_mentions=NOBODY)


async def list_page(bot: Galvanic, who: Actor, page: int) -> dict[str, Any]:
    """One page of the models that may be used in a channel, to send or to edit a message to.

    Raises:
        UserError: there is none.
    """
    here = await bot.registry.channel_models(who.guild_id, who.here)
    prefix = await bot.guild_settings.prefix(who.guild_id)
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
        "view": _page_buttons(who.here[0], page, last),
    }


def info_buttons(model_id: str) -> discord.ui.View:
    """What can be done with a model, below its card."""
    return _view(GenerateButton(model_id), UseButton(model_id), ExportButton(model_id), DeleteButton(model_id))


def imported_buttons(model_id: str) -> discord.ui.View:
    """What one may want to do next with a model that was imported."""
    return _view(GenerateButton(model_id), UseButton(model_id))


def question_buttons(model: ModelRecord, user_id: int) -> discord.ui.View:
    """The buttons Yes and No of the question about deleting."""
    return _view(ConfirmButton(model.model_id, str(user_id)), KeepButton(str(user_id)))


def require_asked(user_id: int, interaction: discord.Interaction) -> None:
    """Refuse everybody but the person who asked for the deletion.

    Raises:
        UserError: it is somebody else.
    """
    if interaction.user.id != user_id:
        raise UserError("This question is for somebody else.", f"Only <@{user_id}> can answer it.")


def in_time(asked: datetime, now: datetime) -> bool:
    """Whether a question asked at `asked` can still be answered at `now`."""
    return now - asked <= ANSWER_WITHIN


async def _require_in_time(bot: Galvanic, interaction: discord.Interaction) -> None:
    if interaction.message is None or in_time(interaction.message.created_at, discord.utils.utcnow()):
        return
    await interaction.edit_original_response(view=None, allowed_mentions=NOBODY)
    prefix = await bot.guild_settings.prefix(interaction.guild_id)
    raise UserError(
        "This question is older than 15 minutes, so nothing was deleted.", f"Ask again: `{prefix}model delete NAME`."
    )


def _page_buttons(channel_id: int, page: int, last: int) -> discord.ui.View | None:
    if last == 0:
        return None
    return _view(
        PageButton(str(channel_id), str(max(0, page - 1)), back=True, disabled=page == 0),
        PageButton(str(channel_id), str(min(last, page + 1)), disabled=page == last),
    )


def _view(*items: Any) -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    for item in items:
        view.add_item(item)
    return view
