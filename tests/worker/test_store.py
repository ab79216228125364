"""The model store, local and remote."""

import shutil
import time
import uuid
from pathlib import Path
from unittest.mock import Mock

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from galvanic.errors import UserError
from shared.settings import Settings
from tests.worker.small import content, ids
from worker.store import ModelStore, StoreAway

pytestmark = pytest.mark.slow


def killed_while_copying(store: ModelStore, file: Path, model_id: str) -> None:
    """Leaves half a model."""

    def copy(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:1])
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "copyfile", copy)
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(Killed):
            store.save(file, model_id)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ModelStore:
    url = str(tmp_path / "store") if request.param == "local" else f"memory://{uuid.uuid4().hex}/models"
    return ModelStore(Settings(_env_file=None, data_dir=tmp_path / "data", model_store=url))


def test_save_replace_read_delete(store: ModelStore, file: Path) -> None:
    store.save(file, "abc-123")
    store.check_usable()
    assert store.has("abc-123")
    file.write_bytes(b"other")  # an attempt that was cut off is made again, before anybody reads it
    store.save(file, "abc-123")
    assert content(store, "abc-123") == b"other"
    assert ids(store) == ["abc-123"]
    with store.reading("abc-123") as path, path.open("rb") as opened:
        store.delete("abc-123")
        assert opened.read() == b"other"
    store.delete("abc-123")
    assert not store.has("abc-123")
    with pytest.raises(UserError, match="gone"), store.reading("abc-123"):
        pass


def test_a_model_that_is_deleted_as_it_is_fetched_is_gone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = f"memory://{uuid.uuid4().hex}/models"
    store = ModelStore(Settings(_env_file=None, data_dir=file.parent / "data", model_store=remote))
    store.save(file, "abc")
    copy = store.get

    def deleted_before(name: str, target: Path) -> None:
        store.delete("abc")
        copy(name, target)

    monkeypatch.setattr(store, "get", deleted_before)
    with pytest.raises(UserError, match="gone"):
        content(store, "abc")


@pytest.mark.parametrize("missing", ["cat_file", "ls"])
def test_keys_that_may_not_read_or_list_are_noticed(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    store = ModelStore(Settings(_env_file=None, model_store=f"memory://{uuid.uuid4().hex}/models"))
    monkeypatch.setattr(MemoryFileSystem, missing, Mock(side_effect=PermissionError))
    with pytest.raises(StoreAway, match="refuses these keys"):
        store.check_usable()


def test_nothing_half_written_is_left(file: Path, tmp_path: Path) -> None:
    store = local(tmp_path)
    with pytest.raises(OSError, match="missing"):
        store.save(tmp_path / "missing", "abc")
    store.save(file, "abc")
    store.save(file, "abc")
    assert names(tmp_path / "store") == ["abc.safetensors"]


class Killed(BaseException):
    """Stands for the end of the process."""


def local(tmp_path: Path) -> ModelStore:
    return ModelStore(Settings(_env_file=None, data_dir=tmp_path / "data", model_store=str(tmp_path / "store")))


def test_a_worker_tidies_the_store(file: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    store, later = ModelStore(settings), time.time() + 90_000
    store.save(file, "whole")
    file.write_bytes(b"two")
    killed_while_copying(store, file, "whole")
    assert content(store, "whole") == b"one"
    store.tidy()
    assert len(names(settings.data_dir / "models")) == 2, "somebody may be about it"
    monkeypatch.setattr(time, "time", lambda: later)
    store.tidy()
    assert names(settings.data_dir / "models") == ["whole.safetensors"]


@pytest.mark.parametrize(
    "model_id", ["", ".", "..", "../x", "a/b", "a\\b", "/etc", "-x", ".partial-x", "a" * 65, "a\n"]
)
def test_ids_cannot_lead_outside(store: ModelStore, file: Path, model_id: str) -> None:
    for action in (lambda name: content(store, name), store.delete, lambda name: store.save(file, name)):
        with pytest.raises(UserError):
            action(model_id)
