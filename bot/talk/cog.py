"""Commands `speak`, `quiet`, `persona` and `talk`, and what the bot hears."""

import asyncio
import time
from dataclasses import dataclass
from typing import Literal

import discord
from discord import app_commands
from discord.ext import commands

from bot.admin.cog_settings import Section, SettingsPanel, administered, settings_form
from bot.components import Field, Form, Press
from bot.core import Core
from bot.options.autocomplete import choices, in_time
from bot.responder import NOT_SENT, answer_privately, replying
from bot.servers.access import (
    Actor,
    Viewer,
    channel_ids,
    is_admin,
    moderates,
    require_admin,
    require_permissions,
)
from bot.servers.settings import MOST_TYPED
from bot.talk.personas import MARK, Personas, checked_name
from bot.talk.speaker import Speaker
from bot.talk.speaking import EXAMPLES, parse, span
from bot.talk.store import MOST_PERSONAS, Persona
from bot.types import Context, hybrid_command
from bot.words import GREEN, GREY, as_typed, code, listed, mentions, plain
from bot.write.cog_chat import Chat
from galvanic.errors import UserError


@dataclass(eq=False, repr=False)
class SpeakCommands(commands.Cog):
    """The commands `speak`, `quiet`, `persona` and `talk`."""

    core: Core
    panel: SettingsPanel
    speaker: Speaker
    personas: Personas
    chat: Chat

    def register(self) -> None:
        section = Section("speaking", "In this channel", self.speaker.describe, self._speaking_form)
        self.panel.add_section(section)
        self.panel.add_reset("all personas are deleted", self.personas.store.forget_guild)
        self.core.routing.hear(self._hear)

    @hybrid_command(
        "speak [2%|every 40|every 2h|on words pizza|off]",
        [f"speak {example}" for example in EXAMPLES],
        about="Have me speak unasked in this channel, or see when I do",
        heading="Generating",
    )
    @app_commands.describe(
        when="2%, every 40, every 2h, on words pizza, most 6, quiet 23-7, off; leave it out to see what it is"
    )
    async def speak(self, ctx: Context, *, when: str | None = None) -> None:
        """Have me speak unasked in this channel and its threads, or see what I do.

        By chance after a message, after so many messages, every so often while people write, or on words; how often
        an hour at most, and in which hours not at all. Members with Manage Server or Manage Channels can change it.
        """
        await ctx.defer()
        if when is not None:
            if not (ctx.permissions.manage_guild or ctx.permissions.manage_channels):
                raise UserError(
                    "You can't decide when I speak here.", "Ask a member with Manage Server or Manage Channels."
                )
            room = await self.speaker.rooms.room(channel_ids(ctx.channel)[-1])
            await self.speaker.choose(ctx.channel, parse(when, room.speak))
        await self._tell(ctx)

    @hybrid_command(
        "quiet [8h|off]",
        ("quiet", "quiet 8h", "quiet 1d 12h", "quiet off"),
        about="Have me say nothing unasked in this channel for a while",
        heading="Generating",
    )
    @app_commands.describe(time="8h, 90m, 2d, or off; leave it out to see what it is")
    async def quiet(self, ctx: Context, *, time: str | None = None) -> None:
        """Have me say nothing unasked in this channel and its threads for a while, from now on.

        Members with Manage Messages can do this.
        """
        await ctx.defer()
        if time is not None:
            if not ctx.permissions.manage_messages:
                raise UserError("You can't have me be quiet here.", "Ask a member with Manage Messages.")
            prefix = await self.core.servers.prefix(ctx.guild.id if ctx.guild else None)
            await self.speaker.rooms.put(channel_ids(ctx.channel)[-1], quiet=_until(time, prefix))
        await self._tell(ctx)

    @hybrid_command(
        "persona [add CALL [MODEL] [NAME]|remove CALL]",
        ("persona", "persona add mary frankenstein Mary Shelley", "persona remove mary"),
        about="Models that speak in this channel under a name of their own",
        heading="Generating",
        aliases=["personas"],
    )
    @app_commands.describe(what="What to do", call="What people call it: mary for @mary", model="It writes with this")
    @app_commands.describe(name="The name that it speaks under", picture="An image")
    async def persona(
        self,
        ctx: Context,
        what: Literal["list", "add", "remove"] = "list",
        call: str = "",
        model: str = "",
        picture: discord.Attachment | None = None,
        *,
        name: str = "",
    ) -> None:
        """List this channel's personas, and to an admin alone the server's others; add or remove one.

        `@mary hello` calls one, and so does a reply to what it said. Its picture is an image that you attach. Added
        again, it changes; in another channel, it speaks there, too. It can't have a name like a member's.
        """
        require_permissions(ctx)
        await ctx.defer()
        actor = Actor.of(ctx)
        call = call.strip().removeprefix("@").lower()
        if what == "list":
            speaking = await self.personas.speaking_in(actor.guild_id, actor.here)
            await ctx.send(embed=await self._list(actor, speaking), **replying(ctx))
            visible = await self._visible(actor)
            if elsewhere := {call: persona for call, persona in visible.items() if call not in speaking}:
                embed = await self._list(actor, elsewhere)
                embed.title = "Personas of other channels"
                if not await answer_privately(ctx, embed=embed):
                    raise UserError(NOT_SENT, "Use `/persona`: only you see those of other channels.")
            return
        require_admin(ctx.author)
        if not call:
            command = as_typed(await self.core.servers.prefix(actor.guild_id), "persona", "what", what, "call", "mary")
            raise UserError("Which persona?", f"Say what people call it, as in `{command}`.")
        if what == "remove":
            answer = await self._remove(actor, call)
        else:
            answer = await self._add(ctx, call, model or None, name.removeprefix("--name "), picture)
        await ctx.send(answer, **replying(ctx))

    async def _list(self, actor: Actor, personas: dict[str, Persona]) -> discord.Embed:
        viewer = Viewer(actor.guild_id, actor.here)  # anybody may call it
        usable = await self.personas.registry.by_ids(viewer, [persona.model_id for persona in personas.values()])
        names = {model.model_id: f"`{model.name}`" for model in usable}
        lines = []
        for call, persona in personas.items():
            writes = names.get(persona.model_id, "a model that was deleted or can't be used here")
            line = f"`@{call}` **{plain(persona.title)}**{MARK}, which writes with {writes}"
            channels = [channel for channel in persona.channels if self.core.bot.get_channel(channel)]
            lines.append(f"{line} in {mentions(channels) or 'no channel'}" if is_admin(actor.user) else line)
        prefix, example = await self.core.servers.prefix(actor.guild_id), ("call", "mary", "model", "frankenstein")
        how = as_typed(prefix, "persona", "what", "add", *example)
        none = f"No persona speaks here: a member with Manage Server can add one, with `{how}`."
        return discord.Embed(description=listed(lines, "and {} more") or none, colour=GREEN)

    async def _remove(self, actor: Actor, call: str) -> str:
        """Remove a persona from the server; return the answer. Raises UserError: there is none."""
        if call not in await self.personas.store.of(actor.guild_id):
            listing = as_typed(await self.core.servers.prefix(actor.guild_id), "persona")
            raise UserError(f"No persona is called {code(call)}.", f"`{listing}` lists them.")
        await self.personas.store.remove(actor.guild_id, call)
        return f"`@{call}` no longer speaks in this server."

    async def _add(
        self, ctx: Context, call: str, model: str | None, name: str, picture: discord.Attachment | None
    ) -> str:
        """Add a persona, or change one; return the answer. Raises UserError: it can't be."""
        actor, guild = Actor.of(ctx), ctx.guild
        assert guild is not None
        old = (await self.personas.store.of(actor.guild_id)).get(call)
        title = checked_name(call, name or (old.title if old else call))
        if picture is not None and not (picture.content_type or "").startswith("image/"):
            raise UserError("This file isn't a picture.", "Attach an image.")
        viewer = Viewer(actor.guild_id, actor.here)  # anybody may call it
        if old is not None and model is None:
            record = await self.personas.registry.by_id(viewer, old.model_id)
        else:
            record = await self.personas.registry.choose_to_write(viewer, model)
        await self.personas.refuse_members_names(guild, call, title)
        old = (await self.personas.store.of(actor.guild_id)).get(call)  # that took a while
        channels = [at for at in (old.channels if old else ()) if guild.get_channel(at) and at != actor.here[-1]]
        persona = Persona(
            title=title,
            model_id=record.model_id,
            channels=(*channels, actor.here[-1]),
            picture=picture.url if picture is not None else old.picture if old else None,
        )
        if not await self.personas.store.put(actor.guild_id, call, persona):
            prefix = await self.core.servers.prefix(actor.guild_id)
            remove = as_typed(prefix, "persona", "what", "remove", "call", "CALL")
            raise UserError(f"This server has {MOST_PERSONAS} personas.", f"Remove one: `{remove}`.")
        answer = f"**{plain(title)}**{MARK} speaks here with `{record.name}`: write `@{call} hello`."
        if await self.personas.hook(ctx.channel) is None:
            answer += (
                "\nIt speaks under my own name: Discord gives me no webhook here. I need Manage Webhooks, a channel "
                "takes 15 webhooks, and if this server requires two-factor authentication, my owner must use it."
            )
        return answer

    @hybrid_command(
        "talk FIRST SECOND [TURNS]|stop",
        ("talk mary victor 6", "talk stop"),
        about="Have two personas talk with each other",
        heading="Generating",
    )
    @app_commands.describe(first="A persona, or stop", second="Another one", turns="How many texts (2 to 12)")
    async def talk(self, ctx: Context, first: str, second: str = "", turns: int = 6) -> None:
        """Have two personas of this channel talk with each other, 2 to 12 texts with pauses.

        `talk stop` ends it, for whoever began it and for members with Manage Messages; so does `quiet`.
        """
        require_permissions(ctx)
        await ctx.defer()
        actor = Actor.of(ctx)
        pair = first.lower().removeprefix("@"), second.lower().removeprefix("@")
        if pair[0] == "stop":
            talk = self.personas.talks.get(actor.here[0])
            if talk is None or not (talk.user.id == actor.user.id or moderates(ctx.author, actor.place)):
                raise UserError(
                    "There is no talk here that you can stop.",
                    "Whoever began it can, and so can members with Manage Messages.",
                )
            self.personas.stop_talk(talk)
            await ctx.send("The talk is over.", **replying(ctx))
            return
        prefix = await self.core.servers.prefix(actor.guild_id)
        if not 2 <= turns <= 12:
            example = as_typed(prefix, "talk", "first", "mary", "second", "victor", "turns", "6")
            raise UserError("A talk has 2 to 12 texts.", f"Choose how many, as in `{example}`.")
        await self.core.access.require("generate", actor)
        announced = asyncio.Event()
        with self.core.access.cooldown("generate", actor):
            await self.personas.begin(actor, pair, turns, announced)
        try:
            stop = as_typed(prefix, "talk", "first", "stop")
            await ctx.send(f"`@{pair[0]}` and `@{pair[1]}` talk: {turns} texts. `{stop}` ends it.", **replying(ctx))
        finally:
            announced.set()

    async def _visible(self, actor: Actor) -> dict[str, Persona]:
        """Return the channel's personas, to an admin all of the server."""
        if is_admin(actor.user):
            return await self.personas.store.of(actor.guild_id)
        return await self.personas.speaking_in(actor.guild_id, actor.here)

    @persona.autocomplete("model")
    async def _models(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await self.personas.registry.offered(interaction, typed)

    @persona.autocomplete("call")
    @talk.autocomplete("first")
    @talk.autocomplete("second")
    @in_time
    async def _calls(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return choices(await self._visible(Actor.of_interaction(interaction)), typed.removeprefix("@"))

    async def _hear(self, ctx: Context) -> bool:
        """Take a message that calls a persona."""
        if (called := await self.personas.called(ctx.message)) is None:
            return False
        await self.chat.guarded(ctx, self._answer(ctx, *called))
        return True

    async def _answer(self, ctx: Context, call: str, words: str) -> None:
        require_permissions(ctx)
        actor = Actor.of(ctx)
        with self.core.access.cooldown("chat", actor):
            turns = await self.personas.conversation.turns(actor, ctx.message, words)
            line = await self.personas.line(actor, call, turns)
        await self.personas.say(actor, line)

    async def _speaking_form(self, press: Press) -> Form:
        administered(press)
        current = (await self.speaker.rooms.room(channel_ids(press.interaction.channel)[-1])).speak.lines

        async def keep(press: Press) -> None:
            administered(press)
            await self.speaker.choose(press.interaction.channel, parse(press.typed["lines"]))
            await self.panel.show(press)

        explained = "2%, every 40 or every 2h. More lines: on words pizza, most 6, quiet 23-7. Empty: only when asked"
        when = Field("lines", "When", explained, default=current, most=MOST_TYPED, long=True)
        return settings_form("Speaking in this channel", keep, when)

    async def _tell(self, ctx: Context) -> None:
        room = await self.speaker.rooms.room(channel_ids(ctx.channel)[-1])
        prefix = await self.core.servers.prefix(ctx.guild.id if ctx.guild else None)
        rights, description = ctx.permissions, await self.speaker.describe(ctx.channel)
        if room.quiet > time.time() and rights.manage_messages:
            description += f"\n`{as_typed(prefix, 'quiet', 'time', 'off')}` ends that."
        elif room.speak.on and rights.manage_messages:
            description += f"\n`{as_typed(prefix, 'quiet', 'time', '8h')}` stops it for a while."
        elif not room.speak.on and (rights.manage_guild or rights.manage_channels):
            description += f"\n`{as_typed(prefix, 'speak', 'when', '2%')}` has me speak."
        await ctx.send(embed=discord.Embed(description=description, colour=GREEN if room.speak.on else GREY))

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        await self.speaker.hear(message)

    @commands.Cog.listener()
    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        self.speaker.rooms.forget(channel.id)


def _until(typed: str, prefix: str) -> int:
    """Seconds since the epoch; 0: no longer."""
    minutes = 0 if typed.strip().lower() == "off" else span(typed)
    if minutes is None:
        hours, off = (as_typed(prefix, "quiet", "time", time_typed) for time_typed in ("8h", "off"))
        raise UserError(f"I can't be quiet for {code(typed)}.", f"Write a time, as in `{hours}`, or `{off}`.")
    return int(time.time()) + 60 * minutes if minutes else 0
