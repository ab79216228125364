"""Finding the text that a command names, and telling its outcome."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from galvanic.cli.base import Cli
from galvanic.options import CorpusInfo
from galvanic.text import until_line


def find_source(
    cli: Cli, text: str, workdir: Path, *, until: str | None = None, keep_licence: bool = False, name: str | None = None
) -> tuple[str | Path, CorpusInfo]:
    """The text that somebody names, to learn from; of a large file the path of one in UTF-8 (see `FindText`).

    `until`: only what is before the last line that begins so; it is then in memory. `name`: in place of its own. Raises
    UserError where there is no such text, or it is none, or too short, or no line begins with `until`.
    """
    body, info = cli.find_text(text, workdir if until is None else None, keep_licence=keep_licence)
    update: dict[str, Any] = {"name": name} if name else {}
    if until is not None and isinstance(body, str):
        body = until_line(body, until)
        digest = hashlib.sha256(body.encode("utf-8", "surrogatepass"))
        update |= {"chars": len(body), "sha256": digest.hexdigest()}
    return body, info.model_copy(update=update)


def report(as_json: bool, values: dict[str, Any], lines: list[str]) -> None:
    print(json.dumps(values) if as_json else "\n".join(lines), flush=True)
