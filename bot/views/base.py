"""What all buttons, menus and forms share: an answer in time, and an error for every failure."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import discord

from bot import access, cards, checks, problems

if TYPE_CHECKING:
    from bot.client import Galvanic

Send = Callable[..., Awaitable[Any]]


@asynccontextmanager
async def answering(
    interaction: discord.Interaction,
    doing: str,
    *,
    public: bool = False,
    defer: bool = True,
    update: bool = False,
    anywhere: bool = False,
) -> AsyncIterator[Galvanic]:
    """Acknowledge an interaction at once and, should the work within fail, tell the person why.

    Nothing is done in a channel that the server's admins have not allowed.

    Args:
        interaction: the press of a button, a choice, a form that was sent.
        doing: its name, for the log.
        public: the answer is for the whole channel. Errors are only for the person, all the same.
        defer: acknowledge now: Redis may take longer than Discord's 3 s. False: the work answers, with a form.
        update: the message that carries the control is going to change, with `interaction.edit_original_response`;
            nothing is posted for it.
        anywhere: allow it in every channel.

    Yields:
        The bot. Answers go through `interaction.followup`.
    """
    if update:
        await interaction.response.defer()
    elif defer:
        await interaction.response.defer(ephemeral=not public, thinking=True)
    bot = cast("Galvanic", interaction.client)
    try:
        if not anywhere and interaction.guild is not None:
            await access.require_place(bot, interaction.user, interaction.channel)
        yield bot
    except Exception as error:  # discord.py would only log it
        embed = cards.error(problems.explain(error, doing))
        if not interaction.response.is_done():
            await interaction.response.send_message(embed=embed, ephemeral=True)
            return
        if public and not update:
            # The placeholder of a public answer is public: it goes, and what went wrong is told privately.
            await interaction.delete_original_response()
        await interaction.followup.send(embed=embed, ephemeral=True)


@asynccontextmanager
async def replying_to(interaction: discord.Interaction, doing: str) -> AsyncIterator[tuple[Galvanic, Send]]:
    """Acknowledge a press, and have its answer posted as a message of its own, in reply to the one pressed.

    Not as the interaction's response: that could not refer to the message, nor be kept from being posted twice.

    Args:
        interaction: see `answering`.
        doing: see `answering`.

    Yields:
        The bot, and what posts the answer. Errors are only for the person.
    """
    async with answering(interaction, doing, defer=False) as bot:
        await interaction.response.defer()
        checks.require_all(interaction.app_permissions, interaction.channel)
        options: dict[str, Any] = {"nonce": f"a-{interaction.id}"}
        if interaction.message is not None:
            options["reference"] = interaction.message.to_reference(fail_if_not_exists=False)
        channel = bot.get_partial_messageable(interaction.channel_id or 0, guild_id=interaction.guild_id)
        yield bot, functools.partial(channel.send, **options)
