"""The buttons of questions about consent. Only the person who was asked can answer, for themselves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import discord

from bot import cards
from bot.channels import embeds, rights
from bot.escape import NOBODY
from bot.views.base import USER, ButtonItem, FromItsId, answering
from shared.errors import UserError

ANSWER_WITHIN = timedelta(hours=24)
"""How long a question can be answered: what it says may be another thing later."""
ALL_SERVERS = "0"
_GUILD = r"(?P<guild>\d{1,20})"


class _Question(FromItsId):
    """A button below a question that was put to one person."""

    user_id: int

    def require_asked(self, interaction: discord.Interaction, command: str) -> None:
        """Refuse everybody but the person who was asked, and an answer that comes too late.

        Raises:
            UserError: it is somebody else, or too late.
        """
        if interaction.user.id != self.user_id:
            raise UserError("This question is for somebody else.", f"Ask for yourself with `{command}`.")
        asked = interaction.message.created_at if interaction.message is not None else None
        if asked is None or discord.utils.utcnow() - asked > ANSWER_WITHIN:
            raise UserError("This question is older than a day, so nothing was changed.", f"Ask again: `{command}`.")


class AgreeButton(_Question, ButtonItem, template=rf"galvanic:optin:{_GUILD}:{USER}"):
    """Says yes to learning from one's messages in a server."""

    def __init__(self, guild_id: str, user_id: str) -> None:
        style, custom_id = discord.ButtonStyle.success, f"galvanic:optin:{guild_id}:{user_id}"
        super().__init__(discord.ui.Button(label="I agree", style=style, custom_id=custom_id))
        self.guild_id = int(guild_id)
        self.user_id = int(user_id)

    async def callback(self, interaction: discord.Interaction) -> None:
        """Keep the yes of the person who was asked."""
        async with answering(interaction, "agree button", update=True) as bot:
            prefix = await bot.prefix(interaction.guild)
            self.require_asked(interaction, f"{prefix}optin")
            assert interaction.message is not None
            asked = interaction.message.created_at
            done = await rights.agree(bot, self.guild_id, interaction.user, asked, interaction.id, prefix)
            await interaction.edit_original_response(embed=done, view=None, allowed_mentions=NOBODY)


class ForgetButton(_Question, ButtonItem, template=rf"galvanic:forget-me:{_GUILD}:{USER}"):
    """Has the bot forget a person, in one server or (0) in all."""

    def __init__(self, guild_id: str, user_id: str) -> None:
        style, custom_id = discord.ButtonStyle.danger, f"galvanic:forget-me:{guild_id}:{user_id}"
        super().__init__(discord.ui.Button(label="Forget me", style=style, custom_id=custom_id))
        self.guild_id = int(guild_id)
        self.user_id = int(user_id)

    async def callback(self, interaction: discord.Interaction) -> None:
        """Forget the person who was asked."""
        async with answering(interaction, "forget button", update=True) as bot:
            prefix = await bot.prefix(interaction.guild)
            self.require_asked(interaction, f"{prefix}forget-me")
            guild = bot.get_guild(self.guild_id)
            if self.guild_id and guild is None:
                raise UserError("I'm not in that server any more.", f"`{prefix}forget-me` here is about all servers.")
            servers = await rights.servers_here(bot, guild, interaction.user, to_refuse=True)
            done = await rights.forget(bot, servers, interaction.user, prefix)
            await _show_private(interaction, done)
            if not _is_direct(interaction):
                await rights.confirm(interaction.user, done)


class DeclineButton(_Question, ButtonItem, template=rf"galvanic:privacy-not:{USER}"):
    """Answers a question with No: nothing changes."""

    def __init__(self, user_id: str) -> None:
        super().__init__(discord.ui.Button(label="No, leave it", custom_id=f"galvanic:privacy-not:{user_id}"))
        self.user_id = int(user_id)

    async def callback(self, interaction: discord.Interaction) -> None:
        """Take the question away."""
        async with answering(interaction, "privacy refusal", update=True) as bot:
            self.require_asked(interaction, f"{await bot.prefix(interaction.guild)}privacy")
            await interaction.edit_original_response(embed=embeds.not_agreed(), view=None, allowed_mentions=NOBODY)


PRIVACY_ITEMS = (AgreeButton, ForgetButton, DeclineButton)


def consent_buttons(guild_id: int, user_id: int) -> discord.ui.View:
    """The answers to the question whether somebody agrees."""
    return _view(AgreeButton(str(guild_id), str(user_id)), DeclineButton(str(user_id)))


def forget_buttons(guild_id: int | None, user_id: int) -> discord.ui.View:
    """The answers to the question whether somebody is to be forgotten; `guild_id` None: everywhere."""
    server = ALL_SERVERS if guild_id is None else str(guild_id)
    return _view(ForgetButton(server, str(user_id)), DeclineButton(str(user_id)))


def _view(*items: Any) -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    for item in items:
        view.add_item(item)
    return view


def _is_direct(interaction: discord.Interaction) -> bool:
    """Whether the question stands in the direct messages, for good."""
    ephemeral = interaction.message is not None and interaction.message.flags.ephemeral
    return interaction.guild_id is None and not ephemeral


async def _show_private(interaction: discord.Interaction, done: discord.Embed) -> None:
    """Put the answer in the question's place; where others see that, beside it for the person alone."""
    ephemeral = interaction.message is not None and interaction.message.flags.ephemeral
    if interaction.guild_id is None or ephemeral:
        await interaction.edit_original_response(embed=done, view=None, allowed_mentions=NOBODY)
        return
    short = discord.Embed(description="Done.", colour=cards.GREEN)
    await interaction.edit_original_response(embed=short, view=None, allowed_mentions=NOBODY)
    await interaction.followup.send(embed=done, ephemeral=True)
