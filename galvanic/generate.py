"""Models that write and score: one, or several that write one text."""

from __future__ import annotations

import functools
import math
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from galvanic import model_file
from galvanic.companion import Companion
from galvanic.errors import UserError
from galvanic.model_file import Description, load
from galvanic.options import RecipeName, checked
from galvanic.plan import NetworkConfig, Weights
from galvanic.predictor import Predictor, Row
from galvanic.request import WriteRequest, too_slow, usual_drawing
from galvanic.results import Generation, Score
from galvanic.sampling import Sampling
from galvanic.streams import Streams
from galvanic.text import CharVocabulary, Ids, ScoringText, Seed, Vocabulary, get_recipe, make_vocabulary
from galvanic.text.classic import pad
from galvanic.text.edges import LOOK, cut, draw_line, joins, whole_words
from galvanic.text.recipe import UNICODE_SCALARS
from galvanic.units import count
from galvanic.windows import Windows


def predictor(config: NetworkConfig, weights: Weights, companion: Companion | None = None) -> Predictor:
    """What reads and writes symbols with the weights of a network."""
    return Streams.of(config, weights, companion) if config.kind == "streams" else Windows(config, weights)


AS_THE_TUTORIAL = {"classic"}
"""Recipes whose loops are not broken unless asked, and whose texts are not cut at words: so the tutorial shows them."""
_PARAGRAPHS = 0.02
"""Chance of an empty line from which a model's paragraphs are set apart by one: the starter's is 0.17."""
_LETTERS = 0.1
"""Chance of likely letters at a paragraph's beginning from which a text begins with one, with a capital one if these
alone have it: the starter's is 0.62."""
_UNLIKELY = 0.2
"""Share of the likeliest letter's chance below which none begins a text: a model that has read no more than a line
break gives letters that its text lacks up to a seventh."""
_NOTHING_KEPT = "The model keeps nothing of the text that it learned from, so it begins where a line begins."
WHOLE_WORD = 0.008
"""Chance of one of `_AFTER_WORDS`, for the model or the starter, from which the word at a seed's end is a whole one.
People seldom stop inside a word: on text that a model had not learned no whole word was below it, and an eighth of
beginnings of words above, most of them words themselves. See docs/decisions/112-words-at-the-end-of-a-seed.md."""
NEW_WORD = 0.005
"""Chance of a seed's last letter, after those before it, below which it ends a word that the model does not know, which
is a whole one, too: of beginnings of words 0.8 % are below it, "lol" and "brb" at 0.0001."""
_AFTER_WORDS = " \n,."
_JUDGED = 64  # characters of a seed by which its end is judged
_MOST_SYMBOLS = 4  # to a character asked for, so that no text goes on for ever
_TIMED = 8  # symbols by which a model's pace is measured
_MOST_SEED = 1_000  # characters of the corpus that an answer carries as its beginning


@dataclass
class _Begun:
    request: WriteRequest
    row: Row
    read: Seed
    seed: str
    random_seed: int
    ids: Ids = field(default_factory=lambda: np.zeros(0, np.int32))  # written
    opening: str | None = None  # what is put between a whole word and the text; None until that is judged
    first: str = ""  # the text's first letter, if that was read as the seed


