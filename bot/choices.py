"""Autocomplete choices, within Discord's limits."""

from __future__ import annotations

from collections.abc import Iterable

from discord import app_commands

MOST = 25
"""Discord's limit: of the choices offered while somebody types, of a menu's options, and of what one menu takes."""
_LONGEST = 100  # Discord's


def choices(names: Iterable[str], typed: str) -> list[app_commands.Choice[str]]:
    """The names to offer while somebody types one: those that contain what is there so far."""
    wanted = typed.strip().lower()
    near = (name for name in names if wanted in name.lower() and len(name) <= _LONGEST)
    return [app_commands.Choice(name=name, value=name) for name in near][:MOST]
