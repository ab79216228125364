"""Models that write and score texts: one (`TextModel`), or several that write one text together (`Mixture`).

`TextGenerator.generate_batch` writes texts in four steps. The request's seed becomes ids through the recipe of the
model's text. The predictor continues all seeds. If a `char` model's first letter would make another word of a whole
word at the seed's end, that text is written again after a space or another sign. Texts are cut at sentences or words.
"""

import functools
import itertools
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
from galvanic.results import Generation, Prediction, Score
from galvanic.sampling import Sampling
from galvanic.streams import Streams
from galvanic.text import RECIPES, UNKNOWN, CharVocabulary, Ids, ScoringText, Seed, Vocabulary, make_vocabulary
from galvanic.text.edges import LOOK, cut, joins, pick_line, whole_words
from galvanic.text.recipe import UNICODE_SCALARS
from galvanic.units import count
from galvanic.windows import Windows


def predictor(config: NetworkConfig, weights: Weights, companion: Companion | None = None) -> Predictor:
    """Return the predictor of a network with these weights."""
    return Streams.of(config, weights, companion) if config.kind == "streams" else Windows(config, weights)


_PARAGRAPHS = 0.02  # probability of an empty line from which one sets paragraphs apart; the starter's is 0.17
_LETTERS = 0.1  # total probability of the likely letters from which a text begins with one; the starter's is 0.62
_UNLIKELY = 0.2  # of the likeliest letter's probability: less begins no text. Letters it never saw have up to 0.14
_NOTHING_KEPT = "The model keeps nothing of the text that it learned from, so it begins where a line begins."
WHOLE_WORD = 0.008
"""Probability of one of `_AFTER_WORDS`, by the model or the starter, from which a seed ends with a whole word.
People seldom stop inside a word. On text that a model had not learned, all whole words were above it, and an eighth of
the beginnings of words, most of which are words themselves (docs/decisions/112-words-at-the-end-of-a-seed.md)."""
NEW_WORD = 0.005
"""Probability of a seed's last letter below which the model doesn't know the word, and it counts as a whole one. Of the
beginnings of words 0.8 % are below it; "lol" and "brb" have 0.0001."""
_AFTER_WORDS = " \n,."
_JUDGED = 64  # characters of a seed by which its end is judged
_TIMED = 8  # symbols by which a model's speed is measured
_MOST_SEED = 1_000  # characters of the corpus that an answer carries as its seed


@dataclass
class _Writing:
    """A text that is being written."""

    request: WriteRequest
    row: Row
    read: Seed
    seed: str  # as it is shown
    random_seed: int
    ids: Ids = field(default_factory=lambda: np.zeros(0, np.int32))  # written
    opening: str | None = None  # the sign between a whole word at the seed's end and the text; None: not judged yet
    first: str = ""  # the text's first letter, if that was chosen as the seed

    @property
    def needed(self) -> int:
        """Return the number of characters to write, before the text is cut."""
        return self.request.length + self.read.open_end + LOOK


