"""`speak` and `quiet`, and what the bot hears."""

from __future__ import annotations

import time
from dataclasses import dataclass

import discord
from discord import app_commands
from discord.ext import commands

from bot.servers.access import channel_ids
from bot.talk.speaker import Speaker
from bot.talk.speaking import EXAMPLES, parse, span
from bot.types import Context, hybrid_command
from bot.words import GREEN, GREY, code
from galvanic.errors import UserError


@dataclass(eq=False, repr=False)
class Speaks(commands.Cog):
    speaker: Speaker

    @hybrid_command(
        extras={
            "usage": "speak [2%|every 40|every 2h|on words pizza|off]",
            "examples": [f"speak {one}" for one in EXAMPLES],
        },
        description="Whether, when and how often I speak in this channel by myself",
    )
    @app_commands.describe(
        when="2%, every 40, every 2h, on words pizza, most 6, quiet 23-7, off; leave it out to see what it is"
    )
    @commands.guild_only()
    async def speak(self, ctx: Context, *, when: str | None = None) -> None:
        """Have me speak by myself in this channel and its threads, or see what I do.

        By chance after a message, after so many messages, every so often while people write, or on words; how often
        an hour at most, and in which hours not at all. Members with Manage Server or Manage Channels can change it.
        """
        await ctx.defer()
        if when is not None:
            if not (ctx.permissions.manage_guild or ctx.permissions.manage_channels):
                remedy = "Ask a member with Manage Server or Manage Channels."
                raise UserError("You can't decide when I speak here.", remedy)
            room = await self.speaker.rooms.room(channel_ids(ctx.channel)[-1])
            await self.speaker.choose(ctx.channel, parse(when, room.speak))
        await self._tell(ctx)

    @hybrid_command(
        extras={"usage": "quiet [8h|off]", "examples": ("quiet", "quiet 8h", "quiet 1d 12h", "quiet off")},
        description="Have me say nothing by myself in this channel for a while",
    )
    @app_commands.describe(time="8h, 90m, 2d, or off; leave it out to see what it is")
    @commands.guild_only()
    async def quiet(self, ctx: Context, *, time: str | None = None) -> None:
        """Have me say nothing unasked in this channel and its threads for a while, from now on.

        Members with Manage Messages can do this.
        """
        await ctx.defer()
        if time is not None:
            if not ctx.permissions.manage_messages:
                raise UserError("You can't have me be quiet here.", "Ask a member with Manage Messages.")
            await self.speaker.rooms.put(channel_ids(ctx.channel)[-1], quiet=_until(time))
        await self._tell(ctx)

    async def _tell(self, ctx: Context) -> None:
        on = (await self.speaker.rooms.room(channel_ids(ctx.channel)[-1])).speak.on
        said = await self.speaker.told(ctx.channel)
        await ctx.send(embed=discord.Embed(description=said, colour=GREEN if on else GREY))

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        await self.speaker.hear(message)

    @commands.Cog.listener()
    async def on_addressed(self, ctx: Context, words: str) -> None:
        if ctx.guild is not None:
            await self.speaker.hear_words(ctx.channel, ctx.author.id, words)

    @commands.Cog.listener()
    async def on_forgotten(self, user_id: int) -> None:
        self.speaker.forget(user_id)

    @commands.Cog.listener()
    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        self.speaker.rooms.forget(channel.id)


def _until(typed: str) -> int:
    """Seconds since the epoch; 0: no longer."""
    minutes = 0 if typed.strip().lower() == "off" else span(typed)
    if minutes is None:
        raise UserError(f"I can't be quiet for {code(typed)}.", "Write a time, as in `quiet 8h`, or `quiet off`.")
    return int(time.time()) + 60 * minutes if minutes else 0
