"""Finding the text that a command names, and telling its outcome."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from galvanic.text import until_line
from shared.corpora import check_length, from_file, resolve, sha256
from shared.errors import UserError
from shared.jobs import CorpusInfo
from shared.settings import get_settings


def find_text(text: str) -> tuple[str, CorpusInfo]:
    """The text of a file or of a name in the catalogue, however short, in memory.

    Raises:
        UserError: there is neither, or it is no text.
    """
    body, info = find_source(text, None, to_learn=False)
    assert isinstance(body, str)  # without a folder every file is read into memory
    return body, info


def find_source(
    text: str,
    workdir: Path | None,
    *,
    until: str | None = None,
    keep_licence: bool = False,
    name: str | None = None,
    to_learn: bool = True,
) -> tuple[str | Path, CorpusInfo]:
    """The text of a file or of a name in the catalogue, as the bot takes it; of a large file the path of one in UTF-8.

    Args:
        text: path or name.
        workdir: a folder where a large file is rewritten; it must stay while the text is used.
        until: only what is before the last line that begins so; it is then in memory.
        keep_licence: keep Project Gutenberg's headers and licences.
        name: to go by in place of its own.
        to_learn: refuse what is too short to learn from.

    Raises:
        UserError: there is neither, or it is no text, or too short, or no line begins with `until`.
    """
    path = Path(text)
    body: str | Path
    if path.is_file():
        body, info = from_file(path, workdir if until is None else None, keep_licence=keep_licence)
    elif path.suffix or path.is_dir() or len(path.parts) > 1:
        raise UserError(f"There is no text file {text}.", "Give the path of a file, or a name from the catalogue.")
    else:
        corpus = asyncio.run(resolve(text, get_settings(), keep_licence=keep_licence))
        body, info = corpus.text, corpus.info
    update: dict[str, Any] = {"name": name} if name else {}
    if until is not None and isinstance(body, str):
        body = until_line(body, until)
        update |= {"chars": len(body), "sha256": sha256(body)}
    info = info.model_copy(update=update)
    if to_learn:
        check_length(info.chars, get_settings())
    return body, info


def report(as_json: bool, values: dict[str, Any], lines: list[str]) -> None:
    """Print the lines for a person, or else one JSON object as the last line."""
    print(json.dumps(values) if as_json else "\n".join(lines), flush=True)
