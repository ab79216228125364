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
        gutenberg_number: the book's number at Project Gutenberg; None: the text comes with Python.
        year: of first publication.
        note: what to expect of the text.
        verse: line ends are meant, so lines must not be joined.
        language: code of ISO 639-1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(max_length=MAX_NAME, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    title: str = Field(min_length=1, max_length=100)
    author: str = Field(max_length=100, pattern=r"\S")
    gutenberg_number: int | None = None
    year: int | None = None
    note: str = Field("", max_length=100)
    verse: bool = False
    language: str = Field("en", pattern=r"^[a-z]{2}$")

    @property
    def full_title(self) -> str:
        return f"{self.title}, by {self.author}"

    @property
    def licence(self) -> str:
        if self.gutenberg_number is None:
            return "Copyright the Python Software Foundation; PSF licence."
        return f"Public domain in the USA; Project Gutenberg eBook #{self.gutenberg_number}, gutenberg.org."


class _Book(CatalogueEntry):
    """An entry of a list of books: it must have a number."""

    gutenberg_number: int = Field(ge=1)


@functools.cache
def catalogue(folder: Path | None = None) -> tuple[CatalogueEntry, ...]:
    """Return all entries, sorted by name: ours, and those of the operator's list in `folder`, which is read once.

    Raises UserError: the operator's list can't be read, or an entry of it is wrong.
    """
    ours = _books(resources.files(__package__).joinpath("catalogue.json").read_bytes())
    docs = CatalogueEntry(
        name=PYTHON_DOCS,
        title="The Python language reference",
        author="the Python Software Foundation",
        note="comes with Python, needs no network",
    )
    entries = {entry.name: entry for entry in (*ours, docs)}
    for entry in _own_books(folder):
        if entry.name in entries:
            raise _wrong(f"the name `{entry.name}` is taken")
        entries[entry.name] = entry
    return tuple(sorted(entries.values(), key=lambda entry: entry.name))


def find(name: str, folder: Path | None = None) -> CatalogueEntry | None:
    """Return the entry of this name. Raises UserError as `catalogue`."""
    return next((entry for entry in catalogue(folder) if entry.name == name), None)


def _books(data: bytes) -> tuple[_Book, ...]:
    return TypeAdapter(tuple[_Book, ...]).validate_json(data)


def _own_books(folder: Path | None) -> tuple[_Book, ...]:
    try:
        return _books((folder / OWN_LIST).read_bytes()) if folder is not None else ()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise _wrong(f"it can't be read ({error.strerror})") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where, what = first["loc"], first["msg"]
        place = f"entry {where[0] + 1}, " if where and isinstance(where[0], int) else ""
        raise _wrong(place + "".join(f"`{name}`: " for name in where[1:]) + what) from error


def _wrong(what: str) -> UserError:
    return UserError(f"The list {OWN_LIST} in CORPORA_DIR is wrong: {what}.", "Correct it, and start the bot again.")
