"""Commands `quiz` and `best`, and the reactions that count."""

from dataclasses import dataclass

import discord
from discord import app_commands
from discord.ext import commands

from bot.core import Core
from bot.models.registry import Registry
from bot.options.options import Options, number
from bot.play import embeds
from bot.play.best import Best
from bot.play.quiz import Quiz
from bot.responder import replying
from bot.servers.access import Actor, require_edits, require_permissions
from bot.types import Context, hybrid_command
from shared.jobs import MOST_PASSAGES, QuizJob

PASSAGES, SECONDS = 3, 60
_SCORES = "scores"


class QuizFlags(Options):
    """The options of `quiz`."""

    model: str | None = commands.flag(
        positional=True, default=None, description="A model other than the channel's; `scores`: who guessed right"
    )
    passages: int | None = number("How many passages to show, one of them real", 2, MOST_PASSAGES)
    seconds: int | None = number("Seconds until the answer", 15, 600)


@dataclass(eq=False, repr=False)
class Play(commands.Cog):
    """The commands `quiz` and `best`."""

    core: Core
    registry: Registry
    game: Quiz
    favourites: Best

    @hybrid_command(
        "quiz [MODEL|scores] [--OPTION VALUE ...]",
        ("quiz", "quiz frankenstein --passages 4 --seconds 30", "quiz scores"),
        about="Real or model? Guess which passage comes from the text",
        heading="Playing",
    )
    async def quiz(self, ctx: Context, *, flags: QuizFlags) -> None:
        """Guess which of several passages comes from the text that a model learned: the model wrote the others.

        The letters below guess, and the answer comes after a minute. `quiz scores` shows this server's table.
        """
        if (flags.model or "").strip().lower() == _SCORES:
            require_permissions(ctx)
            await ctx.defer()
            await ctx.send(embed=await self.game.scores(Actor.of(ctx).guild_id), **replying(ctx))
            return
        require_edits(ctx)  # its answer comes later

        async def build(actor: Actor) -> QuizJob:
            return await self.game.job(actor, flags.model, flags.passages or PASSAGES, flags.seconds or SECONDS)

        await self.core.requests.command(ctx, build)

    @quiz.autocomplete("model")
    async def _models(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await self.registry.offered(interaction, typed, _SCORES)

    @hybrid_command("best", about="The texts of mine that people reacted to most", heading="Playing")
    async def best(self, ctx: Context) -> None:
        """Show the texts of mine that people in this server reacted to most, with links; any emoji counts.

        A text is shown only where everybody who reads the channel can also read the original.
        """
        require_permissions(ctx)
        actor = Actor.of(ctx)
        await ctx.defer()
        with self.core.access.cooldown("generate", actor):
            texts = await self.favourites.favourites(actor)
        prefix = await self.core.servers.prefix(actor.guild_id)
        await ctx.send(embed=embeds.favourites(texts, prefix), **replying(ctx))

    @commands.Cog.listener("on_raw_reaction_add")
    @commands.Cog.listener("on_raw_reaction_remove")
    async def on_reaction(self, payload: discord.RawReactionActionEvent) -> None:
        """Count a reaction. If one is removed, Discord tells neither who wrote the message nor who had reacted."""
        me = self.core.bot.user
        by_bot = payload.member is not None and payload.member.bot
        if payload.guild_id is None or me is None or payload.user_id == me.id or by_bot:
            return
        by = 1 if payload.event_type == "REACTION_ADD" else -1
        mine = payload.message_author_id in (None, me.id)
        if mine or await self.core.jobs.shown_in(payload.message_id) is not None:  # a persona's
            await self.favourites.count(payload.guild_id, f"{payload.message_id}:{payload.channel_id}", by)

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        self.core.chores.add(self.game.take_up)
