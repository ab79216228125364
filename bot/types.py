"""Types that many modules share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import discord
from discord.ext import commands

Send = Callable[..., Awaitable[Any]]
"""`send` of a channel, a context or a follow-up, perhaps with some options filled in."""
Context = commands.Context[commands.Bot]
User = discord.User | discord.Member

# discord.py's hybrid decorators under types that mypy can follow: it infers `Never` from their own.
hybrid_command: Callable[..., Callable[[Callable[..., Any]], commands.HybridCommand[Any, ..., Any]]] = (
    commands.hybrid_command
)
hybrid_group: Callable[..., Callable[[Callable[..., Any]], commands.HybridGroup[Any, ..., Any]]] = commands.hybrid_group
