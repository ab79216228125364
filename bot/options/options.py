"""Command options as people type them: `--random-seed 7 --keep-licence`."""

from __future__ import annotations

import difflib
import itertools
import math
import re
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args, get_origin

from discord.ext import commands

from bot.errors import shown as shown
from bot.escape import code, label
from bot.options.checks import as_limit, in_range
from shared.errors import UserError

HOTTEST = 2.0
TEMPERATURE_STEP = 0.2
"""Of the buttons Hotter and Cooler."""
_TEMPERATURES = "0.4,0.8,1.2"
_OPTION = re.compile(r"(?:^|(?<=\s))--([A-Za-z][\w-]*)")
_ESCAPE = re.compile(r"(?:^|(?<=\s))\\(?=--[A-Za-z])")
_VALUE = re.compile(r"[^\s,]+(?:\s*,\s*[^\s,]+)*")
"""One word, or a comma-separated list: of words after an option, only these are its value."""
_SWITCH_VALUES = frozenset(
    {"yes", "no", "y", "n", "true", "false", "t", "f", "1", "0", "on", "off", "enable", "disable"}
)


@dataclass
class Number(commands.Flag):
    """An option with two inclusive limits."""

    low: float = 0
    high: float | None = None


class _Limits(commands.Range):  # type: ignore[valid-type,misc]  # for type checkers it is no class
    """Discord enforces these for a slash command's field; `check_limits` refuses what is typed, naming the option."""

    async def convert(self, _ctx: Any, value: str) -> Any:
        """`_checked` has seen the value."""
        return self.annotation(value)


def number(what: str, low: float, high: float | None = None, name: str | None = None) -> Any:
    """An optional number; its description ends with the range. `high` None: the operator's setting decides."""
    named = {} if name is None else {"name": name}
    limits = _Limits(annotation=float if isinstance(low, float) else int, min=low, max=high)
    description = what if high is None else f"{what} ({as_limit(low)} to {as_limit(high)})"
    return Number(default=None, description=description, annotation=limits, low=low, high=high, **named)  # type: ignore[arg-type]


class Options(commands.FlagConverter, prefix="--", delimiter=" "):
    r"""A `FlagConverter` with dashes in names, unique beginnings of names, and switches without a value.

    discord.py allows no `-` in a flag's name when the prefix has one, and takes a mistyped option for a part of the
    text before it. Here it is refused; `\--word` is text.
    """

    # Not annotated: discord.py takes every annotation for a flag.
    free_text = False
    """The positional part is prose, which a `--word` may be meant for."""
    groups = {}  # type: ignore[var-annotated]  # noqa: RUF012
    """Headings of the help page with their attributes; the rest go under "Options"."""

    in_form = tuple[str, ...]()
    """Attributes that slash commands leave to a form (`fields`)."""

    @classmethod
    def parse_flags(cls, argument: str, *, ignore_extra: bool = True) -> dict[str, list[str]]:
        """Split what was typed into options and values. `--no-X` turns the switch X off.

        The words come before the options or, if there are none, after an option's value.

        Raises:
            UserError: no option of this command, or none of an option's choices.
            commands.MissingFlagArgument: an option without its value.
            commands.BadFlagArgument: a value that is not the number it should be.
        """
        places = [(*cls._named(match[1]), match) for match in _OPTION.finditer(argument)]
        text = [argument[: places[0][2].start()] if places else argument]
        parsed: dict[str, list[str]] = {}
        for (flag, bare, match), following in itertools.zip_longest(places, places[1:]):
            value = argument[match.end() : following[2].start() if following else None].strip()
            if _is_switch(flag):
                first, *rest = value.split(maxsplit=1) or [""]
                if bare == "yes" and first.lower() in _SWITCH_VALUES:
                    text += rest
                    value = first
                else:
                    text.append(value)  # a bare switch: what follows it is not its value
                    value = bare
            elif not any(map(str.strip, text)) and (one := _VALUE.match(value)):
                text.append(value[one.end() :])
                value = one[0]
            if not value:
                raise commands.MissingFlagArgument(flag)
            parsed.setdefault(flag.name, []).append(_checked(flag, value))
        positional = next((flag for flag in cls.get_flags().values() if flag.positional), None)
        words = _ESCAPE.sub("", " ".join(part.strip() for part in text if part.strip()))
        if words and positional is not None:
            parsed[positional.name] = [words]
        elif words and not ignore_extra:
            raise commands.TooManyArguments(f"Too many arguments passed to {cls.__name__}")
        return parsed

    @classmethod
    def _named(cls, typed: str) -> tuple[commands.Flag, str]:
        """The option meant by a name or its beginning, and the value that it has as a bare switch.

        Raises UserError: no option is meant, or several may be.
        """
        known = {shown(flag): (flag, "yes") for flag in cls.get_flags().values() if not flag.positional}
        no = {f"no-{name}": (flag, "no") for name, (flag, _) in known.items() if _is_switch(flag)}
        name = typed.lower().replace("_", "-")
        candidates = known | no if name.startswith("no-") else known
        if name in candidates:
            return candidates[name]
        begun = [one for one in candidates if one.startswith(name)]
        if len(begun) == 1:
            return candidates[begun[0]]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
        if begun:
            *others, last = (f"`--{one}`" for one in begun)
            problem = f"{code(f'--{typed}')} is not clear: {', '.join(others)} or {last}."
            remedy = "Write more of it."
        else:
            problem = f"This command has no option {code(f'--{typed}')}."
            remedy = f"Did you mean `--{near[0]}`?" if near else f"It has {', '.join(f'`--{n}`' for n in known)}."
        if cls.free_text:
            literal = f"\\--{typed}"
            remedy += f" If it is one of your words, write {code(literal)}."
        raise UserError(problem, remedy)

    def check_limits(self) -> None:
        """Raises UserError: a number is out of its range."""
        for flag in self.get_flags().values():
            if isinstance(flag, Number) and flag.high is not None:
                in_range(shown(flag), getattr(self, flag.attribute), flag.low, flag.high)

    @classmethod
    def completed(cls, given: Options) -> Self:
        """What was given, with the defaults of what a slash command's fields leave out."""
        made = cls.__new__(cls)
        for flag in cls.get_flags().values():
            setattr(made, flag.attribute, getattr(given, flag.attribute, flag.default))
        return made

    @classmethod
    def described(cls) -> list[tuple[str, list[tuple[str, str]]]]:
        """Each heading of the help page with its options: what is typed, and what it does."""
        headings: dict[str, list[tuple[str, str]]] = {"Options": [], **{heading: [] for heading in cls.groups}}
        for flag in cls.get_flags().values():
            heading = next((name for name, members in cls.groups.items() if flag.attribute in members), "Options")
            typed = str(flag.name) if flag.positional else f"--{shown(flag)}"
            headings[heading].append((typed, str(flag.description)))
        return list(headings.items())


