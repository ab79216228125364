"""What members and admins say about learning from messages, carried out: for commands, and buttons under questions.

Any method raises `redis.RedisError` while Redis cannot be reached.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import discord
import structlog

from bot import words
from bot.background import DISCORD_ERRORS
from bot.channels import embeds
from bot.channels.consent import ConsentStore
from bot.channels.embeds import Taken, Terms
from bot.channels.held import Holdings, Person, member_in
from bot.channels.sources import Room, Sources, reads, require_readable
from bot.channels.withdrawals import Withdrawals
from bot.components import GUILD, USER, Components, Press
from bot.models.registry import Registry
from bot.responder import write_to
from bot.servers.settings import GuildSettingsStore
from shared.errors import UserError
from shared.settings import Settings
from shared.units import count

_ANSWER_WITHIN = timedelta(hours=24)
"""How long a question can be answered: the terms may be others later."""
_HOUR_S = 3_600.0

log = structlog.get_logger()


@dataclass(frozen=True)
class Rights:
    client: discord.Client
    settings: Settings
    servers: GuildSettingsStore
    sources: Sources
    consents: ConsentStore
    registry: Registry
    withdrawals: Withdrawals
    holdings: Holdings

    def register(self, components: Components) -> None:
        anybody: dict[str, Any] = {"who": "anybody", "how": "update", "owner": True}
        components.add("optin", self.agree, f"{GUILD}:{USER}", **anybody)
        components.add("forget-me", self.forget, f"{GUILD}:{USER}", **anybody)
        components.add("privacy-not", self.decline, USER, **anybody)

    def terms(self, prefix: str) -> Terms:
        return Terms(self.settings, prefix)

    # ------------------------------------------------------------------ members

    async def question(self, guild: discord.Guild, user: Person, prefix: str) -> discord.Embed:
        """Raises UserError: the operator has turned it off; discord.HTTPException: Discord is in trouble."""
        self.sources.require_on()
        member = await member_in(guild, user)
        allowed = sorted(await self.consents.allowed(guild.id))
        channels = [channel_id for channel_id in allowed if reads(member, guild.get_channel(channel_id))]
        said = await self.consents.said(guild.id, user.id)
        return embeds.consent_question(guild.name, channels, said, self.terms(prefix))

    async def agree(self, press: Press) -> None:
        """Raises UserError: it is turned off, they are no member there, have said no since they were asked, or are too
        late; discord.HTTPException: Discord is in trouble.
        """
        user, prefix = press.interaction.user, await self._prefix(press)
        asked = _asked_at(press, f"{prefix}optin")
        self.sources.require_on()
        guild = self.client.get_guild(int(press["guild"]))
        if guild is None or await member_in(guild, user) is None:
            problem = "You are no member of that server, or I am not there any more."
            raise UserError(problem, "Opt in where you are one.")
        before = await self.consents.said(guild.id, user.id)
        if before is not None and before.state == "out" and before.at > asked:
            raise UserError("You said no after this question.", f"If you want to agree, ask anew: `{prefix}optin`.")
        said = await self.consents.agree(guild.id, user.id, press.interaction.id)
        await press.update(embed=embeds.agreed(guild.name, said, self.terms(prefix)), view=None)

    async def decline(self, press: Press) -> None:
        """Raises UserError: it is too late."""
        _asked_at(press, f"{await self._prefix(press)}privacy")
        await press.update(embed=embeds.not_agreed(), view=None)

    async def servers_here(self, guild: discord.Guild | None, user: Person, *, to_refuse: bool = False) -> list[int]:
        """The server where a command is given; in a direct message, as of `Holdings.servers_of`."""
        return [guild.id] if guild is not None else await self.holdings.servers_of(user, to_refuse=to_refuse)

    def name_of(self, guild_id: int) -> str:
        guild = self.client.get_guild(guild_id)
        return guild.name if guild is not None else f"Server {guild_id}"

    async def opt_out(self, servers: Sequence[int], user: Person, prefix: str) -> discord.Embed:
        """Nothing is learned from them any more, and their words go."""
        taken = [await self._withdraw(guild_id, user, "optout") for guild_id in servers]
        return embeds.opted_out(taken, self._due(), self.terms(prefix))

    async def forget(self, press: Press) -> None:
        """As `opt_out`, and their requests are deleted; confirmed by a direct message.

        Raises UserError: it is too late, or the bot is not in that server any more.
        """
        user, prefix = press.interaction.user, await self._prefix(press)
        _asked_at(press, f"{prefix}forget-me")
        guild_id = int(press["guild"])
        guild = self.client.get_guild(guild_id)
        if guild_id and guild is None:
            raise UserError("I'm not in that server any more.", f"`{prefix}forget-me` here is about all servers.")
        servers = await self.servers_here(guild, user, to_refuse=True)
        taken = [await self._withdraw(one, user, "forget-me") for one in servers]
        requests = await self.holdings.forget_requests(user.id, servers)
        log.info("member_forgotten", user_id=user.id, guilds=len(servers), requests=requests)
        done = embeds.forgotten(taken, requests, self._due(), self.terms(prefix))
        if press.interaction.guild_id is None or press.is_private:
            await press.update(embed=done, view=None)
        else:  # others can read where the question stands
            await press.update(embed=discord.Embed(description="Done.", colour=words.GREEN), view=None)
            await press.interaction.followup.send(embed=done, ephemeral=True)
        if press.interaction.guild_id is not None or press.is_private:  # else it stands in the direct messages for good
            try:
                await write_to(user, embed=done)
            except DISCORD_ERRORS as error:
                log.warning("confirmation_not_sent", user_id=user.id, error=type(error).__name__)

    async def _prefix(self, press: Press) -> str:
        return await self.servers.prefix(press.interaction.guild_id)

    async def _withdraw(self, guild_id: int, user: Person, why: str) -> Taken:
        done = await self.withdrawals.withdraw(guild_id, [user.id], why=why)
        models = tuple(model.name for model in done.models)
        return Taken(self.name_of(guild_id), done.transcripts, done.lines, models)

    def _due(self) -> float:
        return time.time() + _HOUR_S * self.settings.forget_within_hours

    # ------------------------------------------------------------------ admins

    async def allowed(self, guild_id: int, prefix: str) -> discord.Embed:
        agreed = len((await self.consents.of(guild_id)).agreed)
        return embeds.allowed_channels(await self.consents.allowed(guild_id), agreed, self.terms(prefix))

    async def is_allowed(self, guild_id: int, channel_id: int) -> bool:
        """Also when the channel is gone."""
        return channel_id in await self.consents.allowed(guild_id)

    async def allow(self, channel: Room, by: discord.Member, prefix: str) -> str:
        """Allow a channel, and tell its members there; what to tell the admin.

        Raises UserError: the operator has turned it off, or the bot may not read the channel.
        """
        self.sources.require_on()
        require_readable(channel)
        guild = channel.guild
        if await self.is_allowed(guild.id, channel.id):
            return f"{channel.mention} is already allowed. `{prefix}allow-training #{channel.name} off` takes it back."
        await self.consents.allow(guild.id, channel.id, by.id)
        asked = self.settings.channel_training == "opt-in"
        who = "members who said yes" if asked else "members who didn't say no"
        train = f"`{prefix}train #{channel.name}`"
        said = f"I may now learn from {channel.mention} and its public threads, from {who}: {train}."
        if await self._post_notice(channel, prefix):
            return f"{said} I told its members there."
        told = f"I couldn't post a notice there: please tell its members about `{prefix}optin` and `{prefix}optout`."
        return f"{said}\n⚠️ {told}"

    async def _post_notice(self, channel: Room, prefix: str) -> bool:
        if isinstance(channel, discord.ForumChannel):  # there is no place in it that everybody looks at
            return False
        try:
            await channel.send(embed=embeds.notice(channel.guild.name, self.terms(prefix)))
        except DISCORD_ERRORS as error:
            log.info("notice_not_posted", channel_id=channel.id, error=type(error).__name__)
            return False
        return True

    async def disallow(self, guild_id: int, channel_id: int, by: int, prefix: str, here: Sequence[int]) -> str:
        """Take an allowance back: imports end, and what is stored of the channel goes; what to tell the admin.

        `here`: where the answer is read, maybe by others: the channel, and for a thread also its parent.
        """
        was = await self.consents.disallow(guild_id, channel_id, by)
        dropped = await self.withdrawals.forbid(guild_id)
        if not was and not dropped:
            return f"<#{channel_id}> wasn't allowed."
        said = f"I no longer learn from <#{channel_id}>, and what was stored of it is gone."
        models = [model for model in await self.registry.all(guild_id) if channel_id in model.source_channels]
        if not models:
            return said
        shown = [f"`{model.name}`" for model in self.registry.among(guild_id, here, models)[:10]]
        hidden = len(models) - len(shown)
        names = " and ".join(filter(None, (", ".join(shown), f"{hidden} more" if shown and hidden else "")))
        stay = f"Models that learned from it stay until somebody deletes them: {names or count(hidden, 'model')}."
        return f"{said} {stay} `{prefix}model delete` does."


def _asked_at(press: Press, command: str) -> float:
    """When the question under a button was asked, seconds since the epoch. Raises UserError: too long ago."""
    asked = press.interaction.message.created_at if press.interaction.message is not None else None
    if asked is None or discord.utils.utcnow() - asked > _ANSWER_WITHIN:
        raise UserError("This question is older than a day, so nothing was changed.", f"Ask again: `{command}`.")
    return asked.timestamp()
