"""Command options, declared once for messages and slash commands: `--random-seed 7 --guard`."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin

from discord.ext import commands
from discord.utils import MISSING

from bot.components import Action, Field, Form, Press
from bot.errors import nearest, shown
from bot.options.checks import as_limit, in_range
from bot.types import Context
from bot.words import code, label
from galvanic.errors import UserError
from galvanic.options import GenerateOptions, TrainOptions, options_of

_OPTION = re.compile(r"(?:^|(?<=\s))--([A-Za-z][\w-]*)")
_ESCAPE = re.compile(r"(?:^|(?<=\s))\\(?=--[A-Za-z])")
_VALUE = re.compile(r"[^\s,]+(?:\s*,\s*[^\s,]+)*")
"""One word, or a comma-separated list: of words after an option, only these are its value."""
_SWITCH_VALUES = frozenset(
    {"yes", "no", "y", "n", "true", "false", "t", "f", "1", "0", "on", "off", "enable", "disable"}
)
_FORM_FIELDS = 5
"""Most fields of a form, by Discord's limit. The last takes all further options, as typed after a prefix."""
O = TypeVar("O", bound="type[Options]")  # noqa: E741


class _Limits(commands.Range):  # type: ignore[valid-type,misc]  # for type checkers it is no class
    """Discord enforces these for a slash command's field; `_checked` has seen what is typed."""

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
    r"""A `FlagConverter` with dashes in names, unique beginnings of names, and switches without a value.

    discord.py allows no `-` in a flag's name when the prefix has one, and takes a mistyped option for a part of the
    text before it. Here it is refused; `\--word` is text.
    """

    # One flag is positional. These are not annotated: discord.py takes every annotation for a flag.
    free_text = False
    """The positional part is prose, which a `--word` may be meant for."""
    groups = {}  # type: ignore[var-annotated]  # noqa: RUF012
    """Headings of the help page with their attributes; the rest go under "Options"."""
    in_form = tuple[commands.Flag, ...]()
    """Options that slash commands leave to a form (`with_form`)."""
    advanced = False
    """The person wants that form."""

    @classmethod
    def parse_flags(cls, argument: str, *, ignore_extra: bool = True) -> dict[str, list[str]]:  # noqa: ARG003
        """Split what was typed into options and values. `--no-X` turns the switch X off.

        The words come before the options or, if there are none, after an option's value.

        Raises:
            UserError: no option of this command, or a value out of its range, or none of its choices.
            commands.MissingFlagArgument: an option without its value.
            commands.BadFlagArgument: a value that is not the number it should be.
        """
        begin, *rest = _OPTION.split(argument)
        words, parsed = [begin.strip()], dict[str, list[str]]()
        for name, following in zip(rest[::2], rest[1::2], strict=True):
            flag, switched = cls._named(name)
            value, after = following.strip(), ""
            if switched:
                first, *others = value.split(maxsplit=1) or [""]
                has_value = switched == "yes" and first.lower() in _SWITCH_VALUES
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
    def _named(cls, typed: str) -> tuple[commands.Flag, str]:
        """The option meant by a name or its beginning, and the value that it has as a bare switch; empty: it is none.

        Raises UserError: no option is meant, or several may be.
        """
        flags = {shown(flag): flag for flag in cls.get_flags().values() if not flag.positional}
        named = {name: (flag, "yes" if flag.annotation is bool else "") for name, flag in flags.items()}
        no = {f"no-{name}": (flag, "no") for name, flag in flags.items() if flag.annotation is bool}
        name = typed.lower().replace("_", "-")
        candidates = named | no if name.startswith("no-") else named
        longer = [option_name for option_name in candidates if option_name.startswith(name)]
        begun = [name] if name in candidates else longer
        if len(begun) == 1:
            return candidates[begun[0]]
        if begun:
            problem = f"{code(f'--{typed}')} is not clear: {_either(f'--{option_name}' for option_name in begun)}."
            remedy = "Write more of it."
        else:
            problem = f"This command has no option {code(f'--{typed}')}."
            near = nearest(name, named, "--", 0.7)
            listed = f"It has {', '.join(f'`--{option_name}`' for option_name in named)}." if named else "It has none."
            remedy = f"Did you mean {near}?" if near else listed
        if cls.free_text:
            remedy += f" If it is one of your words, write {code(f'{chr(92)}--{typed}')}."
        raise UserError(problem, remedy)

    @classmethod
    def described(cls) -> list[tuple[str, list[tuple[str, str]]]]:
        """Each heading of the help page with its options: what is typed, and what it does."""
        headings: dict[str, list[tuple[str, str]]] = {"Options": [], **{heading: [] for heading in cls.groups}}
        for flag in cls.get_flags().values():
            heading = next((name for name, members in cls.groups.items() if flag.attribute in members), "Options")
            typed = str(flag.name) if flag.positional else f"--{shown(flag)}"
            headings[heading].append((typed, str(flag.description)))
        return list(headings.items())