def fields(full: type[Options]) -> Any:
    """The options as a slash command's fields, with a switch `advanced` in place of those in the form.

    After a prefix the same options are read as `full`; `completed` fills in what a slash command leaves out.
    """

    async def convert(_cls: Any, ctx: Any, argument: str) -> Options:
        return await full.convert(ctx, argument)

    kept = {flag.attribute: flag for flag in full.get_flags().values() if flag.attribute not in full.in_form}
    names = ", ".join(shown(flag) for flag in full.get_flags().values() if flag.attribute in full.in_form)
    kept["advanced"] = commands.flag(default=False, converter=bool, description=label(f"Open a form with {names}"))
    hints = {attribute: flag.annotation for attribute, flag in kept.items()}
    own = {"convert": classmethod(convert), "described": full.described}
    kind: Any = type(Options)
    return kind(full.__name__, (Options,), {"__module__": __name__, "__annotations__": hints, **kept, **own})


def _is_switch(flag: commands.Flag) -> bool:
    return flag.annotation is bool or bool in get_args(flag.annotation)


def _checked(flag: commands.Flag, value: str) -> str:
    """The value, checked here because discord.py's error does not name an optional option."""
    kinds = (flag.annotation.annotation,) if isinstance(flag, Number) else get_args(flag.annotation)
    for kind in kinds:
        if kind in (int, float):
            try:
                kind(value)
            except ValueError as error:
                raise commands.BadFlagArgument(flag, value, error) from error
        elif get_origin(kind) is Literal:
            choices = get_args(kind)
            if value.lower() not in choices:
                *others, last = (f"`{choice}`" for choice in choices)
                raise UserError(f"`--{shown(flag)}` can't be {code(value)}.", f"Choose {', '.join(others)} or {last}.")
            return value.lower()
    return value


def temperature(typed: str, remedy: str = f"Choose a number from 0 to {HOTTEST:g}.") -> float:
    """A temperature, with a point or a comma. Raises UserError, with this remedy: no number, or out of range."""
    try:
        number = float(typed.strip().replace(",", "."))
    except ValueError:
        number = math.nan
    if not 0 <= number <= HOTTEST:
        raise UserError(f"{code(typed)} isn't a valid temperature.", remedy)
    return number


def several(name: str, typed: str | None, most: int, example: str) -> tuple[str, ...]:
    """Split a comma-separated list; empty when the option was left out.

    Raises UserError: fewer than two, more than `most`, or one twice.
    """
    if typed is None:
        return ()
    items = tuple(item.strip().lower() for item in typed.split(",") if item.strip())
    if not 2 <= len(items) <= most:
        number = "only one" if len(items) == 1 else str(len(items))
        raise UserError(f"`--{name}` names {number}; it takes 2 to {most}.", f"Write it like `--{name} {example}`.")
    twice = next((item for item in items if items.count(item) > 1), None)
    if twice is not None:
        raise UserError(f"`--{name}` names {code(twice)} twice.", "Give each one once.")
    return items


def temperatures(typed: str | None, most: int) -> tuple[float, ...]:
    """Empty when none were given. Raises UserError: no number, out of range, or see `several`."""
    numbers = []
    for item in several("temperatures", typed, most, _TEMPERATURES):
        try:
            number = temperature(item)
        except UserError as error:
            raise UserError(
                f"{code(item)} in `--temperatures` isn't a valid temperature.",
                f"Choose numbers from 0 to {HOTTEST:g}, as in `--temperatures {_TEMPERATURES}`.",
            ) from error
        if number in numbers:
            raise UserError(f"`--temperatures` names {number:g} twice.", "Give each one once.")
        numbers.append(number)
    return tuple(numbers)
