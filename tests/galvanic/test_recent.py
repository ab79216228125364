"""What came lately in a text that is read predicts as well."""

import math
import tracemalloc
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from galvanic import model_file, recent
from galvanic.companion import Companion
from galvanic.generate import TextModel, predictor
from galvanic.predictor import Predictor
from galvanic.request import WriteRequest
from galvanic.results import Generation
from galvanic.streams import Streams, uniform_network
from galvanic.text import Ids
from tests.worker import small

SYMBOLS = 12


def text(length: int, seed: int = 1) -> Ids:
    """Words over a few symbols; those of a place come again there, and no others."""
    random = np.random.default_rng(seed)
    parts: list[int] = []
    while len(parts) < length:
        words = [random.integers(0, SYMBOLS - 1, random.integers(2, 8)).tolist() for _ in range(6)]
        for index in random.integers(0, len(words), 40):
            parts += [*words[index], SYMBOLS - 1]
    return np.array(parts[:length], np.int32)


def votes(ids: list[int], end: int) -> npt.NDArray[np.float64]:
    """The prediction at the place `end`, from its definition: [symbols]."""
    known = ids[max(0, end - recent.PLACES) : end]
    counted = np.full(SYMBOLS, recent.SMOOTHING / SYMBOLS)
    for place in range(len(known) - 1):
        same = 0
        while same < min(recent.LONGEST, place + 1) and known[place - same] == known[-1 - same]:
            same += 1
        if same:
            counted[known[place + 1]] += recent.BASE**same * recent.FADING ** (len(known) - 1 - place)
    counted /= counted.sum()
    return counted


def predicted(ids: Ids, places: list[int], first: int = 0) -> npt.NDArray[np.float64]:
    log_probs = np.empty((len(places), SYMBOLS), np.float32)
    recent.predict_places(ids, np.full(len(places), first), np.array(places), log_probs)
    return np.exp(log_probs.astype(np.float64))


def test_a_prediction_is_that_of_the_votes() -> None:
    ids = text(recent.PLACES + 900)
    places = [1, 2, 3, 50, 700, recent.PLACES, recent.PLACES + 1, len(ids)]
    wanted = [votes(ids.tolist(), place) for place in places]
    assert predicted(ids, places) == pytest.approx(np.array(wanted), abs=1e-6)


def test_nothing_before_the_beginning_votes() -> None:
    ids = text(300)
    assert predicted(ids, [200, 260], first=200) == pytest.approx(
        np.array([np.full(SYMBOLS, 1 / SYMBOLS), votes(ids[200:].tolist(), 60)]), abs=1e-6
    )


def model() -> tuple[Predictor, Companion]:
    config = small.network(SYMBOLS)
    counted = Companion.counted(text(3_000, seed=2), SYMBOLS, "char")
    weights = np.array([[0.5, -0.1, 0.1, 0], [0.4, 0.1, -0.1, -0.05], [0.3, 0, -0.05, 0.1]], np.float32)
    companion = Companion.of({**counted.arrays, "ngrams/reading": weights}, SYMBOLS)
    return predictor(config, small.random_weights(config), companion), companion


def test_a_text_that_is_read_is_predicted_by_all_three() -> None:
    """Also beyond the end of the ring, which the last symbols are kept in."""
    ids = text(recent.PLACES + 200)
    both, companion = model()
    config = small.network(SYMBOLS)
    places = np.array([1, 2, 40, 1_000, recent.PLACES - 1, recent.PLACES, recent.PLACES + 1, len(ids) - 1])
    network = predictor(config, small.random_weights(config))
    log_probs = np.empty((len(ids) - 1, 1, SYMBOLS), np.float32)
    network.begin_with(ids[:1]).advance(ids[1:, None], np.zeros((len(ids) - 1, 1), np.float32), log_probs)
    parts = [log_probs[places - 1, 0], companion.log_probs(ids, places), np.log(predicted(ids, places.tolist()))]
    features = np.stack([np.ones(len(places)), *(part.max(1) for part in parts)], 1)
    powers = np.maximum(features @ companion.tables.reading[0].T, 0.01)
    mixed = sum(powers[:, index, None] * part for index, part in enumerate(parts))
    mixed -= np.log(np.exp(mixed).sum(1, keepdims=True))
    wanted = mixed[np.arange(len(places)), ids[places]]
    assert both.read(ids, lately=True)[places] == pytest.approx(wanted, abs=1e-3)
    assert both.read(ids)[places] != pytest.approx(wanted, abs=1e-1)


