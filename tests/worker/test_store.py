"""The model store, local and remote."""

from __future__ import annotations

import errno
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shared.errors import UserError
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE
from shared.settings import Settings
from tests.worker.test_room import full
from worker import serve
from worker import store as store_module
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
    store = local(tmp_path)
    with pytest.raises(OSError, match="missing"):
        store.save(tmp_path / "missing", "abc")
    store.save(folder, "abc")
    store.save(folder, "abc")
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["abc"]


class Killed(BaseException):
    """Stands for the end of the process."""


def local(tmp_path: Path) -> ModelStore:
    return ModelStore(Settings(_env_file=None, data_dir=tmp_path / "data", model_store=str(tmp_path / "store")))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def killed_while_copying(store: ModelStore, folder: Path, model_id: str) -> None:
    """Leaves a folder with half a model."""

    def copy(source: Path, target: Path) -> None:
        copied(source, target)
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        copied = store_module.shutil.copy2
        patch.setattr(store_module.shutil, "rmtree", lambda *_, **__: None)
        patch.setattr(store_module.shutil, "copy2", copy)
        with pytest.raises(Killed):
            store.save(folder, model_id)


def killed_while_replacing(store: ModelStore, folder: Path, model_id: str) -> None:
    """Leaves neither the old model nor the new one in its place."""

    def rename(self: Path, target: Path) -> Path:
        if target.name == model_id:
            raise Killed
        return renamed(self, target)

    with pytest.MonkeyPatch.context() as patch:
        renamed = Path.rename
        patch.setattr(store_module.shutil, "rmtree", lambda *_, **__: None)
        patch.setattr(Path, "rename", rename)
        with pytest.raises(Killed):
            store.save(folder, model_id)


def test_what_was_being_written_goes_after_a_day(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = local(tmp_path)
    store.tidy()  # there is no such folder yet
    store.save(folder, "whole")
    killed_while_copying(store, folder, "half")
    (tmp_path / "store" / ".partial-0123abcd").write_text("probe")
    left = names(tmp_path / "store")
    assert len(left) == 3
    store.tidy()
    assert names(tmp_path / "store") == left, "somebody may be about it"
    monkeypatch.setattr(store_module, "_PARTIAL_KEPT_S", -1.0)
    store.tidy()
    assert names(tmp_path / "store") == ["whole"]


def test_a_model_that_was_being_replaced_comes_back(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_REPLACING_S", 0.0)
    store = local(tmp_path)
    store.save(folder, "abc")
    killed_while_replacing(store, folder, "abc")
    assert not store.has("abc")
    store.tidy()
    assert (store.fetch("abc") / "weights.safetensors").read_bytes() == b"one"
    monkeypatch.setattr(store_module, "_PARTIAL_KEPT_S", -1.0)
    store.tidy()
    assert names(tmp_path / "store") == ["abc"]


def test_who_is_replacing_a_model_is_let_be(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = local(tmp_path)
    store.save(folder, "abc")
    killed_while_replacing(store, folder, "abc")
    (new,) = (path for path in (tmp_path / "store").glob(".partial-abc-*"))
    monkeypatch.setattr(store_module.time, "sleep", lambda _: new.rename(tmp_path / "store" / "abc"))
    store.tidy()
    assert len(names(tmp_path / "store")) == 2
    assert store.has("abc")


def test_what_was_deleted_does_not_come_back(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_REPLACING_S", 0.0)
    store = local(tmp_path)
    for model_id in ("abc", "abcd"):
        store.save(folder, model_id)
        killed_while_replacing(store, folder, model_id)
    store.delete("abc")
    assert not list((tmp_path / "store").glob(".partial-*abc-*"))
    store.tidy()
    assert store.ids() == ["abcd"]


def test_half_a_copy_of_a_remote_model_goes_too(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"memory://{uuid.uuid4().hex}/models"
    store = ModelStore(Settings(_env_file=None, data_dir=tmp_path / "data", model_store=url))
    store.tidy()
    half = tmp_path / "data" / "cache" / "models" / ".partial-abc-01234567"
    half.mkdir(parents=True)
    store.tidy()
    assert half.exists()
    monkeypatch.setattr(store_module, "_PARTIAL_KEPT_S", -1.0)
    store.tidy()
    assert not half.exists()


@pytest.mark.parametrize("queue", [TRAIN_QUEUE, GENERATE_QUEUE])
def test_a_worker_tidies_when_it_starts(
    queue: str, folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    connected: dict[str, Callable[[], None]] = {}
    for name in ("celeryd_after_setup", "worker_ready", "task_postrun", "worker_shutting_down", "worker_shutdown"):
        signal = getattr(serve.signals, name)
        monkeypatch.setattr(signal, "connect", lambda act, *, name=name, weak: connected.update({name: act}))
    monkeypatch.setattr(serve, "_import_tensorflow", lambda: None)
    monkeypatch.setattr(store_module, "_REPLACING_S", 0.0)
    store = ModelStore(settings)
    store.save(folder, "abc")
    killed_while_replacing(store, folder, "abc")
    serve._connect_signals(settings, queue, f"{queue}@here:1", tmp_path)
    try:
        connected["worker_ready"]()
    finally:
        connected["worker_shutdown"]()
    assert store.has("abc")


def test_a_store_that_cannot_be_tidied_is_no_reason_not_to_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModelStore, "tidy", full(1, ModelStore.tidy, errno.EACCES))
    with capture_logs() as logs:
        serve._tidy(settings)
    assert [entry["event"] for entry in logs] == ["store_not_tidied"]


@pytest.mark.parametrize(
    "model_id", ["", ".", "..", "../x", "a/b", "a\\b", "/etc", "-x", ".partial-x", "a" * 65, "a\n"]
)
def test_ids_cannot_lead_outside(store: ModelStore, folder: Path, model_id: str) -> None:
    for action in (store.fetch, store.delete, lambda name: store.save(folder, name)):
        with pytest.raises(UserError):
            action(model_id)
