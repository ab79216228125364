"""What members and admins say about learning from messages, carried out: also behind buttons."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import discord
import structlog

from bot import cards
from bot.channels import embeds, held, sources
from bot.channels.embeds import Taken, Terms
from bot.channels.requests import forget_requests
from bot.failures import TRANSIENT
from bot.people import private
from shared.errors import UserError

if TYPE_CHECKING:
    from bot.channels.held import Person
    from bot.client import Galvanic

    Room = discord.TextChannel | discord.ForumChannel

_HOUR_S = 3_600.0

log = structlog.get_logger()


def terms_of(bot: Galvanic, prefix: str) -> Terms:
    """What the operator has set. `prefix`: what commands begin with where the text is read."""
    settings = bot.settings
    return Terms(
        mode=settings.channel_training,
        corpus_days=settings.channel_corpus_days,
        model_days=settings.channel_model_days,
        forget_hours=settings.forget_within_hours,
        prefix=prefix,
    )


# ---------------------------------------------------------------------- members


async def consent_question(bot: Galvanic, guild: discord.Guild, user: Person, prefix: str) -> discord.Embed:
    """What somebody agrees to, before they do.

    Raises:
        UserError: the operator has turned it off.
        redis.RedisError: Redis cannot be reached.
        discord.HTTPException: Discord is in trouble.
    """
    sources.require_on(bot)
    member = await held.member_in(guild, user)
    channels = [channel for channel in sorted(await bot.consents.allowed(guild.id)) if held.reads(member, channel)]
    said = await bot.consents.said(guild.id, user.id)
    return embeds.consent_question(guild.name, channels, said, terms_of(bot, prefix))


async def agree(
    bot: Galvanic, guild_id: int, user: Person, asked: datetime, pressed: int, prefix: str
) -> discord.Embed:
    """A member says yes.

    Args:
        bot: the bot.
        guild_id: the server, as a button says, which may be forged.
        user: who pressed it.
        asked: when the question was put to them.
        pressed: id of the interaction: Discord's time of their answer.
        prefix: what commands begin with where the answer is read.

    Raises:
        UserError: it is turned off, they are no member there, or they have said no since they were asked.
        redis.RedisError: Redis cannot be reached.
        discord.HTTPException: Discord is in trouble.
    """
    sources.require_on(bot)
    guild = bot.get_guild(guild_id)
    if guild is None or await held.member_in(guild, user) is None:
        raise UserError("You are no member of that server, or I am not there any more.", "Opt in where you are one.")
    before = await bot.consents.said(guild_id, user.id)
    if before is not None and before.state == "out" and before.at > asked.timestamp():
        raise UserError("You said no after this question.", f"If you want to agree, ask anew: `{prefix}optin`.")
    said = await bot.consents.agree(guild_id, user.id, pressed)
    return embeds.agreed(guild.name, said, terms_of(bot, prefix))


async def servers_here(
    bot: Galvanic, guild: discord.Guild | None, user: Person, *, to_refuse: bool = False
) -> list[int]:
    """The servers that somebody's command is about: the one where it is given; in a direct message, all of theirs.

    Args:
        bot: the bot.
        guild: where it is given.
        user: who gave it.
        to_refuse: as of `held.servers_of`.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    return [guild.id] if guild is not None else await held.servers_of(bot, user, to_refuse=to_refuse)


def name_of(bot: Galvanic, guild_id: int) -> str:
    """A server's name."""
    guild = bot.get_guild(guild_id)
    return guild.name if guild is not None else f"Server {guild_id}"


async def opt_out(bot: Galvanic, servers: Sequence[int], user: Person, prefix: str) -> discord.Embed:
    """A member says no: nothing is learned from them any more, and their words go.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    taken = [await _withdraw(bot, guild_id, user, "optout") for guild_id in servers]
    return embeds.opted_out(taken, _due(bot), terms_of(bot, prefix))


async def forget(bot: Galvanic, servers: Sequence[int], user: Person, prefix: str) -> discord.Embed:
    """As `opt_out`, and what they asked for goes as well; `confirm` is to follow.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    taken = [await _withdraw(bot, guild_id, user, "forget-me") for guild_id in servers]
    requests = await forget_requests(bot.redis, user.id, servers)
    log.info("member_forgotten", user_id=user.id, guilds=len(servers), requests=requests)
    return embeds.forgotten(taken, requests, _due(bot), terms_of(bot, prefix))


