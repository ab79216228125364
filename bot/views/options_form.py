"""The form with a slash command's rarer options."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import discord

from bot.options.autocomplete import label
from bot.options.decoding import replace_surrogates
from bot.options.options import Options, shown
from bot.servers.actor import Actor
from bot.types import Send
from bot.views.base import KeepsTyped, RequiresPlace, replying_to
from shared.errors import UserError

if TYPE_CHECKING:
    from bot.client import Galvanic
    from bot.options.checks import Context

_O = TypeVar("_O", bound=Options)
_MOST = 5
"""Discord's limit on the fields of a form; of more options, the last of them takes the rest as after a prefix."""


class OptionsForm(RequiresPlace, KeepsTyped):
    """Asks for the options that a slash command's fields leave out, then carries the command out.

    Args:
        ctx: of the slash command.
        flags: what its fields had; what is typed here is added to it.
        work: the command: gets the bot, whoever sent the form, and what posts the answer.
        text: see `replying_to`.
    """

    def __init__(
        self,
        ctx: Context,
        flags: _O,
        work: Callable[[Galvanic, Actor, Send], Awaitable[None]],
        *,
        text: bool = False,
    ) -> None:
        super().__init__(title=label(f"Options of {ctx.command}")[:45])
        self._ctx, self._flags, self._work, self._text = ctx, flags, work, text
        by_attribute: dict[str, Any] = {flag.attribute: flag for flag in flags.get_flags().values()}
        asked = [by_attribute[attribute] for attribute in flags.in_form]
        self._rest: discord.ui.TextInput[Any] | None = None
        more = asked[_MOST - 1 :] if len(asked) > _MOST else []
        self._typed = {shown(flag): self._ask(flag) for flag in asked[: len(asked) - len(more)]}
        if more:
            names = label("As after !: " + " ".join(f"--{shown(flag)}" for flag in more))
            self._rest = discord.ui.TextInput(custom_id="rest", required=False, style=discord.TextStyle.paragraph)
            self.add_item(discord.ui.Label(text="Others", description=names, component=self._rest))

    def _ask(self, flag: Any) -> discord.ui.TextInput[Any]:
        typed: discord.ui.TextInput[Any] = discord.ui.TextInput(custom_id=shown(flag), required=False, max_length=40)
        self.add_item(discord.ui.Label(text=shown(flag), description=label(flag.description), component=typed))
        return typed

    async def on_submit(self, interaction: discord.Interaction, /) -> None:
        """Carry the command out with what was typed."""

        async def work(bot: Galvanic, who: Actor, send: Send) -> None:
            await self._add()
            await self._work(bot, who, send)

        await replying_to(interaction, "options form", work, text=self._text, form=self)

    async def _add(self) -> None:
        kind = type(self._flags)
        values = {name: replace_surrogates(field.value).strip() for name, field in self._typed.items()}
        line = " ".join(f"--{name} {value}" for name, value in values.items() if value)
        line += f" {replace_surrogates(self._rest.value).strip()}" if self._rest is not None else ""
        given = kind.parse_flags(line)
        if any(flag.positional for flag in kind.get_flags().values() if flag.name in given):
            raise UserError(
                "I can't tell which option is meant.", "Begin each of the others with its name: `--batch 64`."
            )
        made = await kind.convert(self._ctx, line)
        for flag in kind.get_flags().values():
            if flag.name in given or flag.attribute in kind.in_form:
                setattr(self._flags, flag.attribute, getattr(made, flag.attribute))
