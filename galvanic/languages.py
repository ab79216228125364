"""The names of languages."""

import functools
import json
from collections.abc import Mapping
from importlib import resources


@functools.cache
def languages() -> Mapping[str, str]:
    """Return the English names of languages by their codes of ISO 639-1."""
    names: dict[str, str] = json.loads(resources.files(__package__).joinpath("languages.json").read_text("utf-8"))
    return names


def language_name(code: str) -> str:
    """Return the English name of a language by its code; the code if it has none here."""
    return languages().get(code, code)
