"""`models` and `model use`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from discord import app_commands
from discord.ext import commands

from bot import cards, checks
from bot.checks import Context
from bot.decorators import hybrid_command, hybrid_group
from shared.errors import UserError

if TYPE_CHECKING:
    from bot.client import Galvanic


class Models(commands.Cog):
    """What I have learned."""

    def __init__(self, bot: Galvanic) -> None:
        self.bot = bot

    @hybrid_command(extras={"usage": "models"}, description="What I have learned and may be used here")
    @commands.guild_only()
    async def models(self, ctx: Context) -> None:
        """List the models that may be used in this channel."""
        await ctx.defer()
        place = checks.place_of(ctx)
        records = await self.bot.registry.usable(place.guild_id, checks.channel_ids(ctx))
        if not records:
            raise UserError(
                "There is no model here yet.", f"Train one: `{self.bot.settings.command_prefix}train frankenstein`."
            )
        await ctx.send(embed=cards.models(records, await self.bot.registry.current(checks.channel_ids(ctx))))

    @hybrid_group(invoke_without_command=True, extras={"usage": "model use NAME"}, description="Choose among models")
    @commands.guild_only()
    async def model(self, _: Context, *, words: str = "") -> None:
        """Choose this channel's model: `model use NAME`."""
        prefix = self.bot.settings.command_prefix
        problem = f"`model` can't `{cards.plain(words[:40])}`." if words else "What about the model?"
        raise UserError(problem, f"`{prefix}model use NAME` chooses this channel's model; `{prefix}models` lists them.")

    @model.command(  # type: ignore[arg-type]
        name="use", extras={"usage": "model use NAME"}, description="Make a model this channel's current one"
    )
    @commands.guild_only()
    @app_commands.describe(name="One of the names that `models` lists")
    async def model_use(self, ctx: Context, name: str) -> None:
        """Make a model this channel's current one."""
        await ctx.defer()
        place = checks.place_of(ctx)
        model = await self.bot.registry.choose(place.guild_id, checks.channel_ids(ctx), name)
        await self.bot.registry.use(place.channel_id, model)
        await ctx.send(f"`{model.name}` is now this channel's model.")


async def setup(bot: Galvanic) -> None:
    """Called by discord.py."""
    await bot.add_cog(Models(bot))
