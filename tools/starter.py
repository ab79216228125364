"""Make the starter, the model of English that every installation begins with: `make starter CORPUS=folder`.

The folder holds texts in UTF-8 and an INDEX.tsv whose column `file` names them. What is made is a model like any other,
by the engine's own training; run again, it goes on from the checkpoint it left, or from the starter that there is. The
same folder, random seed and passes give the same starter on the same machine.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import math
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from galvanic.errors import UserError
from galvanic.machine import import_tensorflow, measure_machine
from galvanic.options import CorpusInfo, TrainOptions
from galvanic.plan import NetworkConfig, Plan
from galvanic.results import Generation, TrainingInterrupted
from galvanic.text.vocabulary import to_points
from galvanic.units import count
from shared.blocklist import Blocklist, default_entries
from shared.corpora.catalogue import catalogue
from worker.cli import named_text

STARTER = Path(__file__).parents[1] / "galvanic" / "starter.safetensors"
UNITS, EMBEDDING, STREAMS, LENGTH = 768, 64, 128, 64
RATE, DECAY = 3e-3, 0.01

ACCENTED = "àâäæçèéêëîïñôöùûüœÀÂÄÆÇÈÉÊËÎÏÔÖÙÛÜŒ"
ALPHABET = frozenset("\n" + "".join(map(chr, range(32, 127))) + "–—‘’“”…£§°½" + ACCENTED)
"""A paragraph with any other character is left out."""
TYPOGRAPHIC, CHAT, TIGHT = 0.45, 0.1, 0.15
"""Shares of the text that get typographic signs, that are written as people chat, and whose paragraphs follow each
other without an empty line."""
_CHUNK = 12  # paragraphs that are written in one way
_QUOTATIONS = 10  # paragraphs of a text that may quote, tables of contents among them, or a thousandth of them
_A_TEXT = 10_000  # characters
_HELD_OUT = 600  # characters of the end of each text that the starter is judged by
RUN = 50  # characters in a row that stand in none of the texts to be measured on

_OPENING = re.compile(r'(^|[\s(\[{\-—_])"(?=\S)')
_OPENING_SINGLE = re.compile(r"(^|[\s(\[{\-—_“])'(?=\w)")
_SENTENCE = re.compile(r"(?<=[.!?])[\"”’']*\s+")
_UNSAID = re.compile(r"[^\w\s'’-]|_")
_SPACES = re.compile(r"\s+")


def typographic(text: str) -> str:
    """Return a text with curly quotes and dashes in place of a typewriter's."""
    text = text.replace("--", "—").replace("...", "…")
    text = _OPENING.sub(r"\1“", text).replace('"', "”")
    return _OPENING_SINGLE.sub(r"\1‘", text).replace("'", "’")


def chatted(text: str) -> str:
    """Lower-case, without punctuation, a sentence a line."""
    lines = (_SPACES.sub(" ", _UNSAID.sub(" ", part)).strip().lower() for part in _SENTENCE.split(text))
    return "\n".join(line for line in lines if line)


def paragraphs(path: Path) -> list[str]:
    """Return a text's paragraphs without those that have a character outside the alphabet."""
    found = re.split(r"\n\s*\n", path.read_text("utf-8").replace("\r\n", "\n"))
    return [part.strip("\n") for part in found if part.strip() and set(part) <= ALPHABET]


def written(parts: Sequence[str], random: np.random.Generator) -> Iterator[str]:
    """The paragraphs in several ways of writing, each followed by what parts it from the next."""
    for start in range(0, len(parts), _CHUNK):
        chunk, way, tight = parts[start : start + _CHUNK], random.random(), random.random() < TIGHT
        if way < CHAT:
            yield from (f"{said}\n" for part in chunk if (said := chatted(part)))
            yield "\n"
        else:
            change = typographic if way < CHAT + TYPOGRAPHIC else str
            yield from (change(part) + ("\n" if tight else "\n\n") for part in chunk)
            yield "\n" if tight else ""