class Author(ABC):
    recipe: RecipeName
    vocabulary: Vocabulary
    predictor: Predictor
    loss: float  # nats a character, by which it draws (`usual_drawing`)

    def generate(self, seed: str, length: int, **options: object) -> Generation:
        """Continue a seed; `options` are further fields of `WriteRequest`. Raises UserError where nothing of the seed
        can be used, or a number is out of range."""
        (written,) = self.generate_batch([checked(WriteRequest, {"seed": seed, "length": length, **options})])
        if isinstance(written, UserError):
            raise written
        return written

    def generate_batch(self, requests: Sequence[WriteRequest]) -> list[Generation | UserError]:
        """Continue several seeds in one pass. Each gets the text that it would get alone, or its own error."""
        started = time.monotonic()
        begun = [self._begin(request) for request in requests]
        going = [one for one in begun if isinstance(one, _Begun)]
        for one, ids in zip(going, self.predictor.write([one.row for one in going]), strict=True):
            one.ids = ids
        self._write_anew([one for one in going if one.opening])
        return [one if isinstance(one, UserError) else self._finish(one, started) for one in begun]

    def _write_anew(self, begun: Sequence[_Begun]) -> None:
        """Write texts behind what sets them apart. One that is late stays as it was, if that is long enough."""
        rows = [
            replace(
                one.row,
                seed=np.append(one.row.seed, self.vocabulary.encode(one.opening or "")),
                random=np.random.default_rng(one.random_seed),
            )
            for one in begun
        ]
        for one, row, ids in zip(begun, rows, self.predictor.write(rows), strict=True):
            if not row.late:
                one.ids = ids
            elif one.row.enough(one.ids):
                one.opening = ""
            else:
                one.row.late = True

    def _sets_apart(self, begun: _Begun, ids: Ids) -> bool:
        """Whether the text, of which this is the beginning, makes another word of a whole one at the seed's end: then
        it is to be begun anew, behind a space or another sign. Judged once, for a text's first symbol stays."""
        if begun.opening is not None or self.recipe != "char":
            return False
        begun.opening = ""
        seed, first = self.vocabulary.decode(begun.row.seed[-_JUDGED:]), self.vocabulary.decode(ids[:1])
        signs = "".join(sign for sign in _AFTER_WORDS if sign in self.vocabulary.symbols)
        if not signs or not joins(seed[-1], first):
            return False
        try:
            last, after = _chances(self, seed, signs, begun.row.until)
            # A last letter that the model does not expect ends a word that it does not know.
            new = len(seed) > 1 and seed[-2:].isalpha() and last < NEW_WORD
            if new or sum(after) >= WHOLE_WORD or _is_english_word(seed, begun.row.until):
                begun.opening = signs[after.index(max(after))]
        except UserError:  # too late, which ends the text, too, unless it is long enough by now
            return False
        return bool(begun.opening)

    @abstractmethod
    def draw_window(self, random: np.random.Generator) -> Ids:
        """Ids of a random window of the corpus, [symbols]."""

    def _read_seed(self, seed: str) -> Seed:
        """A seed as ids, never empty. Raises UserError where nothing of it can be used."""
        return get_recipe(self.recipe).seed(seed, self.vocabulary)

    def _begin(self, request: WriteRequest) -> _Begun | UserError:
        if time.monotonic() > request.until:  # before anything is read for it
            return too_slow()
        random_seed = secrets.randbelow(2**32) if request.random_seed is None else request.random_seed
        random = np.random.default_rng(random_seed)
        try:
            sampling = self._sampling(request)
            if request.from_corpus or request.from_line:
                known, seed = self._draw_seed(request, random)
            else:
                known, seed = self._read_seed(request.seed), request.seed
        except UserError as error:
            return error
        lengths = self.vocabulary.lengths
        needed = request.length + known.open_end + LOOK

        def enough(ids: Ids) -> bool:
            return int(lengths[ids].sum()) >= needed or len(ids) >= _MOST_SYMBOLS * request.length

        row = Row(known.ids, sampling, random, enough, request.until)
        begun = _Begun(request, row, known, seed, random_seed)
        if not seed:
            begun.first, begun.opening = self.vocabulary.decode(known.ids).lstrip(), ""
        row.enough = lambda ids: self._sets_apart(begun, ids) or enough(ids)
        return begun

    def _draw_seed(self, request: WriteRequest, random: np.random.Generator) -> tuple[Seed, str]:
        """Draw a window of the corpus, or a line of it; return with it what is shown as the seed: nothing, if the model
        keeps nothing of its corpus. Raises UserError as `Predictor.read`."""
        if request.from_line:
            line = draw_line(lambda: self._text_of(self.draw_window(random)))
            if line.strip():
                return replace(self._read_seed(line), notes=()), line  # they are about what a person types
        window = self.draw_window(random)
        seed = self._text_of(window)
        if seed.strip() and self.recipe not in AS_THE_TUTORIAL and (words := whole_words(seed)):
            return replace(self._read_seed(words), notes=()), words
        if seed.strip():
            return Seed(window), seed
        return Seed(self._draw_start(window, random, request.until), (_NOTHING_KEPT,) * request.from_corpus), ""

    def _draw_start(self, line_break: Ids, random: np.random.Generator, until: float) -> Ids:
        """Draw the symbols that the network reads before a text without a seed: the line breaks before a paragraph, and
        its first letter, a capital one if the model likes to begin so."""
        if self.recipe != "char":
            return line_break

        def chances(symbols: Sequence[str]) -> npt.NDArray[np.float64]:
            texts = [self.vocabulary.encode(symbol) for symbol in symbols]
            return np.exp([float(found[0]) for found in self.predictor.read_each(start, texts, until)])

        start = line_break
        if "\n" in self.vocabulary.symbols and chances("\n")[0] >= _PARAGRAPHS:
            start = np.append(start, self.vocabulary.encode("\n"))
        letters = [symbol for symbol in self.vocabulary.symbols if symbol.isupper() or symbol.islower()]
        likely = chances(letters)
        likely[likely < _UNLIKELY * max(likely, default=0)] = 0
        for chosen in likely * [letter.isupper() for letter in letters], likely:
            if chosen.sum() >= _LETTERS:
                return np.append(start, self.vocabulary.encode(random.choice(letters, p=chosen / chosen.sum())))
        return start

    def _text_of(self, window: Ids) -> str:
        """What is shown of a window: its end, if its symbols are long."""
        return self.vocabulary.decode(window)[-_MOST_SEED:]

    def _sampling(self, request: WriteRequest) -> Sampling:
        usual = usual_drawing(self.recipe, self.loss)
        temperature = usual.temperature if request.temperature is None else request.temperature
        min_p = usual.min_p if request.min_p is None else request.min_p
        guard = self.recipe not in AS_THE_TUTORIAL if request.guard is None else request.guard
        # Where there is one symbol, nothing else could come in its place.
        guard = guard and len(self.vocabulary) > 1
        filtered = request.top_k is not None or request.top_p is not None or request.min_p not in (None, usual.min_p)
        signs = self.vocabulary.signs if self.recipe == "char" and not filtered else ()
        return Sampling(temperature, request.top_k, request.top_p, min_p, guard, signs)

    def _finish(self, begun: _Begun, started: float) -> Generation | UserError:
        if begun.row.late:
            return too_slow()
        request, ids = begun.request, begun.ids
        # A pass goes on after this text was long enough, and its symbols may be long.
        ends = np.cumsum(self.vocabulary.lengths[ids])
        needed = request.length + begun.read.open_end + LOOK
        text = (begun.opening or "") + self.vocabulary.decode(ids[: int(np.searchsorted(ends, needed)) + 1])
        if begun.read.open_end:
            text = text.removeprefix(" ")
        if not begun.seed:
            text = (begun.first + text).lstrip()
        return Generation(
            seed=begun.seed,
            text=cut(text, request.length, request.stop, at_words=self.recipe not in AS_THE_TUTORIAL),
            temperature=begun.row.sampling.temperature,
            min_p=begun.row.sampling.min_p,
            random_seed=begun.random_seed,
            notes=begun.read.notes,
            seconds=time.monotonic() - started,
        )


