"""Where texts come from: uploads, files, the catalogue; and how they travel."""

from shared.corpora.catalogue import CatalogueEntry, catalogue
from shared.corpora.corpus import Corpus, check_length, from_upload, slugify
from shared.corpora.decoding import check_size, decode_text
from shared.corpora.files import from_file, sha256
from shared.corpora.gutenberg import strip_gutenberg
from shared.corpora.packing import pack, unpack, unpack_to_file, unpacked_limit
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
    "strip_gutenberg",
    "unpack",
    "unpack_to_file",
    "unpacked_limit",
]
