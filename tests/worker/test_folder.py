"""Model folders and exported models: what is saved loads, and nothing else ever does harm."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from galvanic import export as exporting
from galvanic import folder as model_folder
from galvanic.export import export_model, import_model
from galvanic.generate import load_model
from galvanic.results import TrainResult
from shared.errors import UserError
from tests.fixtures.make_model import logits_of
from tests.worker.texts import EPOCHS, Recorder

FIXTURES = Path(__file__).parents[1] / "fixtures"
SAVED = sorted(path.parent for path in FIXTURES.glob("format-*/*/model.json"))
Memorised = tuple[Path, TrainResult, Recorder]


@pytest.mark.parametrize("folder", SAVED, ids=lambda path: "-".join(path.parts[-2:]))
def test_a_model_saved_by_an_earlier_version_says_what_it_said(folder: Path) -> None:
    expected = json.loads(folder.with_suffix(".json").read_text("utf-8"))
    np.testing.assert_allclose(logits_of(folder), expected["logits"], atol=1e-4)
    assert load_model(folder).score(expected["text"]).nats_per_char == pytest.approx(
        expected["nats_per_char"], abs=1e-4
    )


def test_there_is_a_fixture_of_each_recipe_and_format() -> None:
    names = {(path.parent.name, path.name) for path in SAVED}
    assert {("format-1", "char"), ("format-1", "classic")} < names
    assert {(f"format-{model_folder.FORMAT}", recipe) for recipe in ("char", "word", "classic")} < names


def test_a_folder_tells_where_its_model_came_from(memorised: Memorised) -> None:
    folder, result, _ = memorised
    description = json.loads((folder / "model.json").read_text("utf-8"))
    assert description["format"] == model_folder.FORMAT
    assert description["symbols"] == sorted(set(description["symbols"]))
    assert description["corpus"]["name"] == "made-up"
    assert len(description["corpus"]["sha256"]) == 64
    assert description["lineage"] == []
    assert description["options"]["epochs"] == EPOCHS
    assert description["training"]["copy_share"] == result.copy_share
    assert description["training"]["curve"][-1][0] == EPOCHS
    assert {"keras", "numpy", "safetensors"} <= set(description["versions"])
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "weights.safetensors"]


def change(folder: Path, **fields: Any) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **fields}), "utf-8")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A tiny model, to be damaged."""
    return Path(shutil.copytree(FIXTURES / "format-2" / "char", tmp_path / "copy"))


@pytest.mark.parametrize(
    "fields",
    [
        {"symbols": ["a", "b", "c"]},
        {"symbols": []},
        {"symbols": None},
        {"symbols": ["a"] * 27},
        {"network": {"kind": "streams"}},
        {"recipe": "unknown"},
        {"unseen": 0},
        {"weights_sha256": "0" * 64},
        {"format": "one"},
        {"format": 0},
        {"format": 1},
        {"corpus": {}},
    ],
)
def test_damaged_descriptions_are_refused(fields: dict[str, Any], copy: Path) -> None:
    change(copy, **fields)
    with pytest.raises(UserError, match="damaged"):
        model_folder.load(copy)


@pytest.mark.parametrize("units", [[10**9], [-6], [0], [6, 6], ["six"]])
def test_networks_that_the_weights_do_not_fit_are_refused_before_they_are_read(units: list[Any], copy: Path) -> None:
    network = json.loads((copy / "model.json").read_text("utf-8"))["network"]
    change(copy, network={**network, "units": units})
    with pytest.raises(UserError, match="damaged"):
        model_folder.load(copy)