class TextGenerator(ABC):
    """A model, or several together, that can continue a seed."""

    recipe: RecipeName
    vocabulary: Vocabulary
    predictor: Predictor
    loss: float  # nats per character; decides its usual temperature (`usual_drawing`)

    def generate(self, seed: str, length: int, **options: object) -> Generation:
        """Continue a seed; `options` are further fields of `WriteRequest`. Raises UserError if nothing of the seed can
        be used, or a number is out of range."""
        (written,) = self.generate_batch([checked(WriteRequest, {"seed": seed, "length": length, **options})])
        if isinstance(written, UserError):
            raise written
        return written

    def generate_batch(self, requests: Sequence[WriteRequest]) -> list[Generation | UserError]:
        """Continue several seeds at once. Each gets the text that it would get alone, or its own error."""
        started = time.monotonic()
        results = [self._begin(request) for request in requests]
        writings = [result for result in results if isinstance(result, _Writing)]
        self._write(writings)
        again = [writing for writing in writings if writing.opening]
        for writing in again:  # after the sign that sets the text apart from the seed
            seed = np.append(writing.row.seed, self.vocabulary.encode(writing.opening or ""))
            writing.row = replace(writing.row, seed=seed, random=np.random.default_rng(writing.random_seed))
        self._write(again)
        return [result if isinstance(result, UserError) else self._finish(result, started) for result in results]

    def _write(self, writings: Sequence[_Writing]) -> None:
        for writing, ids in zip(writings, self.predictor.write([writing.row for writing in writings]), strict=True):
            writing.ids = ids

    def _enough(self, writing: _Writing, ids: Ids) -> bool:
        """Return whether these ids are enough: a text of its length, or one that is to be written again."""
        if self._needs_opening(writing, ids):
            return True
        if writing.request.enough is not None:
            return writing.request.enough(*self._so_far(writing, ids))
        return int(self.vocabulary.lengths[ids].sum()) >= writing.needed

    def _so_far(self, writing: _Writing, ids: Ids) -> tuple[Ids, Ids, int]:
        """Return the arguments of `WriteRequest.enough`: ids of the seed, ids of the text, repeated characters."""
        own = len(writing.read.ids)
        text = np.append(writing.row.seed[own:], ids)
        repeats = writing.read.open_end and self.vocabulary.decode(text[:1]).startswith(" ")
        return writing.row.seed[:own], text, int(repeats)

    def _needs_opening(self, writing: _Writing, ids: Ids) -> bool:
        """Return whether these first ids of a text make another word of a whole word at the seed's end.

        If so, `writing.opening` becomes the likeliest of `_AFTER_WORDS`, and the text is to be written again after it.
        It is judged once for a text, whose first symbol stays the same.
        """
        if writing.opening is not None or self.recipe != "char":
            return False
        writing.opening = ""
        seed, first = self.vocabulary.decode(writing.row.seed[-_JUDGED:]), self.vocabulary.decode(ids[:1])
        signs = "".join(sign for sign in _AFTER_WORDS if sign in self.vocabulary.symbols)
        if not signs or not joins(seed[-1], first):
            return False
        try:
            last, after = _probabilities(self, seed, signs, writing.row.until)
            # A last letter that the model does not expect ends a word that it does not know.
            new = len(seed) > 1 and seed[-2:].isalpha() and last < NEW_WORD
            if new or sum(after) >= WHOLE_WORD or _is_english_word(seed, writing.row.until):
                writing.opening = signs[after.index(max(after))]
        except UserError:  # the deadline has passed, which ends the text as well, unless it is long enough by now
            return False
        return bool(writing.opening)

    @abstractmethod
    def draw_window(self, random: np.random.Generator) -> Ids:
        """Return the ids of a random window of the corpus, [symbols]."""

    def _read_seed(self, seed: str) -> Seed:
        """Turn a seed into ids, never none. Raises UserError if nothing of it can be used."""
        return RECIPES[self.recipe].seed(seed, self.vocabulary)

    def _begin(self, request: WriteRequest) -> _Writing | UserError:
        """Read the seed of a request, and return the text to be written, or why it can't be."""
        if time.monotonic() > request.until:
            return too_slow()
        random_seed = secrets.randbelow(2**32) if request.random_seed is None else request.random_seed
        random = np.random.default_rng(random_seed)
        try:
            if request.from_corpus and request.seed.strip():
                raise UserError(
                    "`--from-corpus` starts from a random place in the text, so it can't use a seed.",
                    "Leave out the seed, or `--from-corpus`.",
                )
            sampling = self._sampling(request)
            if request.from_corpus or request.from_line:
                read, seed = self._draw_seed(request, random)
            else:
                read, seed = self._read_seed(request.seed), request.seed
        except UserError as error:
            return error
        if seed:
            random = np.random.default_rng(random_seed)  # the same text as if the drawn seed had been given
        row = Row(read.ids, sampling, random, lambda ids: self._enough(writing, ids), request.until)
        writing = _Writing(request, row, read, seed, random_seed)
        if not seed:
            writing.first, writing.opening = self.vocabulary.decode(read.ids).lstrip(), ""
        return writing

    def _draw_seed(self, request: WriteRequest, random: np.random.Generator) -> tuple[Seed, str]:
        """Draw a seed from the corpus: a window, or a line. Return it with the text that is shown as the seed.

        That text is empty if the model keeps nothing of its corpus. Raises UserError if the deadline passes.
        """
        if request.from_line:
            line = pick_line(lambda: self._text_of(self.draw_window(random)))
            if line.strip():
                return replace(self._read_seed(line), notes=()), line  # its notes are about what a person types
        window = self.draw_window(random)
        seed = self._text_of(window)
        if seed.strip() and self.recipe != "classic" and (words := whole_words(seed)):
            return replace(self._read_seed(words), notes=()), words
        if seed.strip():
            return Seed(window), seed
        return Seed(self._draw_start(window, random, request.until), (_NOTHING_KEPT,) * request.from_corpus), ""

    def _draw_start(self, line_break: Ids, random: np.random.Generator, until: float) -> Ids:
        """Draw the seed of a model that keeps nothing of its corpus: the line breaks before a paragraph, and its first
        letter, a capital one if the model often begins so."""
        if self.recipe != "char":
            return line_break

        def probabilities(symbols: Sequence[str]) -> npt.NDArray[np.float64]:
            texts = [self.vocabulary.encode(symbol) for symbol in symbols]
            return np.exp([float(log_probs[0]) for log_probs in self.predictor.read_ahead(start, texts, until)[1]])

        start = line_break
        if "\n" in self.vocabulary.symbols and probabilities("\n")[0] >= _PARAGRAPHS:
            start = np.append(start, self.vocabulary.encode("\n"))
        letters = [symbol for symbol in self.vocabulary.symbols if symbol.isupper() or symbol.islower()]
        likely = probabilities(letters)
        likely[likely < _UNLIKELY * max(likely, default=0)] = 0
        for chosen in likely * [letter.isupper() for letter in letters], likely:
            if chosen.sum() >= _LETTERS:
                return np.append(start, self.vocabulary.encode(random.choice(letters, p=chosen / chosen.sum())))
        return start

    def _text_of(self, window: Ids) -> str:
        """Return the text of a window, at most its last `_MOST_SEED` characters."""
        return self.vocabulary.decode(window)[-_MOST_SEED:]

    def _sampling(self, request: WriteRequest) -> Sampling:
        """Return how to sample for a request: its options over what suits the model's recipe and loss."""
        usual = usual_drawing(self.recipe, self.loss)
        temperature = usual.temperature if request.temperature is None else request.temperature
        min_p = usual.min_p if request.min_p is None else request.min_p
        guard = self.recipe != "classic" if request.guard is None else request.guard
        # With a single symbol, nothing could come in place of a forbidden one.
        guard = guard and len(self.vocabulary) > 1
        # Filters that leave out no symbol must not change the text.
        top_k = request.top_k if request.top_k is not None and request.top_k < len(self.vocabulary) else None
        top_p = request.top_p if request.top_p is not None and request.top_p < 1 else None
        filtered = top_k is not None or top_p is not None or (min_p or 0) != (usual.min_p or 0)
        signs = self.vocabulary.signs if self.recipe == "char" and not filtered else ()
        return Sampling(temperature, top_k, top_p, min_p, guard, signs)

    def _finish(self, writing: _Writing, started: float) -> Generation | UserError:
        """Decode a text, and cut it at its length."""
        if writing.row.late:
            return too_slow()
        request, ids = writing.request, writing.ids
        # Chunks write more than is needed, and symbols may be long.
        ends = np.cumsum(self.vocabulary.lengths[ids])
        text = (writing.opening or "") + self.vocabulary.decode(ids[: int(np.searchsorted(ends, writing.needed)) + 1])
        if writing.read.open_end:
            text = text.removeprefix(" ")
        if not writing.seed:
            text = (writing.first + text).lstrip()
        return Generation(
            seed=writing.seed,
            text=cut(text, request.length, request.stop, at_words=self.recipe != "classic"),
            temperature=writing.row.sampling.temperature,
            min_p=writing.row.sampling.min_p,
            random_seed=writing.random_seed,
            notes=writing.read.notes,
            seconds=time.monotonic() - started,
        )


