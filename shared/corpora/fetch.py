"""Fetch a book from Project Gutenberg's mirrors."""

import asyncio
from urllib.parse import urlsplit

import aiohttp
import structlog

from galvanic.errors import UserError
from galvanic.read.gutenberg import why_not_book
from galvanic.read.text import decode_text
from shared.corpora.catalogue import CatalogueEntry
from shared.corpora.corpus import size_limit
from shared.settings import Settings

log = structlog.get_logger(__name__)

FETCH_WITHIN_S = 60.0  # for one book from one mirror: a long one over a slow line
_STALLED_S = 20.0  # without a byte
_CHUNK = 64 * 1024
_HEADERS = {"User-Agent": "Galvanic (self-hosted Discord bot)", "Accept": "text/plain"}


class FetchError(Exception):
    """A mirror does not have the book, or none has. The message is for the log."""


async def fetch_book(entry: CatalogueEntry, settings: Settings) -> bytes:
    """Return a book from the first mirror that has it within `FETCH_WITHIN_S`. Raises FetchError."""
    timeout = aiohttp.ClientTimeout(total=FETCH_WITHIN_S, sock_connect=_STALLED_S, sock_read=_STALLED_S)
    # trust_env: somebody behind a proxy has it in HTTPS_PROXY.
    async with aiohttp.ClientSession(timeout=timeout, headers=_HEADERS, trust_env=True) as session:
        for mirror in settings.gutenberg_mirrors:
            host = urlsplit(mirror).hostname or mirror
            try:
                url = mirror.replace("{number}", str(entry.gutenberg_number))
                data = await _download(session, url, settings)
                if why := await asyncio.to_thread(_why_not, data, entry):
                    raise FetchError(f"sent {why}")
            except FetchError as error:
                log.warning("mirror failed", book=entry.name, host=host, reason=str(error))
            else:
                log.info("book fetched", book=entry.name, host=host, bytes=len(data))
                return data
    raise FetchError("no mirror has it" if settings.gutenberg_mirrors else "no mirror is configured")


async def _download(session: aiohttp.ClientSession, url: str, settings: Settings) -> bytes:
    limit = size_limit(settings)
    try:
        async with session.get(url, max_redirects=5) as response:
            if url.startswith("https:") and response.url.scheme != "https":
                raise FetchError("sends on to an address without encryption")
            if response.status != 200:
                raise FetchError(f"answered with the error {response.status}")
            data = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK):
                data += chunk
                if len(data) > limit:
                    raise FetchError(f"has a file over the limit of {settings.corpus_max_mb:g} MB")
            return bytes(data)
    except TimeoutError as error:
        raise FetchError(f"took longer than {FETCH_WITHIN_S:g} s, or stalled") from error
    except (aiohttp.ClientError, ValueError) as error:  # ValueError: of an address that can't be
        raise FetchError(f"cannot be reached ({type(error).__name__})") from error


def _why_not(data: bytes, entry: CatalogueEntry) -> str:
    """Return why these bytes are not the book, in words that follow "it sent"; empty if they are."""
    try:
        text = decode_text(data, entry.name)
    except UserError:
        return "something that is not a text"
    return why_not_book(text, entry.gutenberg_number, entry.title, entry.author)
