"""A model as one HTML file that writes in any browser, without a network: the format `html`.

The page holds the integers and tables that Python itself computes with (`galvanic.streams.Networks`), zipped, and a
writer in plain JavaScript (`writer.js`), which runs in a worker thread. Its content policy allows no request at all.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from galvanic.errors import UserError
from galvanic.facts import MOST_LICENCE, MOST_TITLE, one_line
from galvanic.files import replacing
from galvanic.model_file import Description, load, memory
from galvanic.ngrams import PREFIX
from galvanic.plan import Weights
from galvanic.request import usual_drawing
from galvanic.text import make_vocabulary
from galvanic.units import MEGABYTE

if TYPE_CHECKING:
    from galvanic.companion import Companion

MOST_BYTES = 10 * 2**20  # what Discord takes in a server without boosts, and mailboxes take
_FOLDER = Path(__file__).parent
_PLACE = re.compile(r"\{\{(\w+)\}\}")  # in page.html


def write(model: Path, target: Path) -> tuple[str, ...]:
    """Write a model's page into a file: `galvanic.exports.Write`."""
    page = make_page(model, model.stem)
    with replacing(target) as partial:
        partial.write_bytes(page)
    return ("It opens in any browser, offline. Its texts may quote what the model learned from.",)


def make_page(model: Path, name: str, most_bytes: int = MOST_BYTES) -> bytes:
    """Return the page of a model file, of at most so many bytes; `name` is its heading.

    Raises UserError if there is no model, it learned people's messages, its recipe isn't `char`, or it is too large.
    """
    description, weights, _, companion = load(model)
    _require_book(description)
    _require_fits(memory(description.network) // 2, most_bytes)  # of 4 bytes in memory, 2 or more are in the page
    text = description.corpus
    licences = dict.fromkeys(one_line(each.licence, MOST_LICENCE).rstrip(".") for each in description.texts)
    usual = usual_drawing(description.recipe, description.training.known_loss)
    style, script, writer = ((_FOLDER / file).read_text("utf-8") for file in ("page.css", "page.js", "writer.js"))
    page = _filled(
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        writer=writer,
        model=base64.b64encode(gzip.compress(_packed(description, weights, companion), mtime=0)).decode(),
        name=html.escape(one_line(name, MOST_TITLE)),
        title=html.escape(one_line(text.title, MOST_TITLE)),
        licence=html.escape("".join(f"{licence}. " for licence in licences if licence)),
        temperature=f"{usual.temperature:g}",
    )
    _require_fits(len(page), most_bytes)
    return page


def _require_book(description: Description) -> None:
    """Refuse a model that a page may not or can't hold. Raises UserError."""
    if description.learned_messages:
        raise UserError(
            "This model learned from people's messages, and a page is easily passed on.",
            "Pages are for models of books and files.",
        )
    if description.recipe != "char":
        raise UserError(
            f"A page holds models of the recipe `char`, and this is one of `{description.recipe}`.",
            "Export the model file, or train one with the recipe `char`.",
        )


def _require_fits(size: int, most_bytes: int) -> None:
    if size > most_bytes:
        raise UserError(
            f"This model's page takes {size / MEGABYTE:.1f} MB, and here pages may have "
            f"{most_bytes / MEGABYTE:.1f} MB.",
            "Train one with fewer `--units`, which then is a single network.",
        )


def _packed(description: Description, weights: Weights, companion: Companion | None) -> bytes:
    """Return what `writer.js` unpacks: the length of JSON in 4 bytes, that JSON, and the arrays.

    Each number has 4 bytes. An array begins with the lowest bytes of all its numbers, since alike bytes zip better.
    """
    from galvanic.streams import Part, Streams

    networks = Streams.of(description.network, weights).networks
    arrays: dict[str, npt.NDArray[Any]] = {name: getattr(networks, name) for name in ("weights", "scales", "tables")}
    if companion is not None:
        table = {name.removeprefix(PREFIX): array for name, array in companion.arrays.items()}
        table.pop("reading", None)  # the page only writes
        arrays |= {"powers": table.pop("weights"), **table}
    facts = {
        "symbols": description.symbols,
        "signs": make_vocabulary(description.recipe, description.symbols).signs,
        "minP": usual_drawing(description.recipe, description.training.known_loss).min_p,
        "units": networks.units,
        "parts": [dict(zip(Part._fields, part, strict=True)) for part in networks.parts.tolist()],
        "arrays": {name: {"kind": _kind(array), "size": array.size} for name, array in arrays.items()},
    }
    head = json.dumps(facts).encode()
    return b"".join([len(head).to_bytes(4, "little"), head, *(_planes(array) for array in arrays.values())])


def _kind(array: npt.NDArray[Any]) -> str:
    return array.dtype.name if array.dtype in (np.float32, np.int16) else "int32"


def _planes(array: npt.NDArray[Any]) -> bytes:
    """Return the lowest bytes of all numbers, then the second ones, and so on, 4 bytes for each number."""
    if array.dtype == np.int16:
        array = array.view(np.uint16)  # without a sign, the upper two bytes are 0
    numbers = array.astype("<f4" if array.dtype == np.float32 else "<u4").ravel()
    return numbers.view(np.uint8).reshape(-1, 4).T.tobytes()


def _filled(**values: str) -> bytes:
    """Return page.html with its places filled, in one pass: no value is looked through for places."""
    template = (_FOLDER / "page.html").read_text("utf-8")
    return _PLACE.sub(lambda place: values[place[1]], template).encode()


def _hash(code: str) -> str:
    """Return the hash by which the content policy allows a script or a style."""
    return f"sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}"