def test_files_larger_than_any_model_are_not_read(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (copy / "weights.safetensors").open("r+b") as file:
        file.truncate(10 * 2**30)  # sparse: takes no room on the disk
    with pytest.raises(UserError, match="damaged"):
        model_folder.load(copy)
    with (copy / "model.json").open("r+b") as file:
        file.truncate(10 * 2**30)
    with pytest.raises(UserError, match="damaged"):
        model_folder.load(copy)


def test_newer_and_missing_models_are_refused(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no model"):
        model_folder.load(tmp_path / "nothing")
    change(copy, format=model_folder.FORMAT + 1, recipe="from the future")
    with pytest.raises(UserError, match="newer version"):
        model_folder.load(copy)
    (copy / "model.json").unlink()
    with pytest.raises(UserError, match="no model"):
        model_folder.load(copy)


def same(one: Path, other: Path) -> bool:
    """Whether two folders hold the same model, word for word but for notes and titles."""
    (a, a_weights, a_windows), (b, b_weights, b_windows) = model_folder.load(one), model_folder.load(other)
    weights = a_weights.keys() == b_weights.keys() and all(
        np.array_equal(a_weights[n], b_weights[n]) for n in a_weights
    )
    return weights and np.array_equal(a_windows, b_windows) and a.weights_sha256 == b.weights_sha256


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


FUZZ = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
DATA = st.data()


@pytest.mark.parametrize("saved", SAVED, ids=lambda path: "-".join(path.parts[-2:]))
@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
@FUZZ
@given(data=DATA)
def test_fuzzed_folders_never_crash_the_loader(name: str, saved: Path, tmp_path: Path, data: st.DataObject) -> None:
    copy = Path(shutil.copytree(saved, tmp_path / "copy", dirs_exist_ok=True))
    (copy / name).write_bytes(harmed((copy / name).read_bytes(), data.draw))
    try:
        description, weights, _ = model_folder.load(copy)
    except UserError:
        return
    # A changed letter of a note or a title leaves a model that is whole; a changed weight does not.
    assert name == "model.json" or same(saved, copy)
    assert {name: weight.shape for name, weight in weights.items()} == description.network.shapes()


@st.composite
def json_like(draw: Callable[[Any], Any]) -> Any:
    """Values that a field might hold by mistake or malice."""
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    return draw(
        st.recursive(leaves, lambda kids: st.lists(kids, max_size=3) | st.dictionaries(st.text(max_size=5), kids))
    )


@FUZZ
@given(data=DATA)
def test_fields_of_other_kinds_never_crash_the_loader(tmp_path: Path, data: st.DataObject) -> None:
    copy = Path(shutil.copytree(data.draw(st.sampled_from(SAVED)), tmp_path / "copy", dirs_exist_ok=True))
    fields = json.loads((copy / "model.json").read_text("utf-8"))
    part = data.draw(st.sampled_from([fields, fields["network"], fields["training"], fields["corpus"]]))
    part[data.draw(st.sampled_from(sorted(part)))] = data.draw(json_like())
    (copy / "model.json").write_text(json.dumps(fields), "utf-8")
    try:
        description, weights, _ = model_folder.load(copy)
    except UserError:
        return
    assert {name: weight.shape for name, weight in weights.items()} == description.network.shapes()


@pytest.mark.parametrize("saved", SAVED, ids=lambda path: "-".join(path.parts[-2:]))
def test_export_and_import_give_the_same_model(saved: Path, tmp_path: Path) -> None:
    export_model(saved, tmp_path / "one.galvanic")
    import_model(tmp_path / "one.galvanic", tmp_path / "back")
    for name in ("model.json", "weights.safetensors"):
        assert (tmp_path / "back" / name).read_bytes() == (saved / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "one.galvanic"]


def test_export_refuses_what_is_no_model_and_where_it_cannot_write(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no model"):
        export_model(tmp_path / "nothing", tmp_path / "x.galvanic")
    with pytest.raises(UserError, match="cannot be written"):
        export_model(copy, tmp_path / "nowhere" / "x.galvanic")
    change(copy, unseen=2)
    with pytest.raises(UserError, match="damaged"):
        export_model(copy, tmp_path / "x.galvanic")
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_import_overwrites_nothing(copy: Path, tmp_path: Path) -> None:
    export_model(copy, tmp_path / "one.galvanic")
    with pytest.raises(UserError, match="already"):
        import_model(tmp_path / "one.galvanic", copy)
    (tmp_path / "empty").mkdir()
    import_model(tmp_path / "one.galvanic", tmp_path / "empty")
    assert same(copy, tmp_path / "empty")


def archive(path: Path, members: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "../weights.safetensors",
        "/weights.safetensors",
        "model/weights.safetensors",
        "C:\\weights.safetensors",
        "run.py",
    ],
)
def test_archives_with_other_names_are_refused(name: str, copy: Path, tmp_path: Path) -> None:
    description, weights = (copy / "model.json").read_bytes(), (copy / "weights.safetensors").read_bytes()
    for members in (
        {"model.json": description, name: weights},
        {"model.json": description, "weights.safetensors": weights, name: b"x"},
    ):
        path = archive(tmp_path / "x.galvanic", members)
        with pytest.raises(UserError, match="isn't an exported model"):
            import_model(path, tmp_path / "deep" / "er" / "new")
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"x.galvanic", "copy/model.json", "copy/weights.safetensors"}


def test_bombs_are_cut_off(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = bytes(200 * 2**20)
    written: list[int] = []
    real = exporting._copy

    def watched(source: Any, name: str, folder: Path, most: int) -> None:
        try:
            real(source, name, folder, most)
        finally:
            written.append((folder / name).stat().st_size)

    monkeypatch.setattr(exporting, "_copy", watched)
    description = (copy / "model.json").read_bytes()
    for members in (
        {"model.json": bomb, "weights.safetensors": b""},
        {"model.json": description, "weights.safetensors": bomb},
    ):
        path = archive(tmp_path / "x.galvanic", members, zipfile.ZIP_DEFLATED)
        assert path.stat().st_size < 2**20
        with pytest.raises(UserError, match="damaged"):
            import_model(path, tmp_path / "new")
    assert max(written) <= model_folder.MOST_DESCRIPTION_BYTES
    assert not (tmp_path / "new").exists()


def test_import_refuses_newer_models_and_other_files(copy: Path, tmp_path: Path) -> None:
    weights = (copy / "weights.safetensors").read_bytes()
    newer = archive(tmp_path / "x.galvanic", {"model.json": b'{"format": 99}', "weights.safetensors": weights})
    with pytest.raises(UserError, match="newer version"):
        import_model(newer, tmp_path / "new")
    for content in (b"", b"just some text", b"PK", b"\x89PNG\r\n"):
        (tmp_path / "y.galvanic").write_bytes(content)
        with pytest.raises(UserError, match="isn't an exported model"):
            import_model(tmp_path / "y.galvanic", tmp_path / "new")
    with pytest.raises(UserError, match="no file"):
        import_model(tmp_path / "z.galvanic", tmp_path / "new")
    with pytest.raises(UserError, match="no file"):
        import_model(copy, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@FUZZ
@given(data=DATA)
def test_fuzzed_exports_never_crash_the_import(tmp_path: Path, data: st.DataObject) -> None:
    saved = FIXTURES / "format-2" / "char"
    whole, target = tmp_path / "whole.galvanic", tmp_path / "new"
    if not whole.exists():
        export_model(saved, whole)
    path = tmp_path / "harmed.galvanic"
    path.write_bytes(harmed(whole.read_bytes(), data.draw))
    try:
        import_model(path, target)
    except UserError:
        assert not target.exists()
        return
    # What does not reach the files - a date in the archive - changes nothing.
    assert same(saved, target)
    shutil.rmtree(target)
