"""The menu of a message: continue it, draw its surprise, delete it, never say it again; and **Delete** under a text."""

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import discord
import structlog
from discord import app_commands
from discord.ext import commands

from bot.background import is_transient
from bot.components import JOB, Action, Field, Form, Press
from bot.core import Core
from bot.errors import UNKNOWN_WEBHOOK
from bot.models.registry import Registry
from bot.options.decoding import message_text
from bot.responder import Interaction, acknowledge
from bot.servers.access import Actor, moderates, require_admin, require_joined
from bot.servers.settings import MOST_TYPED
from bot.types import Context
from bot.words import code
from bot.write import changes
from bot.write.cog import GenerateCommands
from bot.write.generate import Generating
from galvanic.errors import UserError
from shared.blocklist import MOST_CHARS, parse
from shared.jobs import GenerateJob, Job, TrainJob

log = structlog.get_logger()


@dataclass(eq=False, repr=False)
class Menus(commands.Cog):
    """Adds the menus. `forget` deletes a request with its answer."""

    core: Core
    registry: Registry
    generating: Generating
    writing: GenerateCommands
    forget: Callable[[str], Awaitable[None]]

    async def cog_load(self) -> None:
        self.core.components.add("delete-text", self._pressed, JOB, who="anybody", how="update")
        for name, work in (
            ("Continue this", self.go_on),
            ("Surprise map", self.draw),
            ("Delete this text", self.delete),
            ("Never say this again", self.ask_never),
        ):
            self.core.bot.tree.add_command(app_commands.guild_only(app_commands.ContextMenu(name=name, callback=work)))

    # ------------------------------------------------------------------ continuing and drawing a text

    async def go_on(self, interaction: Interaction, message: discord.Message) -> None:
        ctx: Context = await self.core.bot.get_context(interaction)
        await self.core.requests.command(ctx, functools.partial(self._continuing, message))

    async def _continuing(self, message: discord.Message, actor: Actor) -> GenerateJob:
        """Return the job that continues a message's words, as its author's, if this person may use them."""
        text, author_id = await self.generating.words_of(actor, message)
        if not text.strip():
            raise UserError("This message has no words that I could continue.", "Choose one that has some.")
        start = changes.continuation_of(text)
        shown = start["shown"] if start["shown"] < len(text) else None
        model = await self.registry.choose_to_write(actor.viewer, None)
        return await self.generating.job(actor, [model], start["seed"], shown=shown, author_id=author_id)

    async def draw(self, interaction: Interaction, message: discord.Message) -> None:
        await self.writing.picture(await self.core.bot.get_context(interaction), "", message)

    # ------------------------------------------------------------------ deleting a text, blocking its words

    async def delete(self, interaction: Interaction, message: discord.Message) -> None:
        await acknowledge(interaction, ephemeral=True)
        await self._delete(interaction, message)
        await interaction.followup.send("I deleted this text.", ephemeral=True)

    async def _pressed(self, press: Press) -> None:
        assert press.interaction.message is not None
        await self._delete(press.interaction, press.interaction.message)

    async def _delete(self, interaction: Interaction, message: discord.Message) -> None:
        """Delete a text. Raises UserError if it is none of the bot's, or not this person's to delete."""
        actor = Actor.of_interaction(interaction)
        job_id, job = await self._text_in(
            message,
            "Whoever wrote a message can delete it in Discord's own menu, and so can members with Manage Messages.",
        )
        asked_by = job.place.user_id if job is not None else None
        if actor.user.id != asked_by and not moderates(actor.user, actor.place):
            raise UserError(
                "You didn't ask for this text, or I no longer know that you did.",
                "Whoever asked for it and members with Manage Messages can delete it.",
            )
        require_joined(interaction.app_permissions, interaction.channel)
        await self._remove(actor, message, job_id)

    @app_commands.default_permissions(manage_guild=True)
    async def ask_never(self, interaction: Interaction, message: discord.Message) -> None:
        require_admin(interaction.user)
        prefix = await self.core.servers.prefix(interaction.guild_id)
        blocklist = f"the button **Blocked words** of `{prefix}settings`"
        job_id, _ = await self._text_in(message, f"Put its words on this server's blocklist with {blocklist}.")

        async def block(form: Press) -> None:
            require_admin(form.interaction.user)
            phrase = await self._block(form.actor, form.typed["phrase"])
            done = f"{phrase} is on this server's blocklist now: {blocklist} shows it."
            try:
                await self._remove(form.actor, message, job_id)
            except (UserError, discord.HTTPException) as error:
                raise UserError(
                    f"{done} But Discord didn't let me delete the text.",
                    "Members with Manage Messages can delete the message in Discord's own menu.",
                ) from error
            await form.send(f"{done}\nThe text is deleted.")

        explained = f"Shorten it to the word or phrase, up to {MOST_CHARS} characters. * stands for any letters."
        words = message_text(message).strip()[:MOST_TYPED]
        field = Field("phrase", "What I must not say", explained, default=words, most=MOST_TYPED, long=True)
        form = Form("Never say this again", [field], Action(block, who="anybody", how="private"))
        await self.core.components.open(interaction, form)

    async def _block(self, actor: Actor, typed: str) -> str:
        """Block one phrase, and return it to show. A whole text is refused: its parts would be common words."""
        entries = parse(typed)
        if len(entries) != 1:
            prefix = await self.core.servers.prefix(actor.guild_id)
            raise UserError(
                f"That is {len(entries):,} phrases." if entries else "There is no word in it.",
                "Leave one word or phrase, without commas. The button **Blocked words** of "
                f"`{prefix}settings` takes several.",
            )
        await self.core.servers.block(actor.guild_id, entries[0])
        log.info("phrase_blocked", guild_id=actor.guild_id, channel_id=actor.place.channel_id, user_id=actor.user.id)
        return code(entries[0], MOST_CHARS)

    # ------------------------------------------------------------------ the text of a message

    async def _text_in(self, message: discord.Message, remedy: str) -> tuple[str, Job | None]:
        """Return the id of the job that a message shows a text of, and the job if known.

        Raises UserError, with `remedy`: it shows none.
        """
        job_id = await self.generating.job_of(message)
        stored = await self.core.jobs.load(job_id) if job_id is not None else None
        job = stored.job if stored is not None else None
        if job_id is None or isinstance(job, TrainJob):
            problem = "This message isn't mine."
            if message.author == self.core.bot.user:
                problem = "This message isn't a text of mine, or it is a chat answer older than a month."
            raise UserError(problem, remedy)
        return job_id, job

    async def _remove(self, actor: Actor, message: discord.Message, job_id: str) -> None:
        """Delete a message, unless somebody has, and what is kept of its text. Raises UserError: Discord refuses."""
        # An interaction's answer has the application's id in place of a webhook's.
        webhook_id = message.webhook_id if message.webhook_id != self.core.bot.application_id else None
        try:
            try:
                await message.delete()
            except discord.Forbidden as error:
                if is_transient(error) or webhook_id is None:
                    raise
                thread = message.channel if isinstance(message.channel, discord.Thread) else discord.utils.MISSING
                await (await self.core.bot.fetch_webhook(webhook_id)).delete_message(message.id, thread=thread)
        except (discord.NotFound, discord.Forbidden) as error:
            if is_transient(error) or (error.status == 403 and webhook_id is None):
                raise
            if error.status == 403 or error.code == UNKNOWN_WEBHOOK:
                raise UserError(
                    "Discord doesn't let me delete this text.",
                    "Give me Manage Messages here, or delete it in Discord's own menu: members who have that can.",
                ) from error
        log.info(
            "text_deleted",
            message_id=message.id,
            channel_id=actor.place.channel_id,
            guild_id=actor.guild_id,
            user_id=actor.user.id,
            job_id=job_id,
        )
        self.core.chores.add(self.forget, job_id)
