"""Finding the text that a command names, and telling its outcome."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from shared.corpora import from_file, resolve, sha256
from shared.errors import UserError
from shared.jobs import CorpusInfo
from shared.settings import get_settings
from worker.text import until_line


def find_text(
    text: str, *, until: str | None = None, keep_licence: bool = False, name: str | None = None
) -> tuple[str, CorpusInfo]:
    """The text of a file as it is, or of a name in the catalogue, in memory.

    Raises:
        UserError: there is neither, or it cannot be read, or no line begins with `until`.
    """
    body, info = find_source(text, None, until=until, keep_licence=keep_licence, name=name)
    assert isinstance(body, str)  # without a folder every file is read into memory
    return body, info


def find_source(
    text: str, workdir: Path | None, *, until: str | None = None, keep_licence: bool = False, name: str | None = None
) -> tuple[str | Path, CorpusInfo]:
    """The text of a file as it is, or of a name in the catalogue; of a large file the path of a text in UTF-8.

    Args:
        text: path or name.
        workdir: a folder where a large file is rewritten that is not UTF-8; it must stay while the text is used.
        until: only what is before the last line that begins so; it is then in memory.
        keep_licence: keep Project Gutenberg's header and footer of a text of the catalogue.
        name: to go by in place of its own.

    Raises:
        UserError: there is neither, or it cannot be read, or no line begins with `until`.
    """
    path = Path(text)
    body: str | Path
    if path.is_file():
        body, info = from_file(path, workdir if until is None else None)
    elif path.suffix or path.is_dir() or len(path.parts) > 1:
        raise UserError(f"There is no text file {text}.", "Give the path of a file, or a name from the catalogue.")
    else:
        corpus = asyncio.run(resolve(text, get_settings(), keep_licence=keep_licence))
        body, info = corpus.text, corpus.info
    update: dict[str, Any] = {"name": name} if name else {}
    if until is not None and isinstance(body, str):
        body = until_line(body, until)
        update |= {"chars": len(body), "sha256": sha256(body)}
    return body, info.model_copy(update=update)


def report(as_json: bool, values: dict[str, Any], lines: list[str]) -> None:
    """Print the lines for a person, or else one JSON object as the last line."""
    print(json.dumps(values) if as_json else "\n".join(lines), flush=True)
