"""Types that many modules share."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

import discord
from discord import app_commands
from discord.ext import commands

Send = Callable[..., Awaitable[Any]]
"""Method `send` of a channel, a context or a follow-up, perhaps with some options filled in."""
Command = commands.Command[Any, ..., Any]
Context = commands.Context[commands.Bot]
User = discord.User | discord.Member
Heading = Literal["Training", "Generating", "Playing", "Models", "Running trainings", "Your privacy", "This server"]
"""Headings of the first page of `help`, in their order."""


def hybrid_command(
    usage: str,
    examples: Sequence[str] = (),
    *,
    about: str,
    heading: Heading,
    direct: bool = False,
    anywhere: bool = False,
    admin: bool = False,
    **options: Any,
) -> Callable[[Callable[..., Any]], commands.HybridCommand[Any, ..., Any]]:
    """Declare a command, with all that help and checks need to know of it.

    Args:
        usage: how it is typed, without the prefix; it begins with the command's name.
        examples: more of that.
        about: its description, of up to 100 characters; its docstring is its page in `help`.
        heading: where it stands on the first page of `help`.
        direct: whether it works in direct messages, too. Most work on a server's models, jobs or settings.
        anywhere: whether it works in channels where the server's admins don't want the bot, too, because it shows or
            changes settings, or is a member's right, and uses no model.
        admin: whether it is for members with Manage Server.
        **options: as of discord.py's decorator.
    """
    extras = {
        "usage": usage,
        "examples": examples,
        "heading": heading,
        "direct": direct,
        "anywhere": anywhere,
        "admin": admin,
    }
    decorate: Any = commands.hybrid_command(name=usage.split()[0], extras=extras, description=about, **options)

    def declare(work: Callable[..., Any]) -> commands.HybridCommand[Any, ..., Any]:
        if not direct:
            work = commands.guild_only()(work)
        if admin:
            work = app_commands.default_permissions(manage_guild=True)(work)
        return decorate(work)  # type: ignore[no-any-return]

    return declare


# discord.py's decorator under types that mypy can follow: it infers `Never` from its own.
hybrid_group: Callable[..., Callable[[Callable[..., Any]], commands.HybridGroup[Any, ..., Any]]] = commands.hybrid_group