async def confirm(user: Person, done: discord.Embed) -> None:
    """Send somebody as a direct message what was done; they have seen it already where they asked."""
    try:
        await private.write_to(user, embed=done)
    except (discord.HTTPException, *TRANSIENT) as error:
        log.warning("confirmation_not_sent", user_id=user.id, error=type(error).__name__)


async def _withdraw(bot: Galvanic, guild_id: int, user: Person, why: str) -> Taken:
    done = await bot.withdrawals.withdraw(guild_id, [user.id], why=why)
    return Taken(name_of(bot, guild_id), done.transcripts, done.lines, tuple(model.name for model in done.models))


def _due(bot: Galvanic) -> float:
    return time.time() + _HOUR_S * bot.settings.forget_within_hours


# ---------------------------------------------------------------------- admins


async def allow(bot: Galvanic, channel: Room, by: discord.Member, prefix: str) -> str:
    """An admin allows a channel; its members are told there.

    Returns:
        What to tell the admin.

    Raises:
        UserError: the operator has turned it off, or the bot may not read the channel.
        redis.RedisError: Redis cannot be reached.
    """
    sources.require_on(bot)
    sources.require_readable(channel)
    guild = channel.guild
    if channel.id in await bot.consents.allowed(guild.id):
        return f"{channel.mention} is already allowed. `{prefix}allow-training #{channel.name} off` takes it back."
    await bot.consents.allow(guild.id, channel.id, by.id)
    who = "members who said yes" if bot.settings.channel_training == "opt-in" else "members who didn't say no"
    said = (
        f"I may now learn from {channel.mention} and its public threads, from {who}: `{prefix}train #{channel.name}`."
    )
    if await _post_notice(bot, channel, prefix):
        return f"{said} I told its members there."
    told = f"I couldn't post a notice there: please tell its members about `{prefix}optin` and `{prefix}optout`."
    return f"{said}\n⚠️ {told}"


async def _post_notice(bot: Galvanic, channel: Room, prefix: str) -> bool:
    if isinstance(channel, discord.ForumChannel):  # there is no place in it that everybody looks at
        return False
    try:
        await channel.send(embed=embeds.notice(channel.guild.name, terms_of(bot, prefix)))
    except (discord.HTTPException, *TRANSIENT) as error:
        log.info("notice_not_posted", channel_id=channel.id, error=type(error).__name__)
        return False
    return True


async def disallow(bot: Galvanic, guild_id: int, channel_id: int, by: int, prefix: str, here: Sequence[int]) -> str:
    """An admin takes it back: readings end, and what is stored of the channel goes.

    Args:
        bot: the bot.
        guild_id: the server.
        channel_id: what is taken back.
        by: the admin.
        prefix: what commands begin with there.
        here: where the answer is read, maybe by others: the channel, and for a thread also its parent.

    Returns:
        What to tell the admin.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    was = await bot.consents.disallow(guild_id, channel_id, by)
    bot.dispatch("training_disallowed", guild_id, channel_id)
    dropped = 0
    for transcript in await bot.transcripts.all(guild_id):
        if transcript.info.channel_id == channel_id and await bot.transcripts.has_text(transcript.transcript_id):
            await bot.transcripts.drop_text(transcript.transcript_id)
            dropped += 1
    log.info("words_of_channel_dropped", guild_id=guild_id, channel_id=channel_id, transcripts=dropped)
    if not was and not dropped:
        return f"<#{channel_id}> wasn't allowed."
    models = [model for model in await bot.registry.all(guild_id) if channel_id in model.heard]
    said = f"I no longer learn from <#{channel_id}>, and what was stored of it is gone."
    if models:
        shown = [f"`{model.name}`" for model in bot.registry.among(guild_id, here, models)[:10]]
        hidden = len(models) - len(shown)
        names = " and ".join(filter(None, (", ".join(shown), f"{hidden} more" if shown and hidden else "")))
        which = names or cards.count(hidden, "model")
        said += f" Models that learned from it stay until somebody deletes them: {which}. `{prefix}model delete` does."
    return said
