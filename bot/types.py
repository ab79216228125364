"""Types that many modules share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import discord
from discord.ext import commands

Send = Callable[..., Awaitable[Any]]
"""A `send` of discord.py's: a channel's, a context's or a follow-up's, perhaps with some options filled in."""
Context = commands.Context[commands.Bot]
User = discord.User | discord.Member