def test_the_weights_are_fitted_to_what_came() -> None:
    ids = text(9_000)
    counted = Companion.counted(ids[:3_000], SYMBOLS, "char")
    places = np.arange(3_000, 6_000)
    log_probs = np.full((len(places), SYMBOLS), -math.log(SYMBOLS), np.float32)
    fitted, loss, *_ = counted.fitted(lambda: iter([(log_probs, places)]), len(places), ids, to_read=True)
    reader = Streams.of(*uniform_network(SYMBOLS), fitted)
    written, read = (-reader.read(ids[6_000:], lately=lately).mean() for lately in (False, True))
    assert read < min(written, loss) - 0.5
    untouched = fitted.recounted(ids, "char")
    assert (untouched.tables.reading == fitted.tables.reading).all()
    assert (fitted.tables.weights == untouched.tables.weights).all()


def test_a_table_of_an_older_file_reads_as_it_writes() -> None:
    _, companion = model()
    arrays = {name: array for name, array in companion.arrays.items() if name != "ngrams/reading"}
    config = small.network(SYMBOLS)
    older = predictor(config, small.random_weights(config), Companion.of(arrays, SYMBOLS))
    ids = text(200)
    assert (older.read(ids, lately=True) == older.read(ids)).all()


def test_a_long_text_in_a_file_is_not_copied_to_fit_the_weights(tmp_path: Path) -> None:
    """Its file is larger than the memory that the fit may take."""
    size = 400_000_000
    ids = np.memmap(tmp_path / "ids", np.uint8, "w+", shape=(size,))
    ids[-3_000:] = text(3_000)
    counted = Companion.counted(text(3_000, seed=2), SYMBOLS, "char")
    places = np.arange(size - 1_000, size)
    log_probs = np.full((len(places), SYMBOLS), -math.log(SYMBOLS), np.float32)
    tracemalloc.start()
    counted.fitted(lambda: iter([(log_probs, places)]), len(places), ids, to_read=True)
    assert tracemalloc.get_traced_memory()[1] < size / 10
    tracemalloc.stop()


def test_what_is_written_does_not_depend_on_it(tmp_path: Path) -> None:
    symbols = small.LETTERS
    description = small.description_of(symbols, config := small.network(len(symbols)))
    ids = np.random.default_rng(3).integers(0, len(symbols), 3_000)
    counted = Companion.counted(ids, len(symbols), "char")
    texts, losses = [], []
    for power in (0.0, 0.5):
        reading = np.array([[0.5, 0, 0, 0], [0.5, 0, 0, 0], [power, 0, 0, 0]], np.float32)
        companion = Companion.of({**counted.arrays, "ngrams/reading": reading}, len(symbols))
        path = tmp_path / f"{power}.safetensors"
        model_file.save(path, description, small.random_weights(config), small.windows(len(symbols)), companion)
        author = TextModel(*model_file.load(path))
        (answer,) = author.generate_batch([WriteRequest(seed="abc abc abc ab", length=200, random_seed=1)])
        assert isinstance(answer, Generation)
        texts.append(answer.text)
        losses.append(author.score("abc abc abc abc abc").nats_per_char)
    assert texts[0] == texts[1]
    assert losses[1] < losses[0] - 0.1


@pytest.mark.parametrize("damage", ["shape", "kind", "number"])
def test_damaged_weights_are_refused(damage: str) -> None:
    _, companion = model()
    reading = companion.arrays["ngrams/reading"]
    damaged = {"shape": reading[:2], "kind": reading.astype(np.float64), "number": reading * np.nan}[damage]
    with pytest.raises(ValueError, match="no table"):
        Companion.of({**companion.arrays, "ngrams/reading": damaged}, SYMBOLS)