class TextModel(Author):
    """A model in memory. Safe between threads: no state between calls. `windows`: corpus ids, [windows, symbols]."""

    def __init__(
        self, description: Description, weights: Weights, windows: npt.NDArray[Any], companion: Companion | None = None
    ) -> None:
        self.description = description
        self.recipe = description.recipe
        self.vocabulary = make_vocabulary(description.recipe, description.symbols)
        self.predictor = predictor(description.network, weights, companion)
        self.loss = description.training.known_loss
        self.windows = windows

    def draw_window(self, random: np.random.Generator) -> Ids:
        return np.asarray(self.windows[random.integers(len(self.windows))], np.int32)

    def seconds_per_symbol(self) -> float:
        """Measure the processor time that it takes to read a symbol and predict the next one."""
        ids = np.zeros(_TIMED + 1, np.int32)
        self.predictor.read(ids[:2])  # the first call may compile the loop
        tries = []
        for _ in range(3):
            started = time.thread_time()
            self.predictor.read(ids)
            tries.append((time.thread_time() - started) / _TIMED)
        return min(tries)

    def score(self, text: str, until: float = math.inf) -> Score:
        """How well the model foresees a text, per character of the text as given.

        The text is read in order with carried state and the model stays as it is. The vocabulary's characters share all
        probability but `unseen`; any other costs -ln(unseen) and the naming of one Unicode character, and is not read.
        What the recipe's pipeline loses is charged as well (`galvanic.text.recipe`). A symbol of several characters
        spreads its nats evenly over them, and so does what the pipeline loses over the characters that it dropped or
        replaced; that of line breaks, and of case where nothing is dropped, over all. Raises UserError where nothing of
        the text can be read, or it is not done by `until` (`time.monotonic`).
        """
        scoring = get_recipe(self.recipe).scoring(text, self.vocabulary, unwrapped=self.description.unwrapped)
        read = scoring.ids >= 0
        known = scoring.ids[read]
        unseen = self.description.unseen
        nats = np.full(len(read), math.log(UNICODE_SCALARS) - math.log(unseen))
        if len(known):
            lead = pad(known[:0]) if self.description.network.window else known[:0]
            log_probs = self.predictor.read(np.concatenate([lead, known]), until)[len(lead) :]
            nats[read] = -log_probs.astype(np.float64) - math.log1p(-unseen)
        notes = scoring.notes
        if len(known) < len(read):
            unknown = len(read) - len(known)
            charged = "was charged" if unknown == 1 else "were charged"
            notes = (*notes, f"{count(unknown, 'character')} that the model has never seen {charged} as such.")
        return Score(_spread(scoring, nats), notes)


