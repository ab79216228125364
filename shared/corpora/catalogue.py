"""The texts that people can name without bringing them."""

import functools
from importlib import resources

from pydantic import BaseModel, ConfigDict, TypeAdapter

PYTHON_DOCS = "python-docs"


class CatalogueEntry(BaseModel):
    """A text of the catalogue.

    Attributes:
        name: the name to type.
        gutenberg_number: the book's number at Project Gutenberg; None: the text comes with Python.
        year: of first publication.
        note: what to expect of the text.
        verse: line ends are meant, so lines must not be joined.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    author: str
    gutenberg_number: int | None = None
    year: int | None = None
    note: str = ""
    verse: bool = False

    @property
    def full_title(self) -> str:
        return f"{self.title}, by {self.author}"

    @property
    def licence(self) -> str:
        if self.gutenberg_number is None:
            return "Copyright the Python Software Foundation; PSF licence."
        return f"Public domain in the USA; Project Gutenberg eBook #{self.gutenberg_number}, gutenberg.org."


@functools.cache
def catalogue() -> tuple[CatalogueEntry, ...]:
    """Return all entries, sorted by name."""
    data = resources.files(__package__).joinpath("catalogue.json").read_text("utf-8")
    books = TypeAdapter(tuple[CatalogueEntry, ...]).validate_json(data)
    docs = CatalogueEntry(
        name=PYTHON_DOCS,
        title="The Python language reference",
        author="the Python Software Foundation",
        note="comes with Python, needs no network",
    )
    return tuple(sorted((*books, docs), key=lambda entry: entry.name))


def find(name: str) -> CatalogueEntry | None:
    return next((entry for entry in catalogue() if entry.name == name), None)
