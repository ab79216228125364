"""Read EPUB books: the chapters in the order of their spine."""

import posixpath
import re
import urllib.parse
from collections.abc import Iterable

from lxml import etree

from galvanic.errors import UserError
from galvanic.read.documents import Document, DocumentFormat, xml_parser
from galvanic.read.files import Files
from galvanic.read.pages import page_source, page_text

_CONTAINER = "META-INF/container.xml"
_LOCKED = ("META-INF/rights.xml", "META-INF/license.lcpl", "META-INF/sinf.xml")  # Adobe's, Readium's, Apple's
_PAGE = re.compile("html|oeb1|/xml$")  # types of chapters, in old books, too
_NO_CHAPTERS = ("cover", "toc", "title-page", "copyright-page", "index")  # types of pages, in EPUB 2


def _read(data: bytes, name: str) -> Document:
    files = Files([(name, data)], open_documents=True)
    if any(lock in files.paths for lock in _LOCKED):
        raise UserError(f"`{name}` is locked (DRM).", "Give a book without a lock, or its text.")
    try:
        container = etree.fromstring(files.data(_CONTAINER), xml_parser())
        path = container.xpath("string(//@full-path)")
        package = etree.fromstring(files.data(path), xml_parser())
    except (KeyError, etree.LxmlError, ValueError) as error:
        raise UserError(f"`{name}` is a damaged EPUB book.", "Download or export it again.") from error
    title, author = (package.findtext(f".//{{*}}{field}", "").strip() for field in ("title", "creator"))
    text = _text(files, _chapters(package, posixpath.dirname(path)), name)
    return Document(text, f"{title}, by {author}" if title and author else title)


def _chapters(package: etree._Element, folder: str) -> Iterable[str]:
    """Return the paths of a book's chapters in the order of its spine, each once, without contents and cover."""
    # A reference to a place in a page says nothing about the page.
    others = [page for page in package.iterfind(".//{*}reference") if "#" not in page.get("href", "")]
    skipped = {_path(page, folder) for page in others if page.get("type") in _NO_CHAPTERS}
    items = {item.get("id"): item for item in package.iterfind(".//{*}item")}
    spine = [items.get(ref.get("idref")) for ref in package.iterfind(".//{*}itemref") if ref.get("linear") != "no"]
    pages = [item for item in spine if item is not None and _PAGE.search(item.get("media-type", "html"))]
    chapters = [_path(page, folder) for page in pages if "nav" not in page.get("properties", "").split()]
    return dict.fromkeys(chapter for chapter in chapters if chapter not in skipped)


def _path(element: etree._Element, folder: str) -> str:
    """Return the path that an element of the package in a folder refers to."""
    reference = urllib.parse.unquote(element.get("href", "").partition("#")[0])
    return posixpath.normpath(posixpath.join(folder, reference))


def _text(files: Files, chapters: Iterable[str], name: str) -> str:
    texts = list[str]()
    for chapter in chapters:
        try:
            source = files.data(chapter)
        except KeyError:  # a chapter that the file lacks
            continue
        if source.strip():
            texts.append(page_text(page_source(source, name), name))
    return "\n\n".join(filter(None, texts))


EPUB = DocumentFormat(
    lambda head: head.startswith(b"PK\x03\x04") and (b"application/epub+zip" in head or _CONTAINER.encode() in head),
    _read,
)
