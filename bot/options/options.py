"""Command options, declared once for messages and slash commands: `--random-seed 7 --guard`."""

import re
from typing import Any, Literal, get_args, get_origin

from discord.ext import commands
from discord.utils import MISSING

from bot.errors import flag_name, nearest
from bot.options.checks import as_limit, in_range
from bot.words import code
from galvanic.errors import UserError
from galvanic.options import GenerateOptions, TrainOptions, options_of

_OPTION = re.compile(r"(?:^|(?<=\s))--([A-Za-z][\w-]*)(=?)")
_ONE_DASH = re.compile(r"(?:^|(?<=\s))\u2014(?=([A-Za-z][\w-]*)(?:=|\s+)?(\S*))")
"""An option behind the dash that a phone's keyboard makes of two: its name, and the word after it."""
_ESCAPE = re.compile(r"(?:^|(?<=\s))\\(?=(?:--|\u2014)[A-Za-z])")
_ITEM = r"(?:\"[^\"]+\"|“[^”]+”|[^\s,]+)"
_VALUE = re.compile(rf"{_ITEM}(?:\s*,\s*{_ITEM})*")
"""One word or quotation, or a comma-separated list: of words after an option, only these are its value."""
_SWITCH_VALUES = frozenset(
    {"yes", "no", "y", "n", "true", "false", "t", "f", "1", "0", "on", "off", "enable", "disable"}
)
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+")


class _Limits(commands.Range):  # type: ignore[valid-type,misc]  # for type checkers it is no class
    """The range of a number. Discord enforces it in a slash command's field; `_checked` does for typed values."""

    async def convert(self, _ctx: Any, value: str) -> Any:
        return self.annotation(value)


def option(
    model: type[TrainOptions] | type[GenerateOptions], field: str, *, least: float | None = None, open_end: bool = False
) -> Any:
    """An option as the engine declares it. `open_end`: the operator's setting is its upper limit."""
    declared = options_of(model)[field]
    name, low = declared.typed.replace("-", "_"), declared.low if least is None else least
    if low is not None:
        return number(declared.summary, low, None if open_end else declared.high, name)
    kind = Literal.__getitem__(declared.choices) if declared.choices else declared.kind
    default = False if model.model_fields[field].default is False else None
    return commands.flag(name=name, default=default, description=declared.summary, converter=kind)


def number(what: str, low: float, high: float | None = None, name: str = MISSING) -> Any:
    """An optional number; its description ends with the range. `high` None: the operator's setting decides."""
    limits = _Limits(annotation=type(low), min=low, max=high)
    description = what if high is None else f"{what} ({as_limit(low)} to {as_limit(high)})"
    return commands.flag(name=name, default=None, description=description, converter=limits)


class Options(commands.FlagConverter, prefix="--", delimiter=" "):
    r"""A `FlagConverter` with dashes in names, and switches without a value.

    discord.py allows no `-` in a flag's name when the prefix has one, and takes a mistyped option for a part of the
    text before it. Here it is refused; `\--word` is text.
    """

    # One flag is positional. These are not annotated: discord.py takes every annotation for a flag.
    free_text = False  # the positional part is prose, which a `--word` may be meant for

    @classmethod
    def parse_flags(cls, argument: str, *, ignore_extra: bool = True) -> dict[str, list[str]]:  # noqa: ARG003
        """Split what was typed into options and values. `--no-X` turns the switch X off.

        The words come before the options or, if there are none, after an option's value. Raises UserError: no option
        of this command, or a value out of its range, or none of its choices; commands.MissingFlagArgument: no value;
        commands.BadFlagArgument: no number.
        """
        argument = _ONE_DASH.sub(lambda dash: "--" if cls._is_option(dash[1], dash[2]) else dash[0], argument)
        begin, *rest = _OPTION.split(argument)
        words, parsed = [begin.strip()], dict[str, list[str]]()
        for name, sign, following in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
            flag, switched = cls._named(name)
            value, after = following.strip(), ""
            if switched:
                first, *others = value.split(maxsplit=1) or [""]
                has_value = switched == "yes" and first.lower() in _SWITCH_VALUES
                if sign and not has_value:
                    remedy = f"Write `--{flag_name(flag)}=yes` or `=no`."
                    raise UserError(f"I can't read {code(f'--{name}={first}')}.", remedy)
                # What follows a bare switch is not its value.
                value, after = (first, "".join(others)) if has_value else (switched, value)
            elif not any(words) and (match := _VALUE.match(value)):
                value, after = match[0], value[match.end() :].strip()
            if not value:
                raise commands.MissingFlagArgument(flag)
            words.append(after)
            parsed.setdefault(flag.name, []).append(_checked(flag, value))
        text = _ESCAPE.sub("", " ".join(filter(None, words)))
        if text:
            parsed[next(flag.name for flag in cls.get_flags().values() if flag.positional)] = [text]
        return parsed

    @classmethod
    def _is_option(cls, name: str, following: str) -> bool:
        """Return whether a phone's dash before a name was `--`: in prose, if a value of that option follows."""
        if not cls.free_text:
            return True
        flags = {flag_name(flag): flag.annotation for flag in cls.get_flags().values() if not flag.positional}
        kind = flags.get(name.lower().replace("_", "-"), bool)
        if isinstance(kind, _Limits):
            return re.match(r"-?[\d.,]", following) is not None
        if get_origin(kind) is Literal:
            return following.lower() in get_args(kind)
        return kind is not bool and bool(following)

    @classmethod
    def _named(cls, typed: str) -> tuple[commands.Flag, str]:
        """Return the option of a name, and the value that it has as a bare switch; empty: it is none.

        Raises UserError: there is no such option.
        """
        flags = {flag_name(flag): flag for flag in cls.get_flags().values() if not flag.positional}
        named = {name: (flag, "yes" if flag.annotation is bool else "") for name, flag in flags.items()}
        no = {f"no-{name}": (flag, "no") for name, flag in flags.items() if flag.annotation is bool}
        name = typed.lower().replace("_", "-")
        if (option := (named | no).get(name)) is not None:
            return option
        begun = ", ".join(f"`--{option_name}`" for option_name in named if option_name.startswith(name))
        near = begun or nearest(name, named, "--", 0.7)
        listed = f"It has {', '.join(f'`--{option_name}`' for option_name in named)}." if named else "It has none."
        remedy = f"Did you mean {near}?" if near else listed
        if cls.free_text:
            remedy += f" If it is one of your words, write {code(f'{chr(92)}--{typed}')}."
        raise UserError(f"This command has no option {code(f'--{typed}')}.", remedy)


def _checked(flag: commands.Flag, value: str) -> str:
    """The value, checked here because discord.py's error does not name an optional option."""
    limits = flag.annotation
    if isinstance(limits, _Limits):
        if limits.annotation is float and not _THOUSANDS.fullmatch(value):
            value = value.replace(",", ".")  # as most of Europe writes it
        try:
            typed = limits.annotation(value)
        except ValueError as error:
            raise commands.BadFlagArgument(flag, value, error) from error
        if limits.max is not None:
            in_range(flag_name(flag), typed, limits.min, limits.max)
    elif get_origin(limits) is Literal:
        value, choices = value.lower(), get_args(limits)
        if value not in choices:
            *others, last = (f"`{choice}`" for choice in choices)
            remedy = f"Choose {', '.join(others)} or {last}."
            raise UserError(f"`--{flag_name(flag)}` can't be {code(value)}.", remedy)
    return value
