"""The table of n-grams beside a network, and what is made of both."""

import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings, strategies as st

from galvanic import model_file, ngrams
from galvanic.companion import Companion, follow, mix_model, start_nodes
from galvanic.errors import UserError
from galvanic.generate import predictor
from galvanic.ngrams import FREE, MEMBERS, ORDERS, Arrays, Lines, count
from galvanic.predictor import Predictor
from galvanic.streams import NO_RINGS
from galvanic.text import Ids
from tests.worker import hostile, small

SYMBOLS = 8


def text(length: int = 6_000, symbols: int = SYMBOLS, seed: int = 1) -> npt.NDArray[np.uint8]:
    """Words over a few symbols, the frequent ones often."""
    random = np.random.default_rng(seed)
    words = [random.integers(0, symbols - 1, random.integers(2, 7)) for _ in range(60)]
    chosen = (60 * random.random(length) ** 2).astype(int)
    joined = np.concatenate([[*words[index], symbols - 1] for index in chosen])
    return joined[:length].astype(np.uint8)


def kneser_ney(ids: list[int], symbols: int, order: int, before: list[int]) -> npt.NDArray[np.float64]:
    """Chen & Goodman's interpolated modified Kneser-Ney, from its definition: after `before`, [symbols]."""
    counts: list[dict[tuple[int, ...], float]] = [{} for _ in range(order + 1)]
    for length in range(1, order + 1):
        for at in range(len(ids) - length + 1):
            passage = tuple(ids[at : at + length])
            counts[length][passage] = counts[length].get(passage, 0) + 1
    for length in range(1, order):
        left: dict[tuple[int, ...], int] = defaultdict(int)
        for longer in counts[length + 1]:
            left[longer[1:]] += 1
        counts[length] = {passage: max(1, left[passage]) for passage in counts[length]}
    found = np.full(symbols, 1 / symbols)
    for length in range(1, order + 1):
        numbers = [max(1, sum(value == times for value in counts[length].values())) for times in (1, 2, 3, 4)]
        part = numbers[0] / (numbers[0] + 2 * numbers[1])
        off = [0.0, *(times - (times + 1) * part * numbers[times] / numbers[times - 1] for times in (1, 2, 3))]
        off = [0.0, *(float(np.clip(off[i], (0.05, 0.1, 0.1)[i - 1], (0.98, 1.9, 2.8)[i - 1])) for i in (1, 2, 3))]
        context = tuple(before[len(before) - length + 1 :]) if length > 1 else ()
        after = {passage[-1]: value for passage, value in counts[length].items() if passage[:-1] == context}
        if not after:
            break
        total = sum(after.values())
        found *= sum(off[min(3, int(value))] for value in after.values()) / total
        for symbol, value in after.items():
            found[symbol] += (value - off[min(3, int(value))]) / total
    return found


