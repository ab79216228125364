"""The menu under the pages of `help`. It works after a restart: everything is in its custom id and its choices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import discord
from discord.ext import commands

from bot.cards import help as pages
from bot.errors import nearest
from bot.escape import NOBODY, code
from bot.options.autocomplete import MOST, label
from bot.servers import access
from bot.views.base import answering, chosen
from shared.errors import UserError

if TYPE_CHECKING:
    from bot.client import Galvanic

MENU_ID = "galvanic:help"
_START = "*"


class HelpMenu(discord.ui.DynamicItem[discord.ui.Select[discord.ui.View]], template=MENU_ID):
    """Opens the page of a command: in its place when only this person sees it, else as an answer to them."""

    def __init__(self, entries: Sequence[commands.Command[Any, ..., Any]] = (), *, start: bool = False) -> None:
        menu: discord.ui.Select[discord.ui.View] = discord.ui.Select(
            custom_id=MENU_ID, placeholder="More about a command…"
        )
        if start:
            menu.add_option(label="All commands", value=_START)
        for command in entries[: MOST - start]:
            menu.add_option(
                label=label(command.qualified_name),
                value=command.qualified_name,
                description=label(command.description),
            )
        super().__init__(menu)

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction, item: discord.ui.Item[Any], _match: re.Match[str]
    ) -> HelpMenu:
        """Make the menu again from a message that an earlier run of the bot sent."""
        made = cls()
        made.item = item  # type: ignore[assignment]  # with what was chosen
        return made

    async def callback(self, interaction: discord.Interaction) -> None:
        """Show the page that was chosen."""
        private = interaction.message is not None and interaction.message.flags.ephemeral
        async with answering(interaction, "help menu", update=private) as bot:
            wanted = chosen(self.item.values)
            name = None if wanted == _START else wanted
            embed, view = await help_page(bot, name, interaction.user, interaction.guild_id)
            if private:
                await interaction.edit_original_response(embed=embed, view=view, allowed_mentions=NOBODY)
            else:
                await interaction.followup.send(embed=embed, view=view, ephemeral=True)


async def help_page(
    bot: Galvanic, name: str | None, user: discord.User | discord.Member, guild_id: int | None
) -> tuple[discord.Embed, discord.ui.View]:
    """A page of `help` with its menu.

    Args:
        bot: the bot.
        name: of the command, as somebody typed it; None: the first page.
        user: who reads it: what is not for them is left out.
        guild_id: the server, None in direct messages.

    Raises:
        UserError: there is no such command.
    """
    prefix = await bot.guild_settings.prefix(guild_id)
    here = [command for command in bot.commands if guild_id is not None or command.name in access.IN_DIRECT_MESSAGES]
    known = [command for command in here if for_person(command, user)]
    known.sort(key=lambda command: _place(command.name))
    view = discord.ui.View(timeout=None)
    if name is None:
        view.add_item(HelpMenu(known))
        return pages.overview(known, prefix, direct=guild_id is None), view
    command = _find(bot, name, prefix)
    group = command if isinstance(command, commands.Group) else command.parent
    entries = sorted(group.commands, key=lambda part: part.name) if isinstance(group, commands.Group) else known
    view.add_item(HelpMenu(entries, start=True))
    elsewhere = guild_id is None and (command.root_parent or command).name not in access.IN_DIRECT_MESSAGES
    return pages.page(command, prefix, elsewhere=elsewhere), view


def for_person(command: commands.Command[Any, ..., Any], user: discord.User | discord.Member) -> bool:
    """Whether a command is shown to a person."""
    return not command.hidden and (not command.extras.get("admin") or access.is_admin(user))


def _find(bot: Galvanic, typed: str, prefix: str) -> commands.Command[Any, ..., Any]:
    name = " ".join(typed.lower().removeprefix(prefix.lower()).removeprefix("/").split())
    command = bot.get_command(name)
    if command is None:
        known = [command.qualified_name for command in bot.walk_commands() if not command.hidden]
        near = nearest(name, known)
        remedy = f"Did you mean {near}? " if near else ""
        raise UserError(f"There is no command {code(name)}.", f"{remedy}`{prefix}help` lists them.")
    return command


def _place(name: str) -> tuple[int, str]:
    order = [listed for names in pages.HEADINGS.values() for listed in names]
    return (order.index(name) if name in order else len(order)), name
