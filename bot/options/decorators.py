"""discord.py's hybrid decorators under types that mypy can follow (it infers `Never` from their own)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from discord.ext import commands

hybrid_command: Callable[..., Callable[[Callable[..., Any]], commands.HybridCommand[Any, ..., Any]]]
hybrid_command = commands.hybrid_command
hybrid_group: Callable[..., Callable[[Callable[..., Any]], commands.HybridGroup[Any, ..., Any]]]
hybrid_group = commands.hybrid_group