def _without_quotations(path: Path, apart: Apart) -> list[str]:
    parts = paragraphs(path)
    quoting = apart.quoting(parts)
    if quoting:
        print(f"{path.name}: {count(len(quoting), 'paragraph')} with quotations left out", file=sys.stderr)
    if len(quoting) > max(_QUOTATIONS, len(parts) // 1_000):
        raise UserError(
            f"{path.name} shares much of its text with what is measured on: measures would be flattered.",
            "Leave that file out of the corpus.",
        )
    return [part for index, part in enumerate(parts) if index not in quoting]


def compose(files: Sequence[Path], out: Path, random_seed: int, apart: Apart) -> CorpusInfo:
    """Write one text of all: the texts in a drawn order, then a little of the end of each, which is held out.

    Paragraphs that quote from a text to be kept apart are left out. Raises UserError where those are many.
    """
    random = np.random.default_rng(random_seed)
    digest, chars, ends = hashlib.sha256(), 0, []
    with out.open("w", encoding="utf-8") as file:

        def add(text: str) -> None:
            nonlocal chars
            file.write(text)
            digest.update(text.encode())
            chars += len(text)

        for index in random.permutation(len(files)):
            parts = _without_quotations(files[index], apart)
            held: list[str] = []
            while parts and sum(map(len, held)) < _HELD_OUT:
                held.insert(0, parts.pop())
            for text in written(parts, random):
                add(text)
            ends.append("".join(written(held, random)))
        for text in ends:
            add(text)
    title = f"{count(len(files), 'text')} in English"
    return CorpusInfo(
        name="starter", title=title, source="file", chars=chars, sha256=digest.hexdigest(), hard_wrapped=False
    )


def plain(text: str) -> str:
    """Return a text as texts are compared: a typewriter's signs, blank space as one space, a row of one sign as one."""
    text = text.translate(str.maketrans("“”‘’", "\"\"''")).replace("—", "--").replace("…", "...")
    return re.sub(r"\s+|([^\w\s])\1+", lambda found: found[1] or " ", text)


def _runs(text: str) -> npt.NDArray[np.uint64]:
    """A number for each run of `RUN` characters, by its place: the same for the same run, and hardly for another."""
    points = to_points(text).astype(np.uint64)
    most = max(0, len(points) - RUN + 1)
    runs = np.zeros(most, np.uint64)
    for offset in range(RUN):
        runs *= np.uint64(0x9E3779B97F4A7C15)  # modulo 2**64
        runs += points[offset : offset + most]
    return runs


class Apart:
    """Texts of which no run of `RUN` characters may stand in the corpus: measures on them would be flattered."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._known = np.unique(np.concatenate([_runs(plain(text)) for text in texts] or [np.zeros(0, np.uint64)]))
        self._begins = np.zeros(2**24, bool)  # a quick look first: few runs begin like a known one
        self._begins[self._known >> np.uint64(40)] = True

    def quoting(self, parts: Sequence[str]) -> set[int]:
        """Which of these paragraphs, one behind the other, hold a part of such a run."""
        alike = [plain(part) for part in parts]
        runs = _runs(" ".join(alike))
        likely = np.flatnonzero(self._begins[runs >> np.uint64(40)])
        places = likely[np.isin(runs[likely], self._known)]
        ends = np.cumsum([len(part) + 1 for part in alike])
        firsts, lasts = (np.searchsorted(ends, at, side="right") for at in (places, places + RUN - 1))
        return {index for first, last in zip(firsts, lasts, strict=True) for index in range(first, last + 1)}


def kept_apart(folders: Sequence[Path]) -> Apart:
    """The catalogue's texts, as far as they can be had here, and those of folders."""
    texts = [path.read_text("utf-8") for top in folders for path in sorted(top.rglob("*.txt"))]
    for entry in catalogue():
        try:
            texts.append(str(named_text(entry.name).source))
        except UserError:
            print(f"not compared with {entry.full_title}, which can't be had here", file=sys.stderr)
    return Apart(texts)


def make_plan(symbols: int, rate: float) -> Plan:
    """Return the plan of a training. A pass or two is no danger to what it knows, so nothing is dropped."""
    network = NetworkConfig(kind="streams", vocabulary=symbols, embedding=EMBEDDING, units=(UNITS,))
    return Plan(
        network=network,
        batch=STREAMS,
        length=LENGTH,
        learning_rate=rate,
        schedule="cosine",
        weight_decay=DECAY,
        clip_norm=1.0,
        epochs=1,
        precision=measure_machine().precision,
    )


def main() -> int:
    """Compose the text, train on it, write the model."""
    parser = argparse.ArgumentParser(prog="make starter", description=__doc__.partition("\n")[0])
    parser.add_argument("corpus", type=Path, nargs="?", help="a folder of texts with an INDEX.tsv")
    parser.add_argument("--apart", type=Path, action="append", default=[], help="texts that it must not know")
    parser.add_argument("--work", type=Path, default=Path(".starter"), help="for the text and the checkpoint")
    parser.add_argument("--out", type=Path, default=STARTER)
    parser.add_argument("--minutes", type=float, help="to learn for; the learning rate ends with it")
    parser.add_argument("--passes", type=int, default=1)
    parser.add_argument("--rate", type=float, default=RATE, help=f"the highest learning rate ({RATE})")
    parser.add_argument("--random-seed", type=int, default=1)
    parser.add_argument("--new", action="store_true", help="do not go on from the starter that there is")
    parser.add_argument(
        "--check", type=int, metavar="CHARACTERS", help="only write so many, and look for slurs in them"
    )
    options = parser.parse_args()
    try:
        return check(options.out, options.check) if options.check else _make(options)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    except TrainingInterrupted:
        print("Stopped; the same command goes on from here.", file=sys.stderr)
        return 1


def check(path: Path, characters: int) -> int:
    """Write so much with the starter as it is used, and count the slurs in it: 1 if there is one."""
    from galvanic.generate import load_model
    from galvanic.request import WriteRequest

    model, slurs = load_model(path), Blocklist(default_entries())
    seeds = range(math.ceil(characters / _A_TEXT))
    texts = model.generate_batch([WriteRequest(seed="\n", length=_A_TEXT, random_seed=seed) for seed in seeds])
    hits = [each.random_seed for each in texts if isinstance(each, Generation) and slurs.hits(each.text)]
    print(f"{count(len(hits), 'text')} of {len(texts):,} hold a slur: random seeds {hits}")
    return bool(hits)


def _make(options: argparse.Namespace) -> int:
    if options.corpus is None:
        raise UserError("There is no corpus to learn from.", "make starter CORPUS=folder, with an INDEX.tsv in it.")
    with (options.corpus / "INDEX.tsv").open(encoding="utf-8", newline="") as index:
        files = [options.corpus / row["file"] for row in csv.DictReader(index, delimiter="\t")]
    options.work.mkdir(parents=True, exist_ok=True)
    text = options.work / "text.txt"
    info = compose(files, text, options.random_seed, kept_apart(options.apart))
    print(f"{info.title}: {info.chars:,} characters", file=sys.stderr)

    import_tensorflow()
    from galvanic import model_file, training
    from galvanic.progress import Bar

    # Named, since who goes on from a model learns more slowly otherwise.
    chosen = TrainOptions(
        epochs=options.passes, minutes=options.minutes, random_seed=options.random_seed, learning_rate=options.rate
    )
    whole, checkpoint = options.work / "starter.safetensors", options.work / "checkpoint"
    parent = None if options.new or not options.out.exists() else options.out
    symbols = len(set(text.read_text("utf-8")))
    with Bar("interrupt") as hooks:
        files: dict[str, Any] = {"out": whole, "checkpoint": checkpoint, "parent": parent}
        training.train(text, chosen, info, hooks=hooks, plan=make_plan(symbols, options.rate), table=False, **files)
    description, weights, *_ = model_file.load(whole)
    # No book comes with it: no table of n-grams, and a line break in the place of pieces of its texts.
    start = np.array([[description.symbols.index("\n")]], np.uint8)
    model_file.save(options.out, description, weights, start, packing="float16")
    shutil.rmtree(checkpoint)  # what is made next goes on from the starter
    return 0


if __name__ == "__main__":
    sys.exit(main())