class TextModel(TextGenerator):
    """A model in memory. It keeps no state between calls, so threads may share it.

    `windows`: pieces of the corpus that texts may begin with, ids [windows, symbols].
    """

    def __init__(
        self, description: Description, weights: Weights, windows: npt.NDArray[Any], companion: Companion | None = None
    ) -> None:
        self.description = description
        self.recipe = description.recipe
        self.vocabulary = _vocabulary(description, companion)
        self.predictor = predictor(description.network, weights, companion)
        self.loss = description.training.known_loss
        self.windows = windows

    def draw_window(self, random: np.random.Generator) -> Ids:
        return np.asarray(self.windows[random.integers(len(self.windows))], np.int32)

    def seconds_per_symbol(self) -> float:
        """Measure the processor time to read a symbol and predict the next one: the least of three tries."""
        ids = np.zeros(_TIMED + 1, np.int32)
        self.predictor.read(ids[:2])  # the first call may compile the loop
        tries = []
        for _ in range(3):
            started = time.thread_time()
            self.predictor.read(ids)
            tries.append((time.thread_time() - started) / _TIMED)
        return min(tries)

    def score(self, text: str, until: float = math.inf) -> Score:
        """Measure how well the model predicts a text: nats for each of its characters.

        The text is read in order, with carried state, and the model's weights stay as they are; what came lately in the
        text predicts as well (`galvanic.recent`). Its loss is that of a code
        from which the text as given could be restored:
        - the vocabulary's symbols share the probability `1 - unseen`. Any other character costs -ln(unseen) and the
          choice of a Unicode character, and is not read;
        - what the recipe's pipeline loses is charged as well (`galvanic.text.recipe`).

        The nats of a symbol of several characters are spread evenly over these, and the pipeline's losses over the
        characters that it replaced; losses of line breaks over all. Raises UserError if the model is of the recipe
        `classic`, nothing of the text can be read, or it is not done by `until` (`time.monotonic`).
        """
        scoring = RECIPES[self.recipe].scoring(text, self.vocabulary, unwrapped=self.description.unwrapped)
        read = scoring.ids >= 0
        ids = scoring.ids[read]
        unseen = self.description.unseen
        nats = np.full(len(read), math.log(UNICODE_SCALARS) - math.log(unseen))
        if len(ids):
            log_probs = self.predictor.read(ids, until, lately=True)
            nats[read] = -log_probs.astype(np.float64) - math.log1p(-unseen)
        notes = scoring.notes
        if len(ids) < len(read):
            unknown = len(read) - len(ids)
            charged = "was charged" if unknown == 1 else "were charged"
            notes = (*notes, f"{count(unknown, 'character')} that the model has never seen {charged} as such.")
        return Score(_spread(scoring, nats), notes)


