"""Command options as people type them: `--random-seed 7 --keep-licence`."""

from __future__ import annotations

import difflib
import re
from typing import Any, get_args

from discord.ext import commands

from shared.errors import UserError

_OPTION = re.compile(r"(?:^|(?<=\s))--([A-Za-z][\w-]*)")
_SWITCH_VALUES = frozenset(
    {"yes", "no", "y", "n", "true", "false", "t", "f", "1", "0", "on", "off", "enable", "disable"}
)


class Options(commands.FlagConverter, prefix="--", delimiter=" "):
    """A `FlagConverter` that takes dashes in names, bare switches, and refuses options it does not know.

    discord.py allows no `-` in a flag's name when the prefix has one, and it takes a mistyped option for a part of
    the text before it.
    """

    free_text = False  # not annotated: discord.py takes every annotation for a flag
    """The positional part is prose, where dashes may stand: only a near miss of an option is refused there."""

    @classmethod
    def parse_flags(cls, argument: str, *, ignore_extra: bool = True) -> dict[str, list[str]]:
        """Split what was typed into options and values.

        Raises:
            UserError: an option that this command does not have.
            commands.MissingFlagArgument: an option without its value.
            commands.BadFlagArgument: a value that is not the number it should be.
        """
        pieces: list[str] = []
        last = 0
        for match in _OPTION.finditer(argument):
            name = match[1].lower().replace("-", "_")
            flag = cls.get_flags().get(name)
            if flag is None:
                cls._refuse(match[1])
                continue
            pieces += [argument[last : match.start()], f"--{name}"]
            last = match.end()
            following = argument[last:].split(maxsplit=1)
            if flag.annotation is bool and not (following and following[0].lower() in _SWITCH_VALUES):
                pieces.append(" yes")
            elif not following:
                raise commands.MissingFlagArgument(flag)
        pieces.append(argument[last:])
        parsed = super().parse_flags("".join(pieces), ignore_extra=ignore_extra)
        for name, values in parsed.items():
            _check_numbers(cls.get_flags()[name], values)
        return parsed

    @classmethod
    def _refuse(cls, typed: str) -> None:
        names = [_shown(flag) for flag in cls.get_flags().values() if not flag.positional]
        near = difflib.get_close_matches(typed.lower(), names, n=1, cutoff=0.7)
        if near or not cls.free_text:
            remedy = f"Did you mean `--{near[0]}`?" if near else f"It has {', '.join(f'`--{n}`' for n in names)}."
            raise UserError(f"This command has no option `--{typed[:40]}`.", remedy)

    @classmethod
    def described(cls) -> list[tuple[str, str]]:
        """Each option as it is typed, with its description."""
        return [
            (flag.name if flag.positional else f"--{_shown(flag)}", str(flag.description))
            for flag in cls.get_flags().values()
        ]


def _check_numbers(flag: commands.Flag, values: list[str]) -> None:
    """discord.py does not say which option it was, when the option may be absent."""
    kind: type | None = next((number for number in (int, float) if number in get_args(flag.annotation)), None)
    if kind is None:
        return
    for value in values:
        try:
            kind(value)
        except ValueError as error:
            raise commands.BadFlagArgument(flag, value, error) from error


def _shown(flag: Any) -> str:
    return str(flag.name).replace("_", "-")
