"""Sources of texts (uploads, files, the catalogue), and how texts travel through Redis."""

from shared.corpora.catalogue import CatalogueEntry, catalogue
from shared.corpora.corpus import (
    LEAST_CHARS,
    Corpus,
    check_size,
    from_upload,
    pack,
    size_limit,
    unpack,
    unpacked_limit,
)
from shared.corpora.sources import UnknownText, names, resolve

__all__ = [
    "LEAST_CHARS",
    "CatalogueEntry",
    "Corpus",
    "UnknownText",
    "catalogue",
    "check_size",
    "from_upload",
    "names",
    "pack",
    "resolve",
    "size_limit",
    "unpack",
    "unpacked_limit",
]