def _spread(scoring: ScoringText, nats: npt.NDArray[np.float64]) -> tuple[float, ...]:
    """Spread the nats of ids [symbols], and the pipeline's losses, over the characters of the text as given."""
    each = scoring.side_nats.copy()
    first = np.cumsum(scoring.lengths) - scoring.lengths
    places = np.repeat(scoring.starts - first, scoring.lengths) + np.arange(scoring.lengths.sum())
    np.add.at(each, places, np.repeat(nats / scoring.lengths, scoring.lengths))
    return tuple(each.tolist())


def predict_next(loaded: model_file.Loaded, text: str) -> Prediction:
    """Predict the symbol after a text. Raises UserError if nothing of the text can be read."""
    description, weights, _, companion = loaded
    vocabulary = _vocabulary(description, companion)
    ids = RECIPES[description.recipe].seed(text, vocabulary).ids
    network = np.empty((1, len(vocabulary)), np.float32)  # log probabilities
    reading, step = predictor(description.network, weights).begin_with(ids), np.zeros((1, 1), np.float32)
    reading.advance(step.astype(np.int32), step, network[None])  # whichever symbol comes next

    def probabilities(log_probs: npt.NDArray[np.float32]) -> dict[str, float]:
        pairs = zip(vocabulary.symbols, np.exp(log_probs[0]).tolist(), strict=True)
        return dict(sorted(pairs, key=lambda pair: -pair[1]))

    if companion is None:
        return Prediction(probabilities(network), probabilities(network), None)
    table = companion.log_probs(ids, np.array([len(ids)]))
    return Prediction(probabilities(companion.mixed(network, table)), probabilities(network), probabilities(table))


