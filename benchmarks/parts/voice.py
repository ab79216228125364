"""Judge the texts that a model of two minutes writes."""

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from benchmarks import texts
from benchmarks.models import Watcher
from benchmarks.parts.quality import TRAININGS, Training, starter
from benchmarks.record import Context
from benchmarks.words import WORD, KnownWords, distinct_fours, inside_word, joined, words
from galvanic.copying import copied_share
from galvanic.errors import UserError
from galvanic.generate import TextModel, load_model
from galvanic.model_file import STARTER_FILE
from galvanic.request import WriteRequest
from galvanic.results import Generation
from galvanic.training import train

JUDGED, ALL = 40, 1_200
"""Texts whose words are judged, and texts that are searched for copies: more than 300,000 characters."""
_AT_ONCE = 64


def from_scratch(context: Context) -> None:
    """Judge a model of the book, from random weights."""
    _judge(context, TRAININGS["frankenstein-2min"], "")


def from_starter(context: Context) -> None:
    """Judge a model of the book, from the starter."""
    _judge(context, starter(texts.BOOK, 2), "starter_")


def written(model: TextModel, requests: Sequence[WriteRequest]) -> Iterator[Generation]:
    """Yield the model's answers.

    Raises:
        UserError: it has none.
    """
    for at in range(0, len(requests), _AT_ONCE):
        for answer in model.generate_batch(requests[at : at + _AT_ONCE]):
            if isinstance(answer, UserError):
                raise answer
            yield answer


def _judge(context: Context, chosen: Training, name: str) -> None:
    """Judge the texts of a model that has learned the first 90 %; a model of an earlier part is used again."""
    learned, held_out = texts.parts(texts.measure_text(chosen.text))
    out = context.work / chosen.key
    if not out.is_file():
        train(learned, chosen.options, texts.info(learned), out=out, hooks=Watcher(), starter=STARTER_FILE)
    model, known_words = load_model(out), KnownWords(learned)
    requests = [WriteRequest(from_line=True, random_seed=number) for number in range(1, ALL + 1)]
    answers = [answer.text for answer in written(model, requests)]
    all_words = [words(text) for text in answers]
    judged, own = all_words[:JUDGED], words(held_out)
    starts = np.linspace(0, len(own) - max(map(len, judged)), JUDGED).astype(int)
    own_pieces = [own[at : at + len(piece)] for at, piece in zip(starts, judged, strict=True)]
    broken = list(broken_ends(model, learned, held_out))
    copied, own_copied = copied_share(answers, [learned]), copied_share([held_out], [learned])
    record = context.record
    record.values |= {
        f"reading.{name}non_words_2min": known_words.lacks(_flat(judged)) - known_words.lacks(own),
        f"reading.{name}distinct_fours_2min": distinct_fours(judged) / distinct_fours(own_pieces),
        f"reading.{name}broken_ends": len(broken),
        f"quality.{name}copied_share": copied - own_copied,
    }
    record.raw |= {
        f"reading.{name}nats": model.score(held_out).nats_per_char,
        f"reading.{name}heldout_non_words": known_words.lacks(own),
        f"reading.{name}non_words_of_{ALL}_texts": known_words.lacks(_flat(all_words)) - known_words.lacks(own),
        f"reading.{name}unknown": " ".join(word for word in _flat(judged) if word not in known_words),
        f"reading.{name}broken": " | ".join(broken),
        f"quality.{name}copied": copied,
        f"quality.{name}copied_heldout": own_copied,
    }


def _flat(many: Iterable[Sequence[str]]) -> list[str]:
    return [word for each in many for word in each]


def broken_ends(model: TextModel, learned: str, held_out: str) -> Iterator[str]:
    """Yield the texts that begin or end inside a word, or go on with a whole word at their seed's end.

    It writes 100 texts after whole words, 50 after a part of a word, which may go on, and 50 after a line of the
    model's own choice. The same texts at twice the length show what comes next.
    """
    random = np.random.default_rng(1)
    seeds = [*_seeds(held_out, random, 100), *_seeds(held_out, random, 50, inside=True)]
    requests = [WriteRequest(seed=seed, random_seed=number) for number, seed in enumerate(seeds)]
    requests += [WriteRequest(from_line=True, random_seed=number) for number in range(50)]
    longer = written(model, [request.model_copy(update={"length": 2 * request.length}) for request in requests])
    for number, (request, short, long) in enumerate(zip(requests, written(model, requests), longer, strict=True)):
        ends_inside = not long.text.startswith(short.text) or inside_word(short.text, long.text[len(short.text) :])
        joins = (request.from_line or number < 100) and joined(short.seed, short.text)
        begins_inside = request.from_line and not re.search(rf"(?<!\w){re.escape(short.seed)}(?!\w)", learned)
        if ends_inside or joins or begins_inside:
            yield f"{short.seed}|{short.text}|{long.text[len(short.text) :][:20]}"


def _seeds(text: str, random: np.random.Generator, number: int, *, inside: bool = False) -> Iterator[str]:
    """Yield seeds of one to six words of a text. `inside`: the last word lacks two letters or more."""
    matches = list(WORD.finditer(text))
    last = [place for place in range(5, len(matches)) if not inside or len(matches[place][0]) > 4]
    for place in random.choice(last, number, replace=False):
        end = random.integers(matches[place].start() + 2, matches[place].end() - 1) if inside else matches[place].end()
        yield text[matches[place - random.integers(6)].start() : end]
