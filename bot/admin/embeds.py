"""How a server's settings and the greeting look. Pure functions: data in, embed out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import discord

from bot.escape import AMBER, BLURPLE, FIELD_LIMIT, plain
from bot.servers.settings import GuildSettings
from shared.units import MEGABYTE

_MOST_SHOWN = 12


class Limits(NamedTuple):
    """A number that applies in a server, and the most that the operator allows."""

    now: float
    most: float


class Quotas(NamedTuple):
    jobs_per_user: Limits
    jobs_per_server: Limits
    disk_mb: Limits


def settings_panel(
    guild: discord.Guild, own: GuildSettings, quotas: Quotas, prefix: str, stored_bytes: int
) -> discord.Embed:
    embed = discord.Embed(
        title=f"Settings of {plain(guild.name)}",
        description="Changes apply at once. Members with Manage Server may do everything, everywhere.",
        colour=BLURPLE,
    )
    embed.add_field(name="Who may train", value=_roles(guild, own.train_roles))
    embed.add_field(name="Who may generate texts", value=_roles(guild, own.generate_roles))
    embed.add_field(name="Where I may be used", value=_channels(guild, own.channels), inline=False)
    a_person, all_together, disk = quotas
    jobs = f"{a_person.now:g} per person, {all_together.now:g} in the whole server"
    embed.add_field(
        name="Trainings at once (waiting included)",
        value=_within(jobs, f"{a_person.most:g} and {all_together.most:g}", a_person, all_together),
        inline=False,
    )
    room = _within(f"{disk.now:,g} MB", f"{disk.most:,g} MB", disk)
    in_use = f"{stored_bytes / MEGABYTE:,.1f} MB are in use"
    embed.add_field(name="Disk for models", value=f"{room}; {in_use}", inline=False)
    embed.add_field(name="Command prefix", value=f"`{prefix}`, as in `{prefix}help`", inline=False)
    entries = f"{len(own.blocklist):,} " + ("entry" if len(own.blocklist) == 1 else "entries")
    embed.add_field(
        name="Blocked words",
        value=f"{entries}; the button **Blocklist** shows them" if own.blocklist else "None",
        inline=False,
    )
    return embed


def settings_reset_question(guild: discord.Guild) -> discord.Embed:
    return discord.Embed(
        title="Reset all settings?",
        description=(
            f"Everybody in {plain(guild.name)} may then train and generate texts in every "
            "channel, the quotas and the prefix go back to their defaults, and the blocklist is emptied. "
            "Models stay as they are."
        ),
        colour=AMBER,
    )


def _within(said: str, most: str, *limits: Limits) -> str:
    if all(limit.now == limit.most for limit in limits):
        return f"{said} (the maximum)"
    return f"{said} (at most {most})"


def _roles(guild: discord.Guild, ids: Iterable[int]) -> str:
    roles = [role.mention for role_id in ids if (role := guild.get_role(role_id)) is not None]
    return _some(roles, "members with") if list(ids) else "Everyone"


def _channels(guild: discord.Guild, ids: Iterable[int]) -> str:
    places = [place.mention for place_id in ids if (place := guild.get_channel_or_thread(place_id)) is not None]
    threads = " and its threads" if len(places) == 1 else " and their threads"
    return _some(places, "only in", threads) if list(ids) else "In every channel"


def _some(mentions: list[str], before: str, after: str = "") -> str:
    if not mentions:
        return "Admins only: what was chosen no longer exists"
    more = f" and {len(mentions) - _MOST_SHOWN} more" if len(mentions) > _MOST_SHOWN else ""
    said = f"{before} {', '.join(mentions[:_MOST_SHOWN])}{more}{after}"
    return (said[:1].upper() + said[1:])[:FIELD_LIMIT]


def welcome(prefix: str, taste_minutes: float, minutes: float) -> discord.Embed:
    """`minutes`: of a training that nobody gives a time."""
    return discord.Embed(
        title="Hello! I learn to write from any text, and talk back in its voice",
        description=(
            f"**A first taste:** press the button, and I read *Frankenstein* for {taste_minutes:g} minutes while you "
            f"watch. Then you can make me write. It takes about {taste_minutes + 1:g} minutes in all; if I can't "
            "fetch the book, I read Python's manual instead, which needs no internet.\n\n"
            f"**Then:** `{prefix}train frankenstein` reads for {minutes:g} minutes and writes better. Attach a `.txt` "
            f"file to `{prefix}train` to have me learn a text of yours. `{prefix}help` shows all I can do."
        ),
        colour=BLURPLE,
    )
