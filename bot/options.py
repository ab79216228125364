"""Command options as people type them: `--random-seed 7 --keep-licence`."""

from __future__ import annotations

import difflib
import itertools
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
        known = cls.get_flags()
        places = []
        for match in _OPTION.finditer(argument):
            flag = known.get(match[1].lower().replace("-", "_"))
            if flag is None:
                cls._refuse(match[1])
            else:
                places.append((flag, match))
        text = [argument[: places[0][1].start()] if places else argument]
        parsed: dict[str, list[str]] = {}
        for (flag, match), following in itertools.zip_longest(places, places[1:]):
            value = argument[match.end() : following[1].start() if following else None].strip()
            if flag.annotation is bool and value.partition(" ")[0].lower() not in _SWITCH_VALUES:
                text.append(value)  # a bare switch: what follows it is not its value
                value = "yes"
            if not value:
                raise commands.MissingFlagArgument(flag)
            parsed.setdefault(flag.name, []).append(value)
        for name, values in parsed.items():
            _check_numbers(known[name], values)
        positional = next((flag for flag in known.values() if flag.positional), None)
        words = " ".join(part.strip() for part in text if part.strip())
        if words and positional is not None:
            parsed[positional.name] = [words]
        elif words and not ignore_extra:
            raise commands.TooManyArguments(f"Too many arguments passed to {cls.__name__}")
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
