"""What all buttons, menus and forms share: they answer in time, and tell the person of every failure."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import discord

from bot.responder import acknowledge
from bot.servers import access
from bot.servers.actor import Actor
from bot.types import Send
from shared.errors import UserError

if TYPE_CHECKING:
    from bot.client import Galvanic

ButtonItem = discord.ui.DynamicItem[discord.ui.Button[discord.ui.View]]
"""What a button is made of that works after a restart: all that it needs stands in its custom id."""
USER = r"(?P<user>\d{1,20})"
"""Of a custom id's template: whom the control is for."""
FORM_S = 3_600
"""How long a form may stay open. Discord does not tell when somebody closes one: it would be kept for ever."""


class KeepsTyped(discord.ui.Modal):
    """A form that can be opened again with what was typed, when something was wrong with that (`answering`)."""

    _again: Callable[[], Self]

    def __new__(cls, *args: Any, **options: Any) -> Self:
        """Remember what the form was made of."""
        made = super().__new__(cls)
        made._again = functools.partial(cls, *args, **options)
        return made

    def __init__(self, *, title: str) -> None:
        super().__init__(title=title, timeout=FORM_S)

    def _filled(self) -> Self:
        form = self._again()
        for typed, field in zip(self._fields(), form._fields(), strict=True):
            field.default = typed.value
        return form

    def _fields(self) -> list[discord.ui.TextInput[Any]]:
        return [item for item in self.walk_children() if isinstance(item, discord.ui.TextInput)]

    def way_back(self) -> discord.ui.View:
        """A button that opens it again."""
        button: discord.ui.Button[Any] = discord.ui.Button(label="Back to the form")

        async def reopen(interaction: discord.Interaction) -> None:
            async with answering(interaction, "back to the form", defer=False):
                await interaction.response.send_modal(self._filled())

        button.callback = reopen  # type: ignore[method-assign]
        return discord.ui.View(timeout=FORM_S).add_item(button)


@asynccontextmanager
async def answering(
    interaction: discord.Interaction,
    doing: str,
    *,
    public: bool = False,
    defer: bool = True,
    update: bool = False,
    form: KeepsTyped | None = None,
) -> AsyncIterator[Galvanic]:
    """Acknowledge an interaction at once and, should the work within fail, tell the person why.

    Args:
        interaction: the press of a button, a choice, a form that was sent.
        doing: its name, for the log.
        public: the answer is for the whole channel. Errors are only for the person, all the same.
        defer: acknowledge now: Redis may take longer than Discord's 3 s. False: the work answers, with a form.
        update: the message that carries the control is going to change, with `interaction.edit_original_response`;
            nothing is posted for it.
        form: the form that was sent: a refusal comes with a button that opens it again, with what was typed.

    Yields:
        The bot. Answers go through `interaction.followup`.
    """
    if update:
        await acknowledge(interaction)
    elif defer:
        await acknowledge(interaction, ephemeral=not public, thinking=True)
    bot = cast("Galvanic", interaction.client)
    async with bot.responder.answering(interaction, doing, way_back=form.way_back if form is not None else None):
        yield bot


def chosen(values: Sequence[str]) -> str:
    """What was chosen in a menu of which one thing is chosen.

    Raises:
        UserError: nothing, or more: a menu of another version, or no menu of Discord's own client.
    """
    if len(values) != 1:
        raise UserError("I can't tell what you chose in this menu.", "Choose one thing, or run the command again.")
    return values[0]


class FromItsId:
    """For controls that are told by their custom id alone: the groups of its template are what they are made of."""

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction, _item: discord.ui.Item[Any], match: re.Match[str]
    ) -> Self:
        """Make the control again from a message that an earlier run of the bot sent. Called by discord.py."""
        return cls(*match.groups())


class RequiresPlace:
    """For controls and forms that do something in the channel: for whoever could give a command there.

    Not where the server's admins do not want the bot, and not for those who may only read.

    Attributes:
        for_readers: it shows something to whoever presses it, and to nobody else.
    """

    for_readers: ClassVar[bool] = False

    async def interaction_check(self, interaction: discord.Interaction, /) -> bool:
        """Whether the control works here; if not, the person is told. Called by discord.py before the callback."""
        bot = cast("Galvanic", interaction.client)
        try:
            await bot.access.require_place(interaction.user, interaction.channel)
            if not self.for_readers:
                access.require_writer(interaction)
        except Exception as error:  # discord.py would drop it
            await bot.responder.tell(interaction, bot.responder.explain(error, type(self).__name__))
            return False
        return True


async def replying_to(
    interaction: discord.Interaction,
    doing: str,
    work: Callable[[Galvanic, Actor, Send], Awaitable[None]],
    *,
    text: bool = False,
    form: KeepsTyped | None = None,
) -> None:
    """Acknowledge a press, and have its answer posted as a message of its own, in reply to the one pressed.

    Not as the interaction's response: that could not refer to the message, nor be kept from being posted twice.

    Args:
        interaction: see `answering`.
        doing: see `answering`.
        work: gets the bot, whoever pressed, and what posts the answer, be it that a worker failed. Its own errors are
            only for the person.
        text: the answer is a text, for which there are only so many places (`bot.writing.crowd`).
        form: see `answering`.
    """
    async with answering(interaction, doing, defer=False, form=form) as bot:
        with bot.crowd.place(interaction.guild_id or 0) if text else contextlib.nullcontext():
            await _reply(interaction, bot, work)


async def _reply(
    interaction: discord.Interaction, bot: Galvanic, work: Callable[[Galvanic, Actor, Send], Awaitable[None]]
) -> None:
    await acknowledge(interaction)
    who = Actor.of_interaction(interaction)
    access.require_all(interaction.app_permissions, interaction.channel)
    options: dict[str, Any] = {"nonce": f"a-{interaction.id}"}
    if interaction.message is not None:
        options["reference"] = interaction.message.to_reference(fail_if_not_exists=False)
    channel = bot.get_partial_messageable(who.place.channel_id, guild_id=who.guild_id)
    await work(bot, who, functools.partial(channel.send, **options))
