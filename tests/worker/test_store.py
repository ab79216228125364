"""The model store, local and remote."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from shared.errors import UserError
from shared.settings import Settings
from worker.store import ModelStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "trained"
    folder.mkdir()
    (folder / "model.json").write_text("{}")
    (folder / "weights.safetensors").write_bytes(b"one")
    return folder


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ModelStore:
    url = str(tmp_path / "store") if request.param == "local" else f"memory://{uuid.uuid4().hex}/models"
    return ModelStore(Settings(_env_file=None, data_dir=tmp_path / "data", model_store=url))


def test_save_fetch_replace_delete(store: ModelStore, folder: Path) -> None:
    store.check_writable()
    store.save(folder, "abc-123")
    assert (store.fetch("abc-123") / "weights.safetensors").read_bytes() == b"one"
    (folder / "weights.safetensors").write_bytes(b"two")
    store.save(folder, "abc-123")
    fetched = store.fetch("abc-123")
    assert (fetched / "weights.safetensors").read_bytes() == b"two"
    assert sorted(path.name for path in fetched.iterdir()) == ["model.json", "weights.safetensors"]
    store.delete("abc-123")
    store.delete("abc-123")
    with pytest.raises(UserError, match="gone"):
        store.fetch("abc-123")


def test_nothing_half_written_is_left(folder: Path, tmp_path: Path) -> None:
    store = ModelStore(Settings(_env_file=None, data_dir=tmp_path / "data", model_store=str(tmp_path / "store")))
    with pytest.raises(OSError, match="missing"):
        store.save(tmp_path / "missing", "abc")
    store.save(folder, "abc")
    store.save(folder, "abc")
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["abc"]


@pytest.mark.parametrize(
    "model_id", ["", ".", "..", "../x", "a/b", "a\\b", "/etc", "-x", ".partial-x", "a" * 65, "a\n"]
)
def test_ids_cannot_lead_outside(store: ModelStore, folder: Path, model_id: str) -> None:
    for action in (store.fetch, store.delete, lambda name: store.save(folder, name)):
        with pytest.raises(UserError):
            action(model_id)
