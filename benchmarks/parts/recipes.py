"""What the choices of a training and of a text are worth: the figures of docs/recipes.md."""

from __future__ import annotations

import asyncio
import os
import re
import time
from dataclasses import replace
from pathlib import Path

from benchmarks import texts
from benchmarks.models import Watcher
from benchmarks.record import Context
from shared.corpora import resolve
from shared.errors import UserError
from shared.jobs import TrainOptions
from shared.settings import get_settings
from worker.model.copying import copy_score
from worker.model.generate import TextModel, load_model
from worker.model.request import WriteRequest
from worker.model.train import train

BOOK_EPOCHS, BOOK_UNITS = 6, 256
"""Enough for words and a little of the voice. By epochs, as below: so nothing depends on what else the machine does."""
SHORT_CHARS = 40_000
"""Of Python's language reference, the text that needs no network: as much as a long short story."""
SHORT_EPOCHS = 20
SEED = "It was a dreary night of November, and"
TEXTS, CHARS, SHOWN = 40, 500, 200
"""Written in each setting, characters of each, and how many of the first are kept to be shown."""
SETTINGS: dict[str, WriteRequest] = {
    **{f"temperature_{tenths:02d}": WriteRequest(SEED, CHARS, tenths / 10) for tenths in (2, 5, 8, 10, 12)},
    "top_p": WriteRequest(SEED, CHARS, 1.0, top_p=0.9),
    "min_p": WriteRequest(SEED, CHARS, 1.0, min_p=0.05),
}
"""By the middle of their keys, the temperature in tenths."""
_WORD = re.compile(r"[^\W\d_]+")


def recipes(context: Context) -> None:
    """What is written in several settings; a short text alone, as words, and after the book."""
    first, last = texts.parts(texts.measure_text())
    book = _learn(context, "recipes.book_nats", first, last, TrainOptions(epochs=BOOK_EPOCHS, units=BOOK_UNITS))
    _temperatures(context, load_model(book), first)
    reference = asyncio.run(resolve("python-docs", get_settings())).text[:SHORT_CHARS]
    first, last = texts.parts(texts.processed(reference, "char"))
    short = TrainOptions(epochs=SHORT_EPOCHS)
    _learn(context, "recipes.short_alone_nats", first, last, short)
    _learn(context, "recipes.short_word_nats", first, last, short.model_copy(update={"recipe": "word"}))
    _learn(context, "recipes.short_after_the_book_nats", first, last, short, parent=book)


def _temperatures(context: Context, model: TextModel, learned: str) -> None:
    """What is written in each setting: the share of its words that the learned text has, and of what is copied."""
    known = {word.lower() for word in _WORD.findall(learned)}
    for name, request in SETTINGS.items():
        written = _written(model, request)
        words = [word.lower() for text in written for word in _WORD.findall(text)[:-1]]  # the last may be cut off
        key = f"recipes.{name}"
        context.record.values |= {
            f"{key}_known_words": sum(word in known for word in words) / len(words),
            f"{key}_distinct_words": len(set(words)) / len(words),
            f"{key}_copied": copy_score(written, learned).share,
        }
        context.record.raw[f"{key}_sample"] = SEED + written[0][:SHOWN]


def _written(model: TextModel, request: WriteRequest) -> list[str]:
    answers = model.generate_batch([replace(request, random_seed=number) for number in range(1, TEXTS + 1)])
    texts_written = []
    for answer in answers:
        if isinstance(answer, UserError):
            raise answer
        texts_written.append(answer.text)
    return texts_written


def _learn(
    context: Context, key: str, first: str, last: str, options: TrainOptions, parent: Path | None = None
) -> Path:
    """Learn from the first part, score the last; the model's folder."""
    out = context.work / key
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    begun = time.monotonic()
    result = train(first, options, texts.info(first), out=out, hooks=Watcher(), parent=parent)
    model = load_model(out)
    network = model.description.network
    context.record.values[key] = model.score(last).nats_per_char
    context.record.raw |= {
        f"{key}.seconds_with_start_and_end": time.monotonic() - begun,
        f"{key}.train_seconds": result.seconds,
        f"{key}.epochs": result.epochs,
        f"{key}.network": f"{network.members} x {'-'.join(map(str, network.units))}",
        f"{key}.parameters": result.parameters,
        f"{key}.stopped": result.stopped,
        f"{key}.random_seed": result.random_seed,
        f"{key}.load_before": load,
    }
    return out
