"""Commands about learning from messages: admins allow channels; members agree, refuse, and are forgotten."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import discord
import redis
import structlog
from discord import app_commands
from discord.ext import commands

from bot.channels import embeds
from bot.channels.consent import ConsentStore
from bot.channels.embeds import Terms
from bot.channels.export import export
from bot.channels.member_data import MemberDataService
from bot.channels.sources import Room, Sources, can_read, require_readable
from bot.channels.withdrawals import Withdrawal, Withdrawals
from bot.components import GUILD, USER, Components, Press
from bot.core import Core
from bot.options.autocomplete import choices
from bot.responder import NOT_SENT, SENT, answer_privately, note_sent, tell_privately
from bot.servers import access
from bot.servers.access import CooldownName, member_in
from bot.types import Context, User, hybrid_command
from bot.words import GREEN, GREY, as_typed
from galvanic.errors import UserError
from galvanic.units import count

_ANSWER_WITHIN = timedelta(hours=24)  # a question can be answered for so long: the terms may be others later
_EXPORT_EVERY_S = 180.0
EVERYWHERE_EVERY_S = 30.0
"""Seconds between two answers of a kind to one person in direct messages, which look through all servers."""
_MOST_PAGES = 10  # servers that are shown one by one; the file has all
_OPTIN_AGAIN = "use `/optin` in that server again"
"""Its question may stand in direct messages, where the command does not work."""

_privacy_command = functools.partial(hybrid_command, heading="Your privacy", anywhere=True)

log = structlog.get_logger()


@dataclass(eq=False, repr=False, kw_only=True)
class Privacy(commands.Cog):
    """Commands that work in every channel, whatever the admins have chosen.

    Any of them raises `redis.RedisError` while Redis cannot be reached, discord.HTTPException: Discord is in trouble.
    """

    core: Core
    consents: ConsentStore
    sources: Sources
    withdrawals: Withdrawals
    member_data: MemberDataService

    def register(self, components: Components) -> None:
        anybody: dict[str, Any] = {"who": "anybody", "how": "update", "owner": True}
        components.add("optin", self._agree, f"{GUILD}:{USER}", **anybody)
        components.add("forget-me", self._forget, f"{GUILD}:{USER}", **anybody)
        components.add("privacy-not", self._decline, USER, **anybody)

    # ------------------------------------------------------------------ optin

    @_privacy_command("optin", about="Let models learn from your messages here")
    async def optin(self, ctx: Context) -> None:
        """Read what it means that models learn from your messages, and agree with a button if you want that.

        Nothing changes before you press it. Only you see the question: typed with a prefix, it comes as a direct
        message. `optout` takes it back.
        """
        await ctx.defer(ephemeral=True)
        assert ctx.guild is not None
        terms = await self._terms(ctx)
        answer = await self.consents.answer(ctx.guild.id, ctx.author.id)
        if answer is not None and answer.state == "in" and terms.mode != "off":
            await tell_privately(ctx, embed=embeds.agreed(ctx.guild.name, answer, terms))
            return
        self.sources.require_on()
        allowed = sorted(await self.consents.allowed(ctx.guild.id))
        channels = [channel_id for channel_id in allowed if can_read(ctx.author, ctx.guild.get_channel(channel_id))]
        question = embeds.consent_question(ctx.guild.name, channels, answer, terms)
        await tell_privately(ctx, embed=question, view=embeds.consent_buttons(ctx.guild.id, ctx.author.id))

    async def _agree(self, press: Press) -> None:
        """Note a yes.

        Raises UserError: it is turned off, they are no member there, said no since they were asked, or are too late.
        """
        user, terms = press.interaction.user, await self._terms(press)
        asked = _asked_at(press, f"To agree, {_OPTIN_AGAIN}.")
        self.sources.require_on()
        guild = self.core.bot.get_guild(int(press["guild"]))
        if guild is None or await member_in(guild, user) is None:
            raise UserError(
                "You aren't a member of that server, or I'm no longer there.", "Opt in on a server where we both are."
            )
        before = await self.consents.answer(guild.id, user.id)
        if before is not None and before.state == "out" and before.at > asked:
            raise UserError("You said no after this question.", f"If you want to agree, {_OPTIN_AGAIN}.")
        answer = await self.consents.agree(guild.id, user.id, press.interaction.id)
        await press.update(embed=embeds.agreed(guild.name, answer, terms), view=None)

    async def _decline(self, press: Press) -> None:
        """Take the question away, and change nothing."""
        await press.update(embed=discord.Embed(description="Nothing was changed.", colour=GREY), view=None)

    # ------------------------------------------------------------------ optout, forget-me

    @_privacy_command("optout", about="Let nothing learn from your messages any more", direct=True)
    async def optout(self, ctx: Context) -> None:
        """From now on nothing learns from your messages on this server.

        Models that learned them are made again without them, or deleted. In a direct message it counts for all
        servers. `forget-me` also deletes the requests for texts that you sent me.
        """
        await ctx.defer(ephemeral=True)
        terms = await self._terms(ctx)
        servers = await self._servers("optout", ctx.guild, ctx.author, _request(ctx), to_refuse=True)
        taken = await self._withdraw(servers, ctx.author, "optout")
        closing = f"`{terms.prefix}forget-me` also deletes the requests for texts that you sent me."
        is_told = await answer_privately(ctx, embed=embeds.withdrawn("You opted out", taken, closing, terms))
        await note_sent(ctx, f"Done. {SENT}" if is_told else f"Done. `/{ctx.command}` would tell you the details.")

    @_privacy_command("forget-me", about="Have me forget you: your words, and what you asked me for", direct=True)
    async def forget_me(self, ctx: Context) -> None:
        """Have me forget you, after asking: as `optout`, and the requests for texts that you sent me are deleted.

        I confirm what was taken out, and by when models that learned it are made again without it, or deleted. In a
        direct message it counts for all servers.
        """
        await ctx.defer(ephemeral=True)
        terms = await self._terms(ctx)
        servers = await self._servers("forget-me", ctx.guild, ctx.author, _request(ctx), to_refuse=True)
        question: dict[str, Any] = {
            "embed": embeds.forget_question(list(map(self._name_of, servers)), terms),
            "view": embeds.forget_buttons(ctx.guild.id if ctx.guild is not None else 0, ctx.author.id),
        }
        if await answer_privately(ctx, **question):
            await note_sent(ctx)
        else:  # nobody must need a slash command to be forgotten
            await ctx.send(NOT_SENT, **question)

    async def _forget(self, press: Press) -> None:
        """Withdraw a member as `optout` does, delete their requests, and confirm it.

        Raises UserError: it is too late, or the bot is not in that server any more.
        """
        user, terms = press.interaction.user, await self._terms(press)
        _asked_at(press, f"Ask again: `{terms.prefix}forget-me`.")
        guild_id = int(press["guild"])
        guild = self.core.bot.get_guild(guild_id)
        if guild_id and guild is None:
            raise UserError("I'm not in that server any more.", f"`{terms.prefix}forget-me` here is about all servers.")
        servers = await self._servers("forget", guild, user, press.interaction.id, to_refuse=True)
        taken = await self._withdraw(servers, user, "forget-me")
        requests = await self.member_data.forget_requests(user.id, servers)
        log.info("member_forgotten", user_id=user.id, guilds=len(servers), requests=requests)
        closing = (
            f"I deleted {count(requests, 'request')} of yours or with your words. `{terms.prefix}privacy` shows what "
            "is left: your no, trainings, and models of books and files."
        )
        confirmation = embeds.withdrawn("I forgot you", taken, closing, terms)
        if press.interaction.guild_id is None or press.is_private:
            await press.update(embed=confirmation, view=None)
        else:  # others can read where the question stands
            await press.update(embed=discord.Embed(description="Done.", colour=GREEN), view=None)
            await press.interaction.followup.send(embed=confirmation, ephemeral=True)

    async def _withdraw(self, servers: Sequence[int], user: User, why: str) -> list[tuple[str, Withdrawal]]:
        """Withdraw a member in some servers; return what that concerns, with each server's name."""
        return [
            (self._name_of(guild_id), await self.withdrawals.withdraw(guild_id, user.id, why=why))
            for guild_id in servers
        ]

    # ------------------------------------------------------------------ privacy, export-data

    @_privacy_command("privacy", about="What I store about you, and where it is used", direct=True)
    async def privacy(self, ctx: Context) -> None:
        """Show what I store about you: whether you agreed, and the models that learned from your words.

        In a direct message it tells of all servers. Only you see the answer.
        """
        await ctx.defer(ephemeral=True)
        terms, servers = await self._terms(ctx), await self._servers("privacy", ctx.guild, ctx.author, _request(ctx))
        stored = [await self.member_data.in_server(guild_id, ctx.author) for guild_id in servers[:_MOST_PAGES]]
        pages = [embeds.privacy_page(data, terms) for data in stored] or [embeds.nothing_stored(terms)]
        more = len(servers) - len(pages)
        content = f"And {count(more, 'more server')}: `{terms.prefix}export-data` tells of all." if more > 0 else None
        await tell_privately(ctx, content=content, embed=pages[0])
        for page in pages[1:]:  # only in a direct message
            await ctx.send(embed=page, ephemeral=True)

    @_privacy_command("export-data", about="Get all that I store about you as a file", direct=True)
    async def export_data(self, ctx: Context) -> None:
        """Get all that I store about you, in all servers, as a JSON file that only you see."""
        await ctx.defer(ephemeral=True)
        with self.core.access.start_cooldown("data", 0, ctx.author.id, _EXPORT_EVERY_S, request=_request(ctx)):
            files, left_out = await export(self.member_data, ctx.author)
            content = "This is all that I store about you. Not in it:\n" + "\n".join(f"- {part}" for part in left_out)
            if len(files) > 1:
                content += f"\nIt comes in {len(files)} pieces: put together in order, they are one `.gz` file."
            await tell_privately(ctx, content=content, file=files[0])
            for file in files[1:]:
                await answer_privately(ctx, file=file)

    # ------------------------------------------------------------------ allow-training

    @hybrid_command(
        "allow-training [#CHANNEL [off]]",
        ("allow-training #general", "allow-training #general off", "allow-training"),
        about="Let models learn a channel's messages, as its members decide",
        heading="This server",
        anywhere=True,
        admin=True,
    )
    @app_commands.describe(
        channel="A channel that you can see; without one, I list those that are allowed",
        state="`off` takes it back and deletes the models of it",
    )
    async def allow_training(
        self, ctx: Context, channel: str | None = None, state: Literal["on", "off"] = "on"
    ) -> None:
        """Let members train models on a channel's messages. Each member decides whether theirs are learned.

        I tell the channel's members what it means and how to opt in or out. `off` takes it back: models that
        learned there are deleted at once. Without a channel I list those that are allowed.
        """
        await ctx.defer(ephemeral=True)
        access.require_admin(ctx.author)
        assert isinstance(ctx.author, discord.Member)
        guild = ctx.author.guild
        terms = Terms(self.core.settings, await self.core.servers.prefix(guild.id))
        allowed = await self.consents.allowed(guild.id)
        if channel is None:
            agreed = len((await self.consents.of(guild.id)).agreed)
            await ctx.send(embed=embeds.allowed_channels(allowed, agreed, terms), ephemeral=True)
        elif state == "on":
            await ctx.send(await self._allow(_room(ctx.author, channel), ctx.author.id, terms), ephemeral=True)
        else:  # also a channel that is gone, or hidden from this admin, if they name it by its id
            channel_id = access.channel_number(channel)
            if channel_id is None or channel_id not in allowed:
                channel_id = _room(ctx.author, channel).id
            await self.consents.disallow(guild.id, channel_id, ctx.author.id)
            try:
                deleted = await self.withdrawals.forget_disallowed(guild.id)
            except redis.RedisError:
                self.core.chores.add(self.withdrawals.forget_disallowed, guild.id)
                raise
            models = f" I deleted {count(deleted, 'model')} of it." if deleted else ""
            await ctx.send(f"I don't learn from <#{channel_id}> now.{models}", ephemeral=True)

    @allow_training.autocomplete("channel")
    async def _channels(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        visible = access.visible_channels(interaction.guild, interaction.user)
        rooms = [(f"#{channel.name}", str(channel.id)) for channel in visible if isinstance(channel, Room)]
        return choices(rooms, typed.strip().removeprefix("#"))

    async def _allow(self, channel: Room, by: int, terms: Terms) -> str:
        """Allow a channel, and tell its members there. Return what to tell the admin.

        Raises UserError: the operator has turned it off, or the bot may not read the channel or not write there; or
        DISCORD_ERRORS.
        """
        self.sources.require_on()
        require_readable(channel)
        if channel.id in await self.consents.allowed(channel.guild.id):
            # Not its name: a mention shows it only to those who see the channel.
            off = as_typed(terms.prefix, "allow-training", "channel", "#CHANNEL", "state", "off")
            return f"{channel.mention} is already allowed. `{off}` takes it back."
        if not isinstance(channel, discord.ForumChannel):  # there is no place in it that everybody looks at
            access.require_all(channel.permissions_for(channel.guild.me), channel)
            await channel.send(embed=embeds.notice(channel.guild.name, terms))
        await self.consents.allow(channel.guild.id, channel.id, by)  # after the notice: it may come twice, never not
        members = "members who said yes" if terms.mode == "opt-in" else "members who didn't say no"
        answer = f"I may now learn from {channel.mention} and its public threads, from {members}"
        train = as_typed(terms.prefix, "train", "source", "#CHANNEL")
        if terms.mode == "opt-in" and not (await self.consents.of(channel.guild.id)).agreed:
            answer += f". Nobody has agreed yet: ask members to use `{terms.prefix}optin`. Then `{train}` works."
        else:
            answer += f": `{train}`."
        if not isinstance(channel, discord.ForumChannel):
            return f"{answer} I told its members there."
        return f"{answer}\n⚠️ Please tell its members about `{terms.prefix}optin` and `{terms.prefix}optout`."

    # ------------------------------------------------------------------ terms and servers

    async def _terms(self, where: Context | Press) -> Terms:
        """Return the terms. Their prefix is that of the place of a private answer: the channel, or direct messages."""
        guild_id = where.interaction.guild_id if where.interaction is not None else None
        return Terms(self.core.settings, await self.core.servers.prefix(guild_id))

    async def _servers(
        self, what: CooldownName, guild: discord.Guild | None, user: User, request: int, *, to_refuse: bool = False
    ) -> list[int]:
        """Find the server where a command is given; in a direct message, all as of `MemberDataService.servers_of`.

        Raises TooSoon: these are looked up once in a while, since every server is asked.
        """
        if guild is not None:
            return [guild.id]
        with self.core.access.start_cooldown(what, 0, user.id, EVERYWHERE_EVERY_S, request=request):
            return await self.member_data.servers_of(user, to_refuse=to_refuse)

    def _name_of(self, guild_id: int) -> str:
        guild = self.core.bot.get_guild(guild_id)
        return guild.name if guild is not None else f"Server {guild_id}"


def _request(ctx: Context) -> int:
    return (ctx.interaction or ctx.message).id


def _asked_at(press: Press, remedy: str) -> float:
    """Return when the question of a button was asked, in seconds since the epoch. Raises UserError: too long ago."""
    asked = press.interaction.message.created_at if press.interaction.message is not None else None
    if asked is None or discord.utils.utcnow() - asked > _ANSWER_WITHIN:
        raise UserError("This question is older than a day, so nothing was changed.", remedy)
    return asked.timestamp()


def _room(member: discord.Member, typed: str) -> Room:
    """Return the channel that was named. Raises UserError: none that both see, no messages, or a thread."""
    channel = access.require_channel(member.guild, member, typed)
    if not isinstance(channel, Room):
        raise UserError(f"I don't learn from {channel.mention}.", "I learn from text channels and forums.")
    return channel
