"""The saved cases: what was found once, and what nobody should have to find again. `corpus/KIND.json`.

A case is what its kind's strategy makes, as JSON, with the reason why it is there. A lone surrogate or a NUL is
written as an escape (`\\ud800`); bytes are written as `content` below says.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "corpus"


def saved(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The saved cases of a kind, each with the reason why it is there."""
    for entry in json.loads((FOLDER / f"{kind}.json").read_text("utf-8")):
        yield entry["why"], entry["case"]


@contextmanager
def because(why: str) -> Iterator[None]:
    """What goes wrong within is told with the reason why the case is there."""
    try:
        yield
    except BaseException as error:
        error.add_note(why)
        raise


def content(made: dict[str, Any]) -> bytes:
    """The bytes of a file in a case: `text` (in `encoding`), `hex`, or a `zip` of such files; `times` over."""
    if "zip" in made:
        held = io.BytesIO()
        # A name twice is one of the cases.
        with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, part in made["zip"]:
                archive.writestr(
                    zipfile.ZipInfo(name.encode("utf-8", "replace").decode() or "x"),
                    content(part),
                    zipfile.ZIP_DEFLATED,
                )
        data = held.getvalue()
    elif "hex" in made:
        data = bytes.fromhex(made["hex"])
    else:
        data = made["text"].encode(made.get("encoding", "utf-8"), "surrogatepass")
    return data * made.get("times", 1)
