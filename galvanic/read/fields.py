"""The fields of JSON objects by name. A field of an object inside has a dot: `author.name`."""

import json
from collections.abc import Mapping
from typing import Any


def field(row: Mapping[str, Any], name: str) -> Any:
    """Return a field's value; None: there is no such field."""
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


def first_fields(text: str) -> list[str]:
    """Return the names of the fields in the first object of JSON lines or of an array; none: there is no object."""
    try:
        row, _ = json.JSONDecoder().raw_decode(text.lstrip().removeprefix("[").lstrip())
    except (ValueError, RecursionError):
        return []
    return field_names(row) if isinstance(row, dict) else []