def _vocabulary(description: Description, companion: Companion | None) -> Vocabulary:
    """Make a model's vocabulary. Its table tells which symbols the model's own text has."""
    vocabulary = make_vocabulary(description.recipe, description.symbols)
    if companion is not None and description.recipe == "char":  # the signs of `word` come with the space before them
        shares = companion.tables.share[1 : 1 + len(vocabulary)]
        vocabulary.learned = frozenset(itertools.compress(vocabulary.symbols, shares))
    return vocabulary


def load_model(path: Path) -> TextModel:
    """Load a model from its file. Raises UserError as `galvanic.model_file.load`."""
    return TextModel(*load(path))


def _probabilities(author: TextGenerator, seed: str, signs: str, until: float) -> tuple[float, list[float]]:
    """Return the probability of a seed's last character, and of each known sign after it. UserError after `until`."""
    read, following = author.vocabulary.encode(f" {seed}"), author.vocabulary.encode(signs)
    before, after = author.predictor.read_ahead(read[read >= 0], list(following[following >= 0, None]), until)
    return math.exp(before[-1]), np.exp(after).ravel().tolist()


def _is_english_word(seed: str, until: float) -> bool:
    """Return whether a seed ends with a whole word by the starter, which knows more words. UserError after `until`."""
    if not model_file.STARTER_FILE.exists():
        return False
    starter = _starter(model_file.STARTER_FILE)
    has_last = starter.vocabulary.encode(seed[-1])[0] >= 0
    return bool(has_last) and sum(_probabilities(starter, seed, _AFTER_WORDS, until)[1]) >= WHOLE_WORD


_starter = functools.lru_cache(1)(load_model)  # the starter then stays in memory: 5 MB


class Mixture(TextGenerator):
    """The weighted mean of several models' predictions, over all symbols that any of them has.

    All models read each character that is sampled; one that lacks it keeps its state, as if it had not come.
    Temperature and filters act on the mean. Threads may share it. All are of the recipe `char`, as the bot checks; the
    weights are above 0, and need not sum to 1.
    """

    recipe = "char"

    def __init__(self, parts: Sequence[tuple[TextModel, float]]) -> None:
        self._parts = parts
        self.loss = sum(weight * model.loss for model, weight in parts) / sum(weight for _, weight in parts)
        self.vocabulary = CharVocabulary(sorted({symbol for model, _ in parts for symbol in model.vocabulary.symbols}))
        self.vocabulary.learned = frozenset[str]().union(*(model.vocabulary.learned for model, _ in parts))
        symbols = self.vocabulary.symbols
        self.predictor = Streams.mixed(
            [
                (streams, weight, np.array([model.vocabulary.ids.get(symbol, UNKNOWN) for symbol in symbols], np.int32))
                for model, weight in parts
                if isinstance(streams := model.predictor, Streams)  # as all of `char` are
            ]
        )

    def draw_window(self, random: np.random.Generator) -> Ids:
        """Return the ids of a random window of the first model's corpus."""
        first = self._parts[0][0]
        return self.vocabulary.encode(first.vocabulary.decode(first.draw_window(random)))
