"""Model files, also with coarser weights: what is saved loads, and nothing else ever does harm."""

import json
import math
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from galvanic import model_file
from galvanic.checkpoint import Arrays
from galvanic.errors import UserError
from galvanic.generate import load_model
from galvanic.model_file import PACKINGS, WINDOWS, Packing, describe, export, load, save
from tests.fixtures.make_model import logits_of
from tests.strategies import values
from tests.worker.hostile import apart, sealed
from tests.worker.small import LETTERS, description_of, network, random_weights, save_model, windows
from tests.worker.texts import EPOCHS, SENTENCE, Memorised

pytestmark = pytest.mark.slow

FIXTURES = Path(__file__).parents[1] / "fixtures"
SAVED = sorted(FIXTURES.glob("models/*.safetensors"))
CHAR = FIXTURES / "models" / "char.safetensors"
DESCRIPTION = apart(CHAR.read_bytes())[0]
MOST = 25 * 2**20


@pytest.mark.parametrize("path", SAVED, ids=lambda path: path.stem)
def test_a_saved_model_says_what_it_said(path: Path) -> None:
    expected = json.loads(path.with_suffix(".json").read_text("utf-8"))
    np.testing.assert_allclose(logits_of(path), expected["logits"], atol=1e-4)
    if path.stem != "classic":
        nats = load_model(path).score(expected["text"]).nats_per_char
        assert nats == pytest.approx(expected["nats_per_char"], abs=1e-4)


