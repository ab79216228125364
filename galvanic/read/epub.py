"""Read EPUB books: the chapters in the order of their spine."""

import posixpath
import urllib.parse
import zipfile
from collections.abc import Iterator

from lxml import etree

from galvanic.errors import UserError
from galvanic.read.documents import Document, DocumentFormat, xml_parser
from galvanic.read.files import opened_zip, read_member
from galvanic.read.pages import Page, page_source

_CONTAINER = "META-INF/container.xml"
_LOCKED = ("META-INF/rights.xml", "META-INF/license.lcpl", "META-INF/sinf.xml")  # Adobe's, Readium's, Apple's
_NO_CHAPTERS = frozenset({"cover", "toc", "title-page", "copyright-page", "index"})  # types of pages, in EPUB 2

_CONTENTS_SHARE = 0.6  # of the words of a page that are links, in contents


def _read(data: bytes, name: str) -> Document:
    archive = opened_zip(data, name)
    if any(lock in archive.namelist() for lock in _LOCKED):
        raise UserError(f"`{name}` is locked (DRM).", "Give a book without a lock, or its text.")
    rootfile = _root(archive, _CONTAINER, name).find(".//{*}rootfile")
    path = rootfile.get("full-path", "") if rootfile is not None else ""
    package = _root(archive, path, name)
    title, author = (package.findtext(f".//{{*}}{field}", "").strip() for field in ("title", "creator"))
    return Document(_text(archive, _chapters(package, path), name), f"{title}, by {author}" if author else title)


def _root(archive: zipfile.ZipFile, path: str, name: str) -> etree._Element:
    """Parse a file of XML in a book, without its entities. Raises UserError: it is missing or damaged."""
    try:
        return etree.fromstring(read_member(archive, path, name), xml_parser())
    except (KeyError, etree.LxmlError, ValueError) as error:
        raise UserError(f"`{name}` is a damaged EPUB book.", "Download or export it again.") from error


def _chapters(package: etree._Element, path: str) -> Iterator[str]:
    """Yield the paths of a book's chapters in the order of its spine, each once, without contents and cover."""
    skipped = {_target(path, page) for page in package.iterfind(".//{*}reference") if page.get("type") in _NO_CHAPTERS}
    items = {item.get("id"): item for item in package.iterfind(".//{*}item")}
    for reference in package.iterfind(".//{*}itemref"):
        item = items.get(reference.get("idref"))
        if item is None or reference.get("linear") == "no" or "nav" in item.get("properties", "").split():
            continue
        if (chapter := _target(path, item)) not in skipped and "html" in item.get("media-type", "html"):
            skipped.add(chapter)
            yield chapter


def _target(path: str, element: etree._Element) -> str:
    """Return the path that an element of the file at `path` refers to."""
    reference = urllib.parse.unquote(element.get("href", "").partition("#")[0])
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), reference))


def _text(archive: zipfile.ZipFile, chapters: Iterator[str], name: str) -> Iterator[str]:
    between = ""
    for chapter in chapters:
        try:
            source = read_member(archive, chapter, name)
        except KeyError:  # a chapter that the file lacks
            continue
        page = Page(name)
        text = "".join(page.read(page_source(source, name))) if source.strip() else ""
        if page.linked > _CONTENTS_SHARE * page.characters:
            continue
        yield between + text if text else ""
        between = "\n\n" if between or text else ""


EPUB = DocumentFormat(
    lambda head: head.startswith(b"PK\x03\x04") and (b"application/epub+zip" in head or _CONTAINER.encode() in head),
    _read,
)
