"""The texts that people can name without bringing them."""

import functools
from importlib import resources
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from galvanic.errors import UserError
from galvanic.read.text import MAX_NAME

PYTHON_DOCS = "python-docs"
OWN_LIST = "catalogue.json"  # the operator's own list, in CORPORA_DIR


class CatalogueEntry(BaseModel):
    """A text of the catalogue.

    Attributes:
        name: the name to type.
        gutenberg_number: the book's number at Project Gutenberg; 0: the text comes with Python.
        note: what to expect of the text.
        verse: line ends are meant, so lines must not be joined.
        language: code of ISO 639-1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(max_length=MAX_NAME, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    title: str = Field(min_length=1, max_length=100)
    author: str = Field(max_length=100, pattern=r"\S")
    gutenberg_number: int = Field(ge=0)
    note: str = Field("", max_length=100)
    verse: bool = False
    language: str = Field("en", pattern=r"^[a-z]{2}$")

    @property
    def full_title(self) -> str:
        return f"{self.title}, by {self.author}"

    @property
    def licence(self) -> str:
        if not self.gutenberg_number:
            return "Copyright the Python Software Foundation; PSF licence."
        return f"Public domain in the USA; Project Gutenberg eBook #{self.gutenberg_number}, gutenberg.org."


@functools.cache
def catalogue(folder: Path | None = None) -> tuple[CatalogueEntry, ...]:
    """Return all entries, sorted by name: ours, and those of the operator's list in `folder`, which is read once.

    Raises UserError: the operator's list can't be read, or an entry of it is wrong.
    """
    ours = _entries(resources.files(__package__).joinpath("catalogue.json").read_bytes())
    entries = {entry.name: entry for entry in (*_own_entries(folder), *ours)}
    return tuple(sorted(entries.values(), key=lambda entry: entry.name))


def _entries(data: bytes) -> tuple[CatalogueEntry, ...]:
    return TypeAdapter(tuple[CatalogueEntry, ...]).validate_json(data)


def _own_entries(folder: Path | None) -> tuple[CatalogueEntry, ...]:
    try:
        return _entries((folder / OWN_LIST).read_bytes()) if folder is not None else ()
    except FileNotFoundError:
        return ()
    except OSError as error:
        reason = f"it can't be read ({error.strerror})"
    except ValidationError as error:
        first = error.errors()[0]
        place = [f"entry {part + 1}" if isinstance(part, int) else f"`{part}`" for part in first["loc"]]
        reason = f"{', '.join(place)}: {first['msg']}" if place else first["msg"]
    raise UserError(f"The list {OWN_LIST} in CORPORA_DIR is wrong: {reason}.", "Correct it, and start the bot again.")