def test_a_file_tells_where_its_model_came_from(memorised: Memorised) -> None:
    path, result, _ = memorised
    description, _ = apart(path.read_bytes())
    assert description["format"] == model_file.FORMAT
    assert description["symbols"] == sorted(set(description["symbols"]))
    assert description["corpus"]["name"] == "made-up"
    assert len(description["corpus"]["sha256"]) == 64
    assert description["lineage"] == []
    assert description["options"]["epochs"] == EPOCHS
    assert description["training"]["copy_share"] == result.copy_share
    assert description["training"]["curve"][-1][0] == EPOCHS
    assert [found.name for found in path.parent.iterdir()] == [path.name]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A tiny model, to be damaged."""
    return Path(shutil.copy(CHAR, tmp_path / "copy.safetensors"))


def change(path: Path, **fields: Any) -> None:
    description, arrays = apart(path.read_bytes())
    path.write_bytes(sealed({**description, **fields}, arrays))


@pytest.mark.parametrize(
    "fields",
    [
        {"symbols": ["a", "b", "c"]},
        {"symbols": []},
        {"symbols": None},
        {"symbols": ["a"] * 27},
        {"network": {"kind": "streams"}},
        {"recipe": "unknown"},
        {"recipe": "classic"},
        {"unseen": 0},
        {"weights_sha256": "0" * 64},
        {"packed": "int4"},
        {"corpus": {}},
        *({"network": {**DESCRIPTION["network"], "units": units}} for units in ([10**9], [-6], [0], [6, 6], ["six"])),
        {"training": {**DESCRIPTION["training"], "train_loss": math.nan}},
        {"training": {**DESCRIPTION["training"], "curve": [[1, math.inf, None]]}},
        {"training": {**DESCRIPTION["training"], "epochs": -(10**30)}},
    ],
)
def test_damaged_descriptions_are_refused(fields: dict[str, Any], copy: Path) -> None:
    change(copy, **fields)
    with pytest.raises(UserError, match="damaged"):
        load(copy)


def test_files_that_are_no_model_are_refused(copy: Path, tmp_path: Path) -> None:
    content = copy.read_bytes()
    huge = (2**40).to_bytes(8, "little")
    deep = b"[" * 100_000
    nested = len(deep).to_bytes(8, "little") + deep
    for other in (b"", b"just some text", b"PK", huge + content[8:], nested, content[:100], b"{}" + content):
        copy.write_bytes(other)
        with pytest.raises(UserError, match="no model"):
            load(copy)
        with pytest.raises(UserError, match=r"copy.safetensors isn't an exported model"):
            load(copy, MOST)
    with pytest.raises(UserError, match="no model"):
        load(tmp_path / "nothing")
    with pytest.raises(UserError, match="no model"):
        load(tmp_path)
    with (tmp_path / "large.safetensors").open("wb") as file:
        file.write(content)
        file.truncate(10 * 2**30)  # sparse: takes no room on the disk
    with pytest.raises(UserError, match="damaged"):
        load(tmp_path / "large.safetensors")


def test_models_of_other_versions_are_refused(copy: Path) -> None:
    for number in (model_file.FORMAT - 1, model_file.FORMAT + 1):
        change(copy, format=number, recipe="unknown")
        with pytest.raises(UserError, match="another version"):
            describe(copy)


def same(one: Path, other: Path) -> bool:
    """Whether two files hold the same model, word for word but for notes and titles."""
    (a, a_weights, a_windows, a_table), (b, b_weights, b_windows, b_table) = load(one), load(other)
    weights = a_weights.keys() == b_weights.keys() and all(
        np.array_equal(a_weights[n], b_weights[n]) for n in a_weights
    )
    tables = (a_table is None) == (b_table is None)
    if a_table and b_table:
        tables = all(np.array_equal(array, b_table.arrays[name]) for name, array in a_table.arrays.items())
    return weights and tables and np.array_equal(a_windows, b_windows) and a.weights_sha256 == b.weights_sha256


def harmed(content: bytes, draw: Callable[[Any], Any]) -> bytes:
    """Bytes with one kind of damage."""
    match draw(st.sampled_from(["cut", "flip", "random", "more", "middle"])):
        case "cut":
            return content[: draw(st.integers(0, len(content) - 1))]
        case "flip":
            place = draw(st.integers(0, len(content) - 1))
            return content[:place] + bytes([content[place] ^ draw(st.integers(1, 255))]) + content[place + 1 :]
        case "random":
            return bytes(draw(st.binary(max_size=300)))
        case "more":
            return content + bytes(draw(st.binary(min_size=1, max_size=100)))
        case _:
            start = draw(st.integers(0, len(content)))
            middle = bytes(draw(st.binary(max_size=50)))
            return content[:start] + middle + content[draw(st.integers(start, len(content))) :]


FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
DATA = st.data()


@pytest.mark.parametrize("saved", SAVED, ids=lambda path: path.stem)
@pytest.mark.parametrize("packing", [None, *PACKINGS])
@FUZZ
@given(data=DATA)
def test_fuzzed_files_never_crash_the_loader(packing: Any, saved: Path, tmp_path: Path, data: st.DataObject) -> None:
    whole, copy = tmp_path / "whole.safetensors", tmp_path / "copy.safetensors"
    if not whole.exists():
        save(whole, *load(saved), packing)
    copy.write_bytes(harmed(whole.read_bytes(), data.draw))
    try:
        description, weights, _, _ = load(copy, MOST)
    except UserError:
        return
    # A changed letter of a note or a title leaves a model that is whole; a changed weight does not.
    assert same(whole, copy)
    assert {name: weight.shape for name, weight in weights.items()} == description.network.shapes()


@FUZZ
@given(data=DATA)
def test_fields_of_other_kinds_never_crash_the_loader(tmp_path: Path, data: st.DataObject) -> None:
    fields, arrays = apart(data.draw(st.sampled_from(SAVED)).read_bytes())
    part = data.draw(st.sampled_from([fields, fields["network"], fields["training"], fields["corpus"]]))
    part[data.draw(st.sampled_from(sorted(part)))] = data.draw(values)
    (tmp_path / "x.safetensors").write_bytes(sealed(fields, arrays))
    try:
        description, weights, _, _ = load(tmp_path / "x.safetensors")
    except UserError:
        return
    assert {name: weight.shape for name, weight in weights.items()} == description.network.shapes()


@pytest.mark.parametrize("saved", SAVED, ids=lambda path: path.stem)
def test_an_export_of_an_export_is_the_same_model(saved: Path, tmp_path: Path) -> None:
    export(saved, tmp_path / "one.safetensors")
    export(tmp_path / "one.safetensors", tmp_path / "back.safetensors")
    assert (tmp_path / "back.safetensors").read_bytes() == (tmp_path / "one.safetensors").read_bytes()
    assert same(saved, tmp_path / "back.safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back.safetensors", "one.safetensors"]


def test_export_refuses_what_is_no_model_and_where_it_cannot_write(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no model"):
        export(tmp_path / "nothing", tmp_path / "x")
    with pytest.raises(UserError, match="cannot be written"):
        export(copy, copy / "x")
    change(copy, unseen=2)
    with pytest.raises(UserError, match="damaged"):
        export(copy, tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == [copy.name]


def packed(saved: Path, target: Path, packing: Packing) -> Path:
    """The model with coarser weights."""
    save(target, *load(saved), packing)
    return target


@pytest.mark.parametrize(("packing", "share", "nats"), [("float16", 0.5, 1e-4), ("int8", 0.25, 1e-3)])
def test_packed_models_are_smaller_and_say_nearly_the_same(
    packing: Packing, share: float, nats: float, memorised: Memorised, tmp_path: Path
) -> None:
    whole, small = memorised[0], packed(memorised[0], tmp_path / "small", packing)
    assert small.stat().st_size < (share + 0.1) * whole.stat().st_size
    before, after = (load_model(path) for path in (whole, small))
    assert after.score(SENTENCE).nats_per_char == pytest.approx(before.score(SENTENCE).nats_per_char, abs=nats)
    differ = {"weights_sha256", "packed"}
    assert before.description.weights_sha256 != after.description.weights_sha256
    assert before.description.model_dump(exclude=differ) == after.description.model_dump(exclude=differ)
    # It is a model like any other: it may be exported again, and loses nothing more.
    export(small, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == small.read_bytes()


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("recipe", ["char", "word", "classic"])
def test_every_kind_of_model_can_be_packed(recipe: str, packing: Packing, tmp_path: Path) -> None:
    saved = FIXTURES / "models" / f"{recipe}.safetensors"
    (_, before, kept, _), (_, after, still_kept, _) = load(saved), load(packed(saved, tmp_path / "x", packing))
    assert np.array_equal(kept, still_kept)
    for name, weights in before.items():
        assert np.abs(after[name] - weights).max() <= np.abs(weights).max() / 200


def test_the_finest_that_fits_is_sent(tmp_path: Path) -> None:
    save_model(tmp_path / "model", units=(128,))
    for packing in PACKINGS:
        packed(tmp_path / "model", tmp_path / packing, packing)
    exact, half, steps = ((tmp_path / name).stat().st_size for name in ("model", *PACKINGS))
    for most, size in ((exact, exact), (exact - 1, half), (half, half), (half - 1, steps), (steps, steps)):
        export(tmp_path / "model", tmp_path / "x", most)
        assert (tmp_path / "x").stat().st_size == size
    (tmp_path / "x").unlink()
    with pytest.raises(UserError, match=" MB"):
        export(tmp_path / "model", tmp_path / "x", steps - 1)
    assert not (tmp_path / "x").exists()


def test_weights_beyond_half_precision_are_exported_in_int8(tmp_path: Path) -> None:
    config = network(len(LETTERS), units=(128,))
    weights = random_weights(config)
    weights["output/bias"][0] = np.float32(1e6)
    save(tmp_path / "model", description_of(LETTERS, config), weights, windows(len(LETTERS)))
    with pytest.raises(OverflowError, match="float16"):
        packed(tmp_path / "model", tmp_path / "x", "float16")
    export(tmp_path / "model", tmp_path / "x", (tmp_path / "model").stat().st_size - 1)
    assert describe(tmp_path / "x").packed == "int8"
    (tmp_path / "x").write_bytes(b"an earlier export")
    with pytest.raises(UserError, match=" MB"):
        export(tmp_path / "model", tmp_path / "x", 1)
    assert (tmp_path / "x").read_bytes() == b"an earlier export"


def test_packed_weights_that_are_none_or_overflow_are_refused(tmp_path: Path) -> None:
    (half_fields, halves), (fields, steps) = (
        apart(packed(CHAR, tmp_path / "x", each).read_bytes()) for each in PACKINGS
    )
    scale = next(name for name in steps if name.endswith("scale"))
    without = {name: array for name, array in steps.items() if name != "output/bias"}
    for described, arrays, problem in (
        (fields, {**steps, scale: np.full_like(steps[scale], 3e38)}, "no usable probabilities"),
        (fields, {**steps, scale: steps[scale][:-1]}, "damaged"),
        (fields, without, "damaged"),
        (half_fields, {}, "damaged"),
        (half_fields, {**halves, "output/bias": np.full_like(halves["output/bias"], 7e4, np.float32)}, "damaged"),
    ):
        (tmp_path / "x").write_bytes(sealed(described, arrays, digest=True))
        with pytest.raises(UserError, match=problem):
            load(tmp_path / "x")


def test_scales_of_a_wider_type_take_no_more_memory(tmp_path: Path) -> None:
    fields, _ = apart(packed(CHAR, tmp_path / "x", "int8").read_bytes())
    large: Arrays = {"x": np.ones((2_000, 2_000), np.int8), "x/scale": np.ones(2_000)}
    whole = {WINDOWS: np.zeros((1, 1), np.uint8), **large}
    (tmp_path / "x").write_bytes(sealed(fields, whole, digest=True))
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="damaged"):
            load(tmp_path / "x")
        assert tracemalloc.get_traced_memory()[1] < 7 * large["x"].nbytes
    finally:
        tracemalloc.stop()
