"""The form with a slash command's rarer options."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bot.components import Field, Form, Hold, Press
from bot.escape import label
from bot.options.options import Options, shown
from bot.types import Context
from shared.errors import UserError

_MOST = 5
"""Discord's limit on the fields of a form; the last of them takes all further options, as typed after a prefix."""


def options_form(
    ctx: Context, flags: Options, work: Callable[[Press], Awaitable[None]], *, hold: Hold | None = None
) -> Form:
    """Ask for the options (`in_form`) that a slash command's fields leave out, then carry the command out.

    What is typed is added to `flags`; `hold`: see `Action`.
    """
    by_attribute: dict[str, Any] = {flag.attribute: flag for flag in flags.get_flags().values()}
    asked = [by_attribute[attribute] for attribute in flags.in_form]
    more = asked[_MOST - 1 :] if len(asked) > _MOST else []
    fields = [Field(shown(flag), shown(flag), label(flag.description), most=40) for flag in asked[: -len(more) or None]]
    if more:
        names = label("As after !: " + " ".join(f"--{shown(flag)}" for flag in more))
        fields.append(Field("rest", "Others", names, long=True))

    async def submit(press: Press) -> None:
        values = {name: value.strip() for name, value in press.typed.items() if value.strip()}
        rest = values.pop("rest", "")
        await _add(ctx, flags, " ".join([*(f"--{name} {value}" for name, value in values.items()), rest]))
        await work(press)

    return Form("options form", label(f"Options of {ctx.command}"), fields, submit, hold=hold)


async def _add(ctx: Context, flags: Options, line: str) -> None:
    """Add what was typed to the options. Raises UserError: it cannot be used."""
    kind = type(flags)
    given = kind.parse_flags(line)
    if any(flag.positional for flag in kind.get_flags().values() if flag.name in given):
        raise UserError("I can't tell which option is meant.", "Begin each of the others with its name: `--batch 64`.")
    made = await kind.convert(ctx, line)
    for flag in kind.get_flags().values():
        if flag.name in given or flag.attribute in kind.in_form:
            setattr(flags, flag.attribute, getattr(made, flag.attribute))
