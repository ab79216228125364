"""Types that many modules share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

Send = Callable[..., Awaitable[Any]]
"""`send` of a channel, a context or a follow-up, perhaps with some options filled in."""
Command = commands.Command[Any, ..., Any]
Context = commands.Context[commands.Bot]
User = discord.User | discord.Member


def hybrid_command(
    usage: str, examples: Sequence[str] = (), *, about: str, direct: bool = False, admin: bool = False, **options: Any
) -> Callable[[Callable[..., Any]], commands.HybridCommand[Any, ..., Any]]:
    """The decorator of a command, whose name `usage` begins with; `about` is its description.

    `direct`: it works in direct messages, too; `admin`: it is for members with Manage Server.
    """
    extras = {"usage": usage, "examples": examples, "admin": admin}
    made: Any = commands.hybrid_command(name=usage.split()[0], extras=extras, description=about, **options)

    def declare(work: Callable[..., Any]) -> commands.HybridCommand[Any, ..., Any]:
        if not direct:
            work = commands.guild_only()(work)
        if admin:
            work = app_commands.default_permissions(manage_guild=True)(work)
        return made(work)  # type: ignore[no-any-return]

    return declare


# discord.py's decorator under types that mypy can follow: it infers `Never` from its own.
hybrid_group: Callable[..., Callable[[Callable[..., Any]], commands.HybridGroup[Any, ..., Any]]] = commands.hybrid_group
