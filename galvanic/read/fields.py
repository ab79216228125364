"""The fields of JSON objects and tables, found by name and read whatever they hold, and the dates of chats."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

Order = tuple[int, int, int]
_DAY_FIRST, _MONTH_FIRST, _YEAR_FIRST = (2, 1, 0), (2, 0, 1), (0, 1, 2)
"""The places of year, month and day in a date."""
_ORDERS = (_DAY_FIRST, _MONTH_FIRST, _YEAR_FIRST, (0, 2, 1))
_BETWEEN = r"(?:[^\w\n:,]{1,3}|[年月년월] ?)"
DATE = rf"(\d{{1,4}}){_BETWEEN}(\d{{1,2}}){_BETWEEN}(\d{{1,4}})(?![\d:])"
_DATE = re.compile(DATE)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = re.compile(rf"\b({'|'.join(_MONTHS)})[a-z]*")
_MONTH_AND_DAY = re.compile(rf"{_MONTH.pattern} {{1,2}}(\d\d?)(?: \d\d:\d\d:\d\d)? (\d{{4}})\b")
_AMERICAN = re.compile(r"\W*[1-9]\d?/[1-9]\d?/\d+,? \d.*\d\s[AP]M\b")
_YEARS = range(1988, datetime.now(UTC).year + 2)  # IRC is the oldest of the chats
_TWO_DIGITS = range(9, 100)  # years since 2009, when WhatsApp began
_LONGEST_TIME = 100  # characters
_BUDDHIST = range(2400, 2700)  # years of Thailand, which are 543 ahead


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


def day_of(value: object, order: Order | None = None) -> date | None:
    """Return the first day in a time, as ISO, English or a language's numbers write it; None: there is none.

    `order`: that of the chat, by `date_order`; None: what is usual in such a time.
    """
    text = _MONTH_AND_DAY.sub(r"\2 \1 \3", text_of(value)[:_LONGEST_TIME])
    text = _MONTH.sub(lambda match: str(_MONTHS.index(match[1]) + 1), text)
    if (match := _DATE.search(text)) is None:
        return None
    if order is None:
        order = _YEAR_FIRST if len(match[1]) > 2 else _MONTH_FIRST if _AMERICAN.match(text) else _DAY_FIRST
    year, month, day = (int(match[place + 1]) for place in order)
    year += 2000 if year in _TWO_DIGITS else -543 if year in _BUDDHIST else 0
    try:
        return date(year, month, day) if year in _YEARS else None
    except ValueError:
        return None


def date_order(times: Sequence[str]) -> Order:
    """Return the places of year, month and day that give the most dates. If several do, the day comes first.

    The month does in American times (`2/28/24, 9:30 PM`).
    """
    orders = (_MONTH_FIRST, *_ORDERS) if any(map(_AMERICAN.match, times)) else _ORDERS
    return max(orders, key=lambda order: sum(day_of(time, order) is not None for time in times))
