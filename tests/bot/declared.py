"""All that the bot declares: slash commands with what each must be given, and ids of all its controls."""

import functools
import re
from collections.abc import Mapping
from typing import Any

import discord
from discord import AppCommandOptionType as Type, app_commands
from hypothesis import Phase, find, settings, strategies as st
from simcord.backend.models import Interaction

from bot.app import Galvanic
from galvanic.errors import UserError
from tests.bot.ids import LAB
from tests.bot.live import Live

_GIVEN: dict[Type, Any] = {Type.string: "the sea", Type.channel: LAB}


def slash_commands(bot: Galvanic) -> dict[str, dict[str, Any]]:
    """Return the full name of each slash command, with values of the options that it cannot do without."""
    commands = bot.tree.walk_commands(type=discord.AppCommandType.chat_input)
    return {one.qualified_name: _required(one) for one in commands if isinstance(one, app_commands.Command)}


def _required(command: app_commands.Command[Any, ..., Any]) -> dict[str, Any]:
    return {option.display_name: _value(option) for option in command.parameters if option.required}


def _value(option: app_commands.Parameter) -> Any:
    if option.choices:
        return option.choices[0].value
    return _GIVEN.get(option.type, option.min_value)


def call_each(live: Live) -> dict[str, Interaction]:
    """Call every slash command in #lab: Ben, who is no admin, or Ada, if only she may. By its name."""
    called = {}
    for command, options in slash_commands(live.bot).items():
        try:
            called[command] = live.slash("ben", command, **options)
        except UserError:
            called[command] = live.slash("ada", command, **options)
    return called


def custom_ids(bot: Galvanic, about: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an id of a control for each of the bot's actions. `about`: by pattern of an argument (`bot.components`),
    what is there; the others are about nothing."""
    made = {}
    for name, action in bot.core.components.actions.items():
        pattern = action.arguments
        for argument, value in (about or {}).items():
            pattern = pattern.replace(argument, re.escape(value))
        made[name] = ":".join(filter(None, ("galvanic", name, _argument(pattern))))
    return made


def options_with_choices(bot: Galvanic) -> list[tuple[str, str]]:
    """Return the command and the name of each option for which the bot offers choices while somebody types."""
    commands = bot.tree.walk_commands(type=discord.AppCommandType.chat_input)
    leaves = (one for one in commands if isinstance(one, app_commands.Command))
    return [
        (one.qualified_name, option.display_name) for one in leaves for option in one.parameters if option.autocomplete
    ]


@functools.cache
def _argument(pattern: str) -> str:
    options = settings(phases=[Phase.generate], derandomize=True, database=None)
    return find(st.from_regex(pattern, fullmatch=True), lambda made: len(made) < 60, settings=options)