def _checked(flag: commands.Flag, value: str) -> str:
    """The value, checked here because discord.py's error does not name an optional option."""
    limits = flag.annotation
    if isinstance(limits, _Limits):
        try:
            typed = limits.annotation(value)
        except ValueError as error:
            raise commands.BadFlagArgument(flag, value, error) from error
        if limits.max is not None:
            in_range(shown(flag), typed, limits.min, limits.max)
    elif get_origin(limits) is Literal:
        value, choices = value.lower(), get_args(limits)
        if value not in choices:
            raise UserError(f"`--{shown(flag)}` can't be {code(value)}.", f"Choose {_either(choices)}.")
    return value


def _either(names: Iterable[str]) -> str:
    """Join two or more names: `a`, `b` or `c`."""
    *others, last = (f"`{name}`" for name in names)
    return f"{', '.join(others)} or {last}"


# ---------------------------------------------------------------------- the form of a slash command


def with_form(*attributes: str) -> Callable[[O], O]:
    """A slash command leaves these options to a form, which its switch `advanced` opens; a message has all."""

    def split(kind: O) -> O:
        flags = kind.get_flags()
        by_attribute = {flag.attribute: flag for flag in flags.values()}
        kind.in_form = tuple(by_attribute[attribute] for attribute in attributes)
        names = ", ".join(shown(flag) for flag in flags.values() if flag in kind.in_form)
        advanced = commands.flag(default=False, description=label(f"Open a form with {names}"))
        advanced.name, advanced.attribute, advanced.annotation = "advanced", "advanced", bool
        # discord.py makes the fields of a slash command, and no others, of `__commands_flags__`.
        usual = {name: flag for name, flag in flags.items() if flag not in kind.in_form}
        defaults = {flag.attribute: flag.default for flag in kind.in_form}
        fields: Any = type(kind)
        split_kind: O = fields(
            kind.__name__, (kind,), {"convert": kind.convert, "get_flags": kind.get_flags, **defaults}
        )
        split_kind.__commands_flags__ = {**usual, "advanced": advanced}
        return split_kind

    return split


def options_form(ctx: Context, flags: Options, work: Callable[[Press], Awaitable[None]]) -> Form:
    """Ask for the options that a slash command's fields leave out, then carry the command out.

    What is typed is added to `flags`.
    """
    asked = [(shown(flag), label(str(flag.description))) for flag in flags.in_form]
    more = asked[_FORM_FIELDS - 1 :] if len(asked) > _FORM_FIELDS else []
    fields = [Field(name, name, described, most=40) for name, described in asked[: len(asked) - len(more)]]
    if more:
        names = label("Each with its value: " + " ".join(f"--{name}" for name, _ in more))
        fields.append(Field("rest", "Others", names, long=True))

    async def submit(press: Press) -> None:
        values = {name: value.strip() for name, value in press.typed.items() if value.strip()}
        rest = values.pop("rest", "")
        for flag in flags.in_form:
            # Left-over words are no value of the field: `perhaps` for a switch, `5 6` for a number.
            value = values.get(shown(flag))
            if value and _has_words(flags, flags.parse_flags(f"--{shown(flag)} {value}")):
                raise UserError(f"`--{shown(flag)}` can't be {code(value)}.", f"{flag.description}.")
        await _add(ctx, flags, " ".join([*(f"--{name} {value}" for name, value in values.items()), rest]))
        await work(press)

    return Form(label(f"Options of {ctx.command}"), fields, Action(submit))


def _has_words(flags: Options, parsed: Mapping[str, list[str]]) -> bool:
    """Return whether words were given that belong to no option with a name."""
    return any(flag.positional for flag in flags.get_flags().values() if flag.name in parsed)


async def _add(ctx: Context, flags: Options, line: str) -> None:
    """Add what was typed to the options. Raises UserError: it cannot be used."""
    parsed = flags.parse_flags(line)
    if _has_words(flags, parsed):
        raise UserError("I can't tell which option is meant.", "Begin each of the others with its name: `--batch 64`.")
    converted = await flags.convert(ctx, line)
    for flag in flags.get_flags().values():
        if flag.name in parsed or flag in flags.in_form:
            setattr(flags, flag.attribute, getattr(converted, flag.attribute))
