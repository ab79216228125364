"""The fields of JSON objects and tables: found by name, and read whatever they hold."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

_DATE = re.compile(r"(\d{1,4})[/.-] ?(\d{1,2})[/.-] ?(\d{1,4})(?:,? \d\d?:\d\d\s([AP]M)\b)?")


def field(row: Mapping[str, Any], name: str) -> Any:
    """Return a field's value; None: there is no such field. A field of an object inside has a dot: `author.name`."""
    value: Any = row
    if name in row:
        return row[name]
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def field_names(row: Mapping[str, Any]) -> list[str]:
    """Return the names of an object's fields, and of those one level inside."""
    return [
        name
        for key, value in row.items()
        for name in ([f"{key}.{inside}" for inside in value] if isinstance(value, dict) else [key])
    ]


def text_of(value: object) -> str:
    """Return a string or whole number as text; empty: it is neither."""
    return str(value) if type(value) in (str, int) else ""  # a bool is an int, too


def day_of(value: object) -> date | None:
    """Return the day of a time, as ISO or a language writes it in numbers; None: it is none.

    The month comes before the day only where AM or PM follows.
    """
    if (match := _DATE.match(text_of(value))) is None:
        return None
    first, middle, last = map(int, match.group(1, 2, 3))
    try:
        if first > 31:
            return date(first, middle, last)
        year = last + 2_000 if last < 100 else last
        return date(year, first, middle) if match[4] else date(year, middle, first)
    except ValueError:
        return None
