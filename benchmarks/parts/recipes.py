"""Measure the effect of options of a training and of a text: the figures of docs/recipes.md."""

import asyncio
import re
from pathlib import Path

from benchmarks import texts
from benchmarks.models import Watcher
from benchmarks.record import Context
from galvanic.copying import copied_share
from galvanic.errors import UserError
from galvanic.generate import TextModel, load_model
from galvanic.options import TrainOptions
from galvanic.request import WriteRequest
from galvanic.training import train
from shared.corpora.sources import resolve
from shared.settings import get_settings

BOOK_EPOCHS, BOOK_UNITS = 6, 256
"""The training on the book: enough for words and some style. By epochs, so that the machine's speed doesn't matter."""
SHORT_CHARS, SHORT_SCORED, SHORT_EPOCHS = 15_000, 5_000, 15
"""The short text, from Python's language reference: characters to learn, characters to score after them, epochs."""
SEED = "It was a dreary night of November, and"
TEXTS, CHARS, SHOWN = 40, 500, 200
"""Texts for each setting, characters of each, and characters of the first that are kept as a sample."""
SETTINGS: dict[str, WriteRequest] = {
    **{
        f"temperature_{tenths:02d}": WriteRequest(seed=SEED, length=CHARS, temperature=tenths / 10, min_p=0)
        for tenths in (2, 5, 8, 10, 12)
    },
    "top_p": WriteRequest(seed=SEED, length=CHARS, temperature=1.0, top_p=0.9, min_p=0),
    "min_p": WriteRequest(seed=SEED, length=CHARS, temperature=1.0, min_p=0.05),
}
"""The settings, by their names in the keys; temperatures are in tenths."""
_WORD = re.compile(r"[^\W\d_]+")


def settings(context: Context) -> None:
    """Measure texts at several temperatures, with top-p and with min-p."""
    first, last = texts.parts(texts.measure_text())
    model = load_model(_book_model(context.work, first))
    context.record.values["recipes.book_nats"] = model.score(last).nats_per_char
    _write_in_each(context, model, first)


def short_text(context: Context) -> None:
    """Measure the loss on a short text that is learned alone, and one that is learned after the book."""
    book = _book_model(context.work, texts.parts(texts.measure_text())[0])
    reference = texts.processed(asyncio.run(resolve("python-docs", get_settings())).text, "char")
    learned, scored = reference[:SHORT_CHARS], reference[SHORT_CHARS : SHORT_CHARS + SHORT_SCORED]
    for name, parent in {"alone": None, "after_the_book": book}.items():
        out = context.work / f"short-{name}"
        options = TrainOptions(epochs=SHORT_EPOCHS)
        train(learned, options, texts.info(learned), out=out, hooks=Watcher(), parent=parent)
        context.record.values[f"recipes.short_{name}_nats"] = load_model(out).score(scored).nats_per_char


def _book_model(work: Path, learned: str) -> Path:
    """Return the file of a model of the book, which is trained once for both parts."""
    folder = work / "book-model"
    if not folder.is_file():
        options = TrainOptions(epochs=BOOK_EPOCHS, units=BOOK_UNITS)
        train(learned, options, texts.info(learned), out=folder, hooks=Watcher())
    return folder


def _write_in_each(context: Context, model: TextModel, learned: str) -> None:
    """Measure texts in each setting: shares of words that the learned text has, and of copied characters."""
    vocabulary = {word.lower() for word in _WORD.findall(learned)}
    for name, request in SETTINGS.items():
        written = _written(model, request)
        words = [word.lower() for text in written for word in _WORD.findall(text)[:-1]]  # the last may be cut off
        key = f"recipes.{name}"
        context.record.values |= {
            f"{key}_known_words": sum(word in vocabulary for word in words) / len(words),
            f"{key}_distinct_words": len(set(words)) / len(words),
            f"{key}_copied": copied_share(written, [learned]),
        }
        context.record.raw[f"{key}_sample"] = SEED + written[0][:SHOWN]


def _written(model: TextModel, request: WriteRequest) -> list[str]:
    answers = model.generate_batch(
        [request.model_copy(update={"random_seed": number}) for number in range(1, TEXTS + 1)]
    )
    texts_written = []
    for answer in answers:
        if isinstance(answer, UserError):
            raise answer
        texts_written.append(answer.text)
    return texts_written
