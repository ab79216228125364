"""The samples that a training writes: before it learns, after an epoch, and at its end. Works without TensorFlow."""

from typing import Any

import numpy as np
import numpy.typing as npt

from galvanic import model_file
from galvanic.companion import Companion
from galvanic.generate import predictor
from galvanic.plan import NetworkConfig, Weights
from galvanic.predictor import Predictor, Row
from galvanic.request import usual_drawing
from galvanic.results import CurvePoint, Sample, Writer
from galvanic.sampling import Sampling
from galvanic.streams import uniform_network
from galvanic.text import Prepared
from galvanic.text.classic import pad
from galvanic.text.edges import LONGEST, LOOK, cut, drop_partial_word
from galvanic.text.vocabulary import id_type

SAMPLE_CHARS = 240  # length of a sample that is shown
LONG_CHARS = 400  # length of a sample that is searched for copies of the corpus, and for words
SAMPLES, SEARCHED = 3, 16  # number of samples that are shown, and that are searched
LEAD, SCORED = 64, 500  # symbols read before the held-out part, and of it, to measure the loss of a first sample
WINDOWS = {"char": 200, "word": 200, "classic": model_file.MOST_WINDOWS}  # that a model keeps, to start texts from


class SampleWriter:
    """Writes samples that continue random windows of the text that is learned.

    A sample depends on the training's random seed, the weights, their loss, the companion and the epoch alone, so a
    training that is resumed writes the same. `windows`: ids, [windows, symbols].
    """

    def __init__(
        self, prepared: Prepared, network: NetworkConfig, random_seed: int, companion: Companion | None = None
    ) -> None:
        self._prepared = prepared
        self._network = network
        self._random_seed = random_seed
        self._classic = prepared.recipe == "classic"
        self.companion = companion
        self.windows = _draw_windows(prepared, WINDOWS[prepared.recipe], np.random.default_rng(random_seed))

    def after_epoch(self, weights: Weights, point: CurvePoint) -> Sample:
        """Write a sample with the weights that an epoch led to."""
        text = self._write(self._author(weights), 1, SAMPLE_CHARS, point.epoch, point.watched)[0]
        by: Writer = "both" if self.companion else "network"
        return Sample(epoch=point.epoch, text=text, train_loss=point.train_loss, heldout_loss=point.heldout_loss, by=by)

    def before_training(self, weights: Weights, by: Writer) -> Sample:
        """Write a sample with the weights that a training begins with, and measure their held-out loss."""
        author, prepared = self._author(weights), self._prepared
        loss: float | None = None
        if len(prepared.heldout):
            lead = min(LEAD, prepared.learned)
            read = np.asarray(prepared.ids[prepared.learned - lead : prepared.learned + SCORED], np.int32)
            loss = -float(author.read(read)[lead:].mean()) * prepared.heldout_density
        unknown = float(np.log(len(prepared.vocabulary)))
        text = self._write(author, 1, SAMPLE_CHARS, 0, unknown if loss is None else loss)[0]
        return Sample(epoch=0, text=text, heldout_loss=loss, by=by)

    def at_the_end(self, weights: Weights, loss: float) -> tuple[str, ...]:
        """Write the samples by which a finished model is judged; `loss`: its loss in nats per character."""
        number = SAMPLES if self._classic else SEARCHED  # `classic` writes a thousand times slower
        return self._write(self._author(weights), number, LONG_CHARS, 0, loss)

    def _author(self, weights: Weights) -> Predictor:
        return predictor(self._network, weights, self.companion)

    def _write(self, author: Predictor, number: int, chars: int, epoch: int, loss: float) -> tuple[str, ...]:
        needed, vocabulary = LONGEST + chars + LOOK, self._prepared.vocabulary

        def enough(ids: npt.NDArray[np.int32]) -> bool:
            return int(vocabulary.lengths[ids].sum()) >= needed

        drawing = usual_drawing(self._prepared.recipe, loss)
        signs = vocabulary.signs if self._prepared.recipe == "char" else ()
        sampling = Sampling(drawing.temperature, min_p=drawing.min_p, guard=not self._classic, signs=signs)
        rows: list[Row] = []
        for index in range(number):
            random = np.random.default_rng((self._random_seed, epoch, index))
            seed = self.windows[random.integers(len(self.windows))].astype(np.int32)
            rows.append(Row(seed, sampling, random, enough))
        texts = map(vocabulary.decode, author.write(rows))
        return tuple(self.cut(text if self._classic else drop_partial_word(text), chars) for text in texts)

    def cut(self, text: str, chars: int) -> str:
        """Cut a text to at most so many characters, at the end of a sentence or word."""
        return cut(text, chars, at_words=not self._classic)


def first_sample(
    prepared: Prepared, random_seed: int, companion: Companion | None, start: tuple[NetworkConfig, Weights] | None
) -> Sample | None:
    """Write a sample before training, with the weights that it begins with (`start`), the table of n-grams, or both.

    Returns None if there is neither.
    """
    if start is not None:
        by: Writer = "both" if companion else "network"
        return SampleWriter(prepared, start[0], random_seed, companion).before_training(start[1], by)
    if companion is None:
        return None
    network, weights = uniform_network(len(prepared.vocabulary))
    return SampleWriter(prepared, network, random_seed, companion.alone()).before_training(weights, "table")


def line_start(prepared: Prepared) -> npt.NDArray[Any]:
    """Return the one window that a model keeps of a text that it may not quote: a line's beginning, ids [1, symbols].

    That is a line break; if the text has none, a space. For `classic` it is a hundred spaces.
    """
    ids = {symbol: index for index, symbol in enumerate(prepared.vocabulary.symbols)}
    start = np.array([ids.get("\n", ids.get(" ", 0))], np.int32)
    return (pad(start[:0]) if prepared.recipe == "classic" else start)[None]


def _draw_windows(prepared: Prepared, number: int, random: np.random.Generator) -> npt.NDArray[Any]:
    ids, symbols = prepared.training, len(prepared.vocabulary)
    length = min(model_file.WINDOW_SYMBOLS, len(ids))
    starts = np.unique(random.integers(0, len(ids) - length + 1, number))
    return np.asarray(ids[starts[:, None] + np.arange(length)]).astype(id_type(symbols))
