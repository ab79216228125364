"""The texts that can be had by name alone."""

from __future__ import annotations

import functools
from importlib import resources

from pydantic import BaseModel, ConfigDict, TypeAdapter

PYTHON_DOCS = "python-docs"


class CatalogueEntry(BaseModel):
    """A text of the catalogue.

    Attributes:
        name: what one types to get it.
        gutenberg_number: its number at Project Gutenberg; None for `python-docs`, which comes with Python.
        year: of first publication, where there is one.
        note: what to expect of it, a few words.
        verse: its line ends are meant, so that lines must not be joined.
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
        """Title and author, as a person would say it."""
        return f"{self.title}, by {self.author}"

    @property
    def licence(self) -> str:
        """One line about the rights in the text."""
        if self.gutenberg_number is None:
            return "Copyright the Python Software Foundation; PSF licence."
        return f"Public domain in the USA; Project Gutenberg eBook #{self.gutenberg_number}, gutenberg.org."


@functools.cache
def catalogue() -> tuple[CatalogueEntry, ...]:
    """All texts of the catalogue, by name."""
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
    """The entry of that exact name."""
    return next((entry for entry in catalogue() if entry.name == name), None)
