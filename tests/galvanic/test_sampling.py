"""What is drawn follows the distribution; a batch gives what single requests give; loops are broken."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from galvanic.generate import predictor
from galvanic.predictor import CHUNK, Row
from galvanic.request import usual_drawing
from galvanic.sampling import GUARD_LAGS, RARE_SIGN, Sampling, detect_loop, new_texts
from galvanic.streams import advance
from tests.worker.small import biased, draw, keras_logits, network, random_weights

pytestmark = pytest.mark.slow

LOGITS = np.array([1.0, 0.0, -1.0, 0.5, 2.0, 1.9, -3.0], np.float32)


def _draws(sampling: Sampling, logits: npt.NDArray[np.float32] = LOGITS, draws: int = 200) -> npt.NDArray[np.int64]:
    """How often each symbol came in 32 rows of so many draws."""
    config = network(len(logits))
    reader = predictor(config, biased(config, logits))
    seed = np.zeros(1, np.int32)
    rows = [Row(seed, sampling, np.random.default_rng(row), lambda ids: len(ids) >= draws) for row in range(32)]
    return np.bincount(np.concatenate(reader.write(rows)), minlength=len(logits))


def _expected(sampling: Sampling) -> npt.NDArray[np.float64]:
    """The distribution, filtered by sorting: another way than the code's."""
    weights = np.exp(LOGITS.astype(np.float64) / sampling.temperature)
    p: npt.NDArray[np.float64] = weights / weights.sum()
    order = np.argsort(-p)
    if sampling.top_k:
        p[order[sampling.top_k :]] = 0
    p /= p.sum()
    if sampling.top_p:
        before = np.cumsum(p[order]) - p[order]
        p[order[before >= sampling.top_p]] = 0
    if sampling.min_p:
        p[p < sampling.min_p * p.max()] = 0
    if sampling.signs:
        signs, own = list(sampling.signs), np.exp(LOGITS[list(sampling.signs)])
        own[own < RARE_SIGN * own.max()] = 0
        p[signs] = p[signs].sum() * own / own.sum()
    p /= p.sum()
    return p


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(0.7),
        Sampling(1.0),
        Sampling(2.0),
        Sampling(1.0, top_k=3),
        Sampling(1.0, top_k=1),
        Sampling(1.3, top_p=0.8),
        Sampling(1.0, top_p=0.05),
        Sampling(1.5, min_p=0.3),
        Sampling(0.9, top_k=5, top_p=0.9, min_p=0.1),
        Sampling(0.4, min_p=0.4, signs=(1, 2, 4, 6)),
    ],
)
def test_draws_follow_the_distribution(sampling: Sampling) -> None:
    counts, expected = _draws(sampling), _expected(sampling)
    assert counts[expected == 0].sum() == 0
    mean = expected * counts.sum()
    kept = expected > 0
    chi_square = ((counts[kept] - mean[kept]) ** 2 / mean[kept]).sum()
    assert chi_square < 22.5  # 99.9 % quantile with 6 degrees of freedom; there are no more


def test_the_padding_and_the_impossible_are_never_drawn() -> None:
    # 64 symbols need a whole block of padding; at the highest temperature even it would come up.
    counts = _draws(Sampling(2.0), np.zeros(64, np.float32), draws=500)
    assert len(counts) == 64
    assert (counts > 0).all()
    assert _draws(Sampling(1.0), np.zeros(1, np.float32))[0] > 0


@pytest.mark.parametrize(
    "fields",
    [{"units": (24,)}, {"units": (16, 24, 8)}, {"kind": "windows", "embedding": 0, "units": (24, 16), "window": 5}],
    ids=["one layer", "three layers", "windows"],
)
def test_carried_state_equals_state_computed_again(fields: dict[str, Any]) -> None:
    config = network(40, **fields)
    weights = random_weights(config)
    reader = predictor(config, weights)
    seed = np.array([3, 1, 4, 1, 5], np.int32)
    written = draw(reader, seed, 150, Sampling(0.0), np.random.default_rng(0))
    ids = np.concatenate([seed, written])
    logits = keras_logits(config, weights, ids[:-1])
    places, following = np.arange(len(logits)), ids[-len(logits) :]
    # Ties and near ties may fall either way in another order of summation.
    assert (logits.max(1) - logits[places, following] < 1e-3)[-len(written) :].all()
    expected = tf.nn.log_softmax(logits).numpy()[places, following]
    # Hidden units are read in whole steps (`galvanic.kernels.STEPS`), which so large weights magnify.
    np.testing.assert_allclose(reader.read(ids)[-len(logits) :], expected, atol=5e-3)


def test_a_text_longer_than_a_chunk_is_read_as_one() -> None:
    config = network(9)
    reader = predictor(config, random_weights(config))
    ids = np.random.default_rng(0).integers(0, 9, 2 * CHUNK + 17).astype(np.int32)
    whole = reader.read(ids)
    assert len(whole) == len(ids)
    for cut in (1, 2, CHUNK, CHUNK + 1, CHUNK + 2):
        np.testing.assert_array_equal(reader.read(ids[:cut]), whole[:cut])
    assert len(reader.read(ids[:0])) == 0


