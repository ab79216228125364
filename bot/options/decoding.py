"""Half a character is nobody's text: nothing can store it or send it on."""

from __future__ import annotations

from typing import Any, TypeVar

import discord
from discord import app_commands

_D = TypeVar("_D")


def whole(data: _D) -> _D:
    """The same data, with U+FFFD in all its texts for each lone surrogate; JSON lets these through."""
    made: Any = data
    match data:
        case str() if not data.isascii():
            made = data.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            made = {name: whole(value) for name, value in data.items()}
        case list():
            made = [whole(value) for value in data]
    return made  # type: ignore[no-any-return]


class Tree(app_commands.CommandTree[Any]):
    """The slash commands; their options hold whole characters only."""

    async def interaction_check(self, interaction: discord.Interaction[Any], /) -> bool:
        """Called by discord.py before it reads the options."""
        interaction.data = whole(interaction.data)
        return True
