"""Where texts come from: uploads, files, the catalogue; and how they travel."""

from shared.corpora.catalogue import CatalogueEntry, catalogue
from shared.corpora.corpus import Corpus, check_length, check_size, from_file, from_upload, slugify
from shared.corpora.packing import pack, unpack, unpack_to_file, unpacked_limit
from shared.corpora.reading import decode_text, sha256
from shared.corpora.sources import names, resolve

__all__ = [
    "CatalogueEntry",
    "Corpus",
    "catalogue",
    "check_length",
    "check_size",
    "decode_text",
    "from_file",
    "from_upload",
    "names",
    "pack",
    "resolve",
    "sha256",
    "slugify",
    "unpack",
    "unpack_to_file",
    "unpacked_limit",
]