def _rows(number: int) -> list[Row]:
    kinds = [
        Sampling(0.8),
        Sampling(0.0),
        Sampling(1.2, top_k=5, guard=True),
        Sampling(1.0, top_p=0.7, guard=True),
        Sampling(0.0, guard=True),
        Sampling(2.0, min_p=0.05),
    ]
    return [
        Row(
            (np.arange(1 + 17 * index % 140) * (index + 3) % 40).astype(np.int32),
            kinds[index % len(kinds)],
            np.random.default_rng(index),
            lambda ids, index=index: len(ids) >= 150 + 10 * index % 70,  # type: ignore[misc]
        )
        for index in range(number)
    ]


_MORE_SHAPES = (((32, 48), (3, 16, 33)), ((768,), (3, 16)), ((512,), (20,)))


@pytest.mark.parametrize(
    ("units", "sizes"), [((96,), (3, 16, 33)), *(pytest.param(*case, marks=pytest.mark.long) for case in _MORE_SHAPES)]
)
def test_a_batch_gives_what_single_requests_give(units: tuple[int, ...], sizes: tuple[int, ...]) -> None:
    config = network(40, units=units)
    reader = predictor(config, random_weights(config))
    single = [reader.write([row])[0] for row in _rows(max(sizes))]
    for size in sizes:
        for alone, together in zip(single, reader.write(_rows(size)), strict=False):
            assert together.tobytes() == alone.tobytes()


def test_nothing_is_compiled_per_request_or_model() -> None:
    config = network(40)
    predictor(config, random_weights(config)).write(_rows(1))
    predictor(config, random_weights(config)).write(_rows(3))
    for seed in range(3):
        other = network(50, units=(24, 16), members=1 + seed)
        reader = predictor(other, random_weights(other, seed))
        for length in (5, 130):
            draw(reader, np.arange(length, dtype=np.int32) % 50, length, Sampling(seed / 2), np.random.default_rng(0))
    assert len(advance.signatures) == 1  # type: ignore[attr-defined]


def test_the_guard_breaks_a_loop() -> None:
    config = network(12, units=(24,))
    for seed in range(4):
        reader = predictor(config, random_weights(config, seed))
        free, guarded = (
            draw(reader, np.array([1], np.int32), 600, Sampling(0.0, guard=guard), np.random.default_rng(0))
            for guard in (False, True)
        )
        assert _longest_loop(free) > 100  # the likeliest symbol of so small a network always ends in a loop
        # The symbol that leaves a short loop may be the one that a longer loop wants: then that goes on for a little.
        assert _longest_loop(guarded) < 12


def _longest_loop(ids: npt.NDArray[np.int32]) -> int:
    """How far any loop goes on beyond the third time, in symbols."""
    longest = 0
    for lag in range(1, min(GUARD_LAGS, len(ids) // 3) + 1):
        run = 0
        for same in ids[lag:] == ids[:-lag]:
            run = run + 1 if same else 0
            longest = max(longest, run - max(2 * lag, 12))
    return longest


def test_the_guard_forbids_the_shortest_loops_next_symbol() -> None:
    texts = new_texts([0, 0], [Sampling()] * 2)
    lines = [5] * 14 + [3, 1], [1, 2, 3] * 5 + [1]
    one, three = (
        [detect_loop(texts.last[row], texts.runs[row], symbol) for symbol in line] for row, line in enumerate(lines)
    )
    # "5" repeated 12 times after the first; "123" has only 11 repeated symbols by then.
    assert one[11:] == [-1, 5, 5, -1, -1]
    assert three[13:] == [-1, 1, 2]


@pytest.mark.parametrize("length", range(1, 9))
def test_the_guard_forbids_no_symbol_within_a_passage(length: int) -> None:
    texts, passage = new_texts([0], [Sampling(guard=True)]), list(range(1, length + 1))
    forbidden = [detect_loop(texts.last[0], texts.runs[0], symbol) for symbol in 20 * passage]
    assert next(symbol for symbol in forbidden if symbol >= 0) == passage[0]


def test_the_guard_leaves_the_seed_alone() -> None:
    config = network(7)
    reader = predictor(config, biased(config, LOGITS))
    written = draw(reader, np.full(100, 4, np.int32), 12, Sampling(0.0, guard=True), np.random.default_rng(0))
    assert written.tolist() == [4] * 12


def test_the_guard_lets_a_passage_come_twice_and_end_a_third_time() -> None:
    texts, passage = new_texts([0], [Sampling(guard=True)]), list(range(1, 21))
    forbidden = [detect_loop(texts.last[0], texts.runs[0], symbol) for symbol in 3 * passage]
    assert forbidden == [-1] * 59 + [1]


@pytest.mark.parametrize(
    ("loss", "usual"),
    [(1.19, (0.8, 0.05)), (1.21, (0.7, 0.1)), (1.41, (0.6, 0.1)), (2.49, (0.6, 0.1)), (2.51, (0.8, None))],
)
def test_a_model_is_drawn_from_by_its_loss(loss: float, usual: tuple[float, float | None]) -> None:
    assert usual_drawing("char", loss) == usual