def after(companion: Companion, before: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    log_probs = companion.log_probs(before, np.array([len(before)]))[0]
    return np.asarray(np.exp(log_probs.astype(np.float64)))


def test_predictions_are_those_of_kneser_ney() -> None:
    ids = text(1_500)
    companion = Companion.counted(ids, SYMBOLS, "char")
    for end in (0, 1, 3, 700, 1_499):
        wanted = kneser_ney(ids.tolist(), SYMBOLS, ORDERS["char"], ids[:end].tolist())
        assert after(companion, ids[:end]) == pytest.approx(wanted, rel=0.06, abs=0.003)  # shares are in steps of 5 %


@pytest.mark.parametrize(("recipe", "symbols"), [("char", 8), ("char", 300), ("word", 3_000)])
@pytest.mark.parametrize("most_bytes", [3_000_000, 12_000])
def test_probabilities_sum_to_one(recipe: str, symbols: int, most_bytes: int) -> None:
    ids = text(symbols=SYMBOLS if symbols == SYMBOLS else 200)  # of the others most never came
    arrays = {**count(ids, symbols, recipe, most_bytes), "ngrams/weights": np.zeros((2, 3), np.float32)}
    companion = Companion.of(arrays, symbols)
    strange = np.random.default_rng(2).integers(0, symbols, 500)
    for passage in (ids, strange):
        found = companion.log_probs(passage, np.arange(500))
        assert np.isfinite(found).all()
        assert np.exp(found.astype(np.float64)).sum(1) == pytest.approx(np.ones(500), abs=1e-4)


def passages(arrays: Arrays, symbols: int) -> set[tuple[int, ...]]:
    last = [*range(symbols), *arrays["ngrams/symbol"].tolist()]
    found: list[tuple[int, ...]] = [()]
    for node, number in enumerate([symbols, *arrays["ngrams/children"].tolist()]):
        found += [(*found[node], last[at - 1]) for at in range(len(found), len(found) + number)]
    assert len(found) == len(arrays["ngrams/share"]) + 1
    return set(found[1:])


def windows(symbols: list[int], lengths: range) -> set[tuple[int, ...]]:
    return {tuple(symbols[at : at + size]) for size in lengths for at in range(len(symbols) - size + 1)}


@pytest.mark.parametrize("recipe", ["char", "word"])
@pytest.mark.parametrize("seed", range(12))
def test_of_a_channel_stands_what_lines_of_three_members_have(
    recipe: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of longer passages no others, and all of those; of a long text in pieces no others."""
    random = np.random.default_rng(seed)
    said = [[0, *random.integers(1, 4, random.integers(0, 9)), 0] for _ in range(150)]  # 0: the end of a line
    authors = random.choice([7, 2**32 - 1, 3, 12, 5][: 2 + seed % 4], len(said)).astype(np.uint32)
    ids = np.concatenate([line[1:] for line in said]).astype(np.uint8)
    lines, free, most = Lines(np.flatnonzero(ids == 0), authors), FREE[recipe], ORDERS[recipe]
    own: dict[int, set[tuple[int, ...]]] = defaultdict(set)
    for index, line in enumerate(said):
        own[authors[index]] |= windows(line[index == 0 :], range(free + 1, most + 1))
    shared = {one for mine in own.values() for one in mine if sum(one in their for their in own.values()) >= MEMBERS}
    assert bool(shared) == (len(own) >= MEMBERS)
    found = passages(count(ids, 4, recipe, lines=lines), 4)
    assert found == shared | windows(ids.tolist(), range(1, free + 1))
    start_nodes = count(ids[:300], 4, recipe, lines=lines)
    assert passages(start_nodes, 4) <= found
    monkeypatch.setattr(ngrams, "MOST_COUNTED", len(ids) - 40)
    monkeypatch.setattr(ngrams, "_PIECES", 30)
    assert {one for one in passages(count(ids, 4, recipe, lines=lines), 4) if len(one) > free} <= shared


def test_where_longer_passages_are_dropped_shorter_ones_predict_as_if_those_had_never_been(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = np.random.default_rng(2).integers(1, 40, 4_000).astype(np.uint8)
    ids[19::20] = 0  # the ends of lines
    lines = Lines(np.flatnonzero(ids == 0), np.arange(200))  # each by another member
    table = count(ids, 40, "char", lines=lines)
    monkeypatch.setitem(ngrams.ORDERS, "char", FREE["char"])
    for name, array in count(ids, 40, "char").items():
        np.testing.assert_array_equal(array, table[name][: len(array)], name)


def network(rows: int, seed: int = 5) -> npt.NDArray[np.float32]:
    logits = np.random.default_rng(seed).normal(size=(rows, SYMBOLS))
    return np.asarray(logits - np.log(np.exp(logits).sum(1, keepdims=True)), np.float32)


@pytest.mark.parametrize("most", [3_000 * SYMBOLS // 2, 10_000_000])
def test_a_mixture_is_fitted_to_what_came(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("galvanic.companion._MOST_KEPT", most)  # more are predicted again
    monkeypatch.setattr("galvanic.companion._MOST_FITTED", 3_000 * SYMBOLS // 2)
    ids = text(12_000)
    companion = Companion.counted(ids[:9_000], SYMBOLS, "char")
    places = np.arange(9_000, 12_000)
    own, came = companion.log_probs(ids, places), ids[places].astype(int)
    rows = np.arange(len(came))
    # A network that knows half of what comes, and is too sure of it.
    knows = np.random.default_rng(4).random(len(came)) < 0.5
    log_probs = network(len(came))
    log_probs[rows[knows], came[knows]] += 3
    log_probs -= np.log(np.exp(log_probs).sum(1, keepdims=True))
    parts = [(log_probs[rows % 3 == part], places[rows % 3 == part]) for part in range(3)]
    fitted, *told = companion.fitted(lambda: iter(parts), len(came), ids)
    losses = [-part[rows, came].mean() for part in (fitted.mixed(log_probs, own), own, log_probs)]
    assert told == pytest.approx(losses, abs=1e-5)
    assert losses[0] < min(losses[1:]) - 0.1
    assert losses[0] < -companion.mixed(log_probs, own)[rows, came].mean() - 0.01
    again = fitted.recounted(ids, "char")
    assert (again.tables.weights == fitted.tables.weights).all()
    assert len(again.tables.symbol) > len(fitted.tables.symbol)


def test_a_mixture_equals_its_parts() -> None:
    ids = text()
    companion = Companion.counted(ids, SYMBOLS, "char")
    log_probs = network(200)
    weights = np.array([[0.4, -0.1, 0.2], [0.7, 0.1, -0.2]], np.float32)
    companion = Companion.of({**companion.arrays, "ngrams/weights": weights}, SYMBOLS)
    own = companion.log_probs(ids, np.arange(200))
    powers = np.stack([np.ones(200), log_probs.max(1), own.max(1)], 1) @ weights.T
    wanted = np.exp(powers[:, :1] * log_probs + powers[:, 1:] * own)
    wanted /= wanted.sum(1, keepdims=True)
    nodes, room = start_nodes(companion.tables, 1)[0, 0], np.empty(3 * SYMBOLS, np.float32)
    for at in range(200):
        row = log_probs[at].copy()
        mix_model(companion.tables, 0, nodes, NO_RINGS, 0, row, room)
        assert np.exp(row) == pytest.approx(wanted[at], abs=1e-5)
        follow(companion.tables, nodes, int(ids[at]))
    assert np.exp(companion.mixed(log_probs, own)) == pytest.approx(wanted, abs=1e-5)


SMALL = {**Companion.counted(text(400), SYMBOLS, "char").arrays}


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_tables_are_refused_or_of_use(data: st.DataObject) -> None:
    """Compiled code checks no bounds: whatever is taken for a table must be one."""
    arrays = dict(SMALL)
    name = data.draw(st.sampled_from(sorted(arrays)))
    changed = arrays[name].copy()
    match data.draw(st.sampled_from(["number", "cut", "longer", "kind", "shape"])):
        case "number":
            places = data.draw(st.lists(st.integers(0, changed.size - 1), min_size=1, max_size=4))
            of_all = st.floats(width=32) if changed.dtype.kind == "f" else st.integers(0, 255)
            changed.flat[places] = data.draw(of_all)
        case "cut":
            changed = changed[: data.draw(st.integers(0, len(changed) - 1))]
        case "longer":
            changed = np.concatenate([changed, changed[: data.draw(st.integers(1, len(changed)))]])
        case "kind":
            changed = changed.astype(data.draw(st.sampled_from([np.int64, np.int8, np.float64, np.uint64])))
        case "shape":
            changed = changed[None]
    arrays[name] = changed
    try:
        companion = Companion.of(arrays, SYMBOLS)
    except ValueError:
        return
    found = companion.mixed(network(300), companion.log_probs(text(), np.arange(300)))
    assert np.exp(found.astype(np.float64)).sum(1) == pytest.approx(np.ones(300), abs=1e-3)


def test_a_table_of_more_than_is_kept_of_a_text_is_refused() -> None:
    """Every passage of 8 symbols is a table in its form, but one of 5 MB up to a length of 7."""
    inner, nodes = (sum(8**length for length in range(1, most + 1)) for most in (6, 7))
    arrays = {
        "ngrams/symbol": np.tile(np.arange(8, dtype=np.uint8), nodes // 8 - 1),
        "ngrams/share": np.full(nodes, 100, np.uint8),
        "ngrams/children": np.full(inner, 8, np.uint8),
    }
    with pytest.raises(ValueError, match="no table"):
        Companion.of({**SMALL, **arrays}, 8)


def companion_of(symbols: int, seed: int) -> Companion:
    weights = np.array([[0.5, -0.05, 0.1], [0.6, 0.1, -0.1]], np.float32)
    counted = Companion.counted(text(2_000, symbols, seed), symbols, "char")
    return Companion.of({**counted.arrays, "ngrams/weights": weights}, symbols)


def distributions(reader: Predictor, ids: Ids) -> npt.NDArray[np.float64]:
    """Of each symbol after the first, [symbols of the text - 1, symbols], by reading every one that might have come."""
    every = np.arange(reader.symbols, dtype=np.int32)
    return np.stack([[reader.read(np.append(ids[:end], one))[-1] for one in every] for end in range(1, len(ids))])


IDS = np.array([3, 3, 5, 1, 7, 0, 2, 2, 7, 4], np.int32)


@pytest.mark.parametrize("members", [1, 3])
def test_a_model_is_its_networks_and_its_companion(members: int) -> None:
    config = small.network(SYMBOLS, members=members)
    weights, companion = small.random_weights(config), companion_of(SYMBOLS, 1)
    alone, both = predictor(config, weights), predictor(config, weights, companion)
    network, own = distributions(alone, IDS), companion.log_probs(IDS, np.arange(1, len(IDS)))
    found = distributions(both, IDS)
    assert found == pytest.approx(companion.mixed(network.astype(np.float32), own), abs=1e-4)
    assert np.exp(found).sum(1) == pytest.approx(np.ones(len(found)), abs=1e-4)


def test_a_file_with_a_table_that_no_training_leaves_is_refused(tmp_path: Path) -> None:
    symbols = small.LETTERS
    description = small.description_of(symbols, config := small.network(len(symbols)))
    arrays = small.random_weights(config), small.windows(len(symbols)), companion_of(len(symbols), 1)
    model_file.save(tmp_path / "other", description, *arrays)
    fields_, found = hostile.apart((tmp_path / "other").read_bytes())
    found["ngrams/children"][0] += 1
    (tmp_path / "other").write_bytes(hostile.sealed(fields_, found, digest=True))
    with pytest.raises(UserError, match="damaged"):
        model_file.load(tmp_path / "other")


def test_what_does_not_fit_goes_by_its_worth() -> None:
    ids, symbols = text(20_000), SYMBOLS
    learned, other = ids[:15_000], ids[15_000:]
    losses = []
    for most_bytes in (3_000_000, 2_000, 500):
        arrays = count(learned, symbols, "char", most_bytes)
        assert sum(array.nbytes for array in arrays.values()) <= most_bytes
        companion = Companion.of({**arrays, "ngrams/weights": np.zeros((2, 3), np.float32)}, symbols)
        losses.append(-companion.log_probs(other, np.arange(5_000))[np.arange(5_000), other].mean())
    assert losses[0] < losses[1] < losses[2] < math.log(symbols)


@pytest.mark.parametrize("name", sorted({*SMALL} - {"ngrams/reading"}))
def test_a_table_without_a_part_is_refused(name: str) -> None:
    with pytest.raises(KeyError):
        Companion.of({other: array for other, array in SMALL.items() if other != name}, SYMBOLS)
    with pytest.raises(ValueError, match="no table"):
        Companion.of({**SMALL, f"{name}_2": SMALL[name]}, SYMBOLS)
