"""Write samples with models of two minutes: `python -m benchmarks.samples [TEXT ...]` fills docs/samples.md and
README.md.

Nothing is chosen: each seed is continued once, with its number as the random seed.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

from benchmarks import report, texts
from benchmarks.__main__ import RIVALS, ROOT
from benchmarks.models import Watcher
from benchmarks.parts.voice import written
from galvanic.generate import load_model
from galvanic.model_file import STARTER_FILE
from galvanic.options import TrainOptions
from galvanic.request import WriteRequest
from galvanic.results import Generation
from galvanic.training import train

TEXTS = {"frankenstein": "*Frankenstein*, a novel", "play": "*Pygmalion*, a play", "fables": "Aesop's fables"}
MINUTES, CHARS = 2, 250
SEEDS = ("Hello", "The sea", "I think that", "My father", "When the night came,", "She said")
"""Our own words."""
_IN_README = "The sea"
_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~])")


def main(arguments: list[str] | None = None) -> int:
    """Train the models and fill the pages; 2 where a text is missing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.samples", description=__doc__)
    parser.add_argument("texts", nargs="*", metavar="TEXT", help=f"default: {', '.join(TEXTS)}")
    parser.add_argument("--models", type=Path, metavar="DIR", help="where models are kept, and taken from if there")
    options = parser.parse_args(arguments)
    if lacking := texts.book_lacking() or texts.suite_lacking():
        print(f"error: {lacking}", file=sys.stderr)
        return 2
    made_on = report.made_on({"machine": report.machine(RIVALS), **report.stamp()})
    with tempfile.TemporaryDirectory(prefix="galvanic-samples-") as work:
        models = options.models or Path(work)
        sections = {name: _section(models / f"{name}.safetensors", name) for name in options.texts or TEXTS}
    page = [made_on]
    short = [f"| text | `!generate {_IN_README}` |", "|---|---|"]
    for name, (about, samples) in sections.items():
        title = TEXTS.get(name, name)
        page += ["", f"## {title}", "", about, ""]
        page += [f"{answer.random_seed}. {_shown(answer)}" for answer in samples]
        short += [f"| {title} | {_shown(answer)} |" for answer in samples if answer.seed == _IN_README]
    report.fill(ROOT / "docs" / "samples.md", "\n".join(page), "samples")
    report.fill(ROOT / "README.md", "\n".join(short), "samples")
    return 0


def _section(path: Path, name: str) -> tuple[str, list[Generation]]:
    """A line about a model, which is trained if it is not there, and what it writes."""
    learned, rest = texts.parts(texts.measure_text(name))
    if not path.is_file():
        options = TrainOptions(minutes=MINUTES)
        train(learned, options, texts.info(learned, name), out=path, hooks=Watcher(), starter=STARTER_FILE)
    model = load_model(path)
    samples = list(
        written(model, [WriteRequest(seed=seed, length=CHARS, random_seed=n) for n, seed in enumerate(SEEDS, 1)])
    )
    start, minutes = "the starter" if model.description.lineage else "scratch", model.description.training.seconds / 60
    about = (
        f"{len(learned):,} characters, {minutes:.1f} minutes from {start}; "
        f"{model.score(rest).nats_per_char:.3f} nats a character on the unseen tenth. "
        f"Default temperature {samples[0].temperature:g}, min-p {samples[0].min_p or 0:g}."
    )
    return about, samples


def _shown(answer: Generation) -> str:
    """A seed in bold with its text, in one line of Markdown."""
    seed, text = (_SPECIAL.sub(r"\\\1", part) for part in (answer.seed, answer.text))
    return f"**{seed}**" + re.sub(r"\s*\n\s*", " ↵ ", text)


if __name__ == "__main__":
    sys.exit(main())
