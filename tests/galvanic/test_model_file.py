"""Model files: what is saved loads, and nothing else ever does harm."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from galvanic import model_file
from galvanic.errors import UserError
from galvanic.generate import load_model
from galvanic.model_file import describe, export, load
from tests.fixtures.make_model import logits_of
from tests.strategies import values
from tests.worker.hostile import apart, sealed
from tests.worker.texts import EPOCHS, Memorised

pytestmark = pytest.mark.slow

FIXTURES = Path(__file__).parents[1] / "fixtures"
SAVED = sorted(FIXTURES.glob("models/*.safetensors"))
CHAR = FIXTURES / "models" / "char.safetensors"
NETWORK = apart(CHAR.read_bytes())[0]["network"]
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
        *({"network": {**NETWORK, "units": units}} for units in ([10**9], [-6], [0], [6, 6], ["six"])),
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
            return content + draw(st.binary(min_size=1, max_size=100))
        case _:
            start = draw(st.integers(0, len(content)))
            return content[:start] + draw(st.binary(max_size=50)) + content[draw(st.integers(start, len(content))) :]


FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
DATA = st.data()


@pytest.mark.parametrize("saved", SAVED, ids=lambda path: path.stem)
@pytest.mark.parametrize("packing", [None, *model_file.PACKINGS])
@FUZZ
@given(data=DATA)
def test_fuzzed_files_never_crash_the_loader(packing: Any, saved: Path, tmp_path: Path, data: st.DataObject) -> None:
    whole, copy = tmp_path / "whole.safetensors", tmp_path / "copy.safetensors"
    if not whole.exists():
        model_file.save(whole, *load(saved), packing)
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
