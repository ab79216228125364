"""Finding the text that a command names, and telling its outcome."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

from shared.corpora import check_size, decode_text, resolve, slugify
from shared.errors import UserError
from shared.jobs import CorpusInfo
from shared.settings import get_settings
from worker.text import until_line


def find_text(
    text: str, *, until: str | None = None, keep_licence: bool = False, name: str | None = None
) -> tuple[str, CorpusInfo]:
    """The text of a file as it is, or of a name in the catalogue.

    Raises:
        UserError: there is neither, or it cannot be read, or no line begins with `until`.
    """
    path = Path(text)
    if path.is_file():
        body, info = _from_file(path)
    elif path.suffix or path.is_dir() or len(path.parts) > 1:
        raise UserError(f"There is no text file {text}.", "Give the path of a file, or a name from the catalogue.")
    else:
        corpus = asyncio.run(resolve(text, get_settings(), keep_licence=keep_licence))
        body, info = corpus.text, corpus.info
    if until is not None:
        body = until_line(body, until)
    update: dict[str, Any] = {"chars": len(body), "sha256": _sha256(body)}
    if name:
        update["name"] = name
    return body, info.model_copy(update=update)


def _from_file(path: Path) -> tuple[str, CorpusInfo]:
    try:
        check_size(path.stat().st_size, get_settings())
        body = decode_text(path.read_bytes(), path.name)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Give the path of a text file.") from error
    info = CorpusInfo(name=slugify(path.stem), title=path.name, source="file", chars=len(body), sha256=_sha256(body))
    return body, info


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def report(as_json: bool, values: dict[str, Any], lines: list[str]) -> None:
    """Print the lines for a person, or else one JSON object as the last line."""
    print(json.dumps(values) if as_json else "\n".join(lines), flush=True)