def _spread(scoring: ScoringText, nats: npt.NDArray[np.float64]) -> tuple[float, ...]:
    """The nats of ids [symbols] and the cost of what the pipeline loses, for each character of the text as given."""
    each = scoring.side_nats.copy()
    first = np.cumsum(scoring.lengths) - scoring.lengths
    places = np.repeat(scoring.starts - first, scoring.lengths) + np.arange(scoring.lengths.sum())
    np.add.at(each, places, np.repeat(nats / scoring.lengths, scoring.lengths))
    return tuple(each.tolist())


def load_model(path: Path) -> TextModel:
    """Raises UserError as `galvanic.model_file.load`."""
    return TextModel(*load(path))


def _chances(author: Author, seed: str, signs: str, until: float) -> tuple[float, list[float]]:
    """Return the chance of a seed's last character behind those before it, and of each sign behind the seed that the
    author knows. Raises UserError if it is not done by `until`."""
    read, following = author.vocabulary.encode(f" {seed}"), author.vocabulary.encode(signs)
    before, after = author.predictor.read_ahead(read[read >= 0], following[following >= 0], until)
    return math.exp(before[-1]), np.exp(after).tolist()


def _is_english_word(seed: str, until: float) -> bool:
    """Return whether a seed ends with a whole word for the starter, which knows more words than a small text has.

    Raises UserError as `_chances`.
    """
    if not model_file.STARTER_FILE.exists():
        return False
    starter = _starter(model_file.STARTER_FILE)
    known = starter.vocabulary.encode(seed[-1])[0] >= 0
    return bool(known) and sum(_chances(starter, seed, _AFTER_WORDS, until)[1]) >= WHOLE_WORD


@functools.lru_cache(1)
def _starter(path: Path) -> TextModel:
    """The starter, which stays in memory: 5 MB."""
    return load_model(path)


class Mixture(Author):
    """The weighted mean of several models' distributions, over all characters that any of them knows.

    All models read what is drawn; one that lacks the character goes on as if it had not come. Temperature and filters
    act on the mixed distribution. Safe between threads. Weights need not sum to 1. Raises UserError where a model is
    not of the recipe `char`, or the weights cannot be used.
    """

    recipe = "char"

    def __init__(self, parts: Sequence[tuple[TextModel, float]]) -> None:
        if not parts:
            raise UserError("A mixture needs models.", "Name two or more.")
        for model, weight in parts:
            if model.recipe != "char":
                raise UserError(
                    f"Models of the recipe `{model.recipe}` cannot be mixed.", "Mix only models of the recipe `char`."
                )
            if not 0 < weight < float("inf"):
                raise UserError("A weight in a mixture must be a number above 0.", "Write it like `a:0.7,b:0.3`.")
        self._parts = parts
        self.loss = sum(weight * model.loss for model, weight in parts) / sum(weight for _, weight in parts)
        self.vocabulary = CharVocabulary(sorted({char for model, _ in parts for char in model.vocabulary.symbols}))
        union = "".join(self.vocabulary.symbols)
        self.predictor = Streams.mixed(
            [
                (streams, weight, model.vocabulary.encode(union))
                for model, weight in parts
                if isinstance(streams := model.predictor, Streams)  # as all of `char` are
            ]
        )

    def draw_window(self, random: np.random.Generator) -> Ids:
        """Of the first model's corpus."""
        first = self._parts[0][0]
        return self.vocabulary.encode(first.vocabulary.decode(first.draw_window(random)))
