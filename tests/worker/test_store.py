"""The model store, local and remote."""

from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem
from structlog.testing import capture_logs

from galvanic.errors import UserError
from shared.settings import Settings
from tests.worker.small import content
from tests.worker.test_room import full
from worker import serve, store as store_module
from worker.store import ModelStore

pytestmark = pytest.mark.slow


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ModelStore:
    url = str(tmp_path / "store") if request.param == "local" else f"memory://{uuid.uuid4().hex}/models"
    return ModelStore(Settings(_env_file=None, data_dir=tmp_path / "data", model_store=url))


def test_save_replace_read_delete(store: ModelStore, file: Path) -> None:
    store.check_writable()
    store.save(file, "abc-123")
    assert store.has("abc-123")
    file.write_bytes(b"other")  # an attempt that was cut off is made again, before anybody reads it
    store.take(file, "abc-123")
    assert not file.exists()
    assert content(store, "abc-123") == b"other"
    assert store.ids() == ["abc-123"]
    with store.reading("abc-123") as path, path.open("rb") as opened:
        store.delete("abc-123")
        assert opened.read() == b"other"
    store.delete("abc-123")
    assert not store.has("abc-123")
    with pytest.raises(UserError, match="gone"), store.reading("abc-123"):
        pass


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


def test_what_an_attempt_that_was_killed_had_moved_leaves_no_second_link(
    file: Path, tmp_path: Path, settings: Settings
) -> None:
    local = ModelStore(settings.model_copy(update={"model_store": str(tmp_path / "store")}))
    local.save(file, "abc")
    file.unlink()
    os.link(tmp_path / "store" / "abc.safetensors", file)
    local.take(file, "abc")
    assert names(tmp_path / "store") == ["abc.safetensors"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def killed_while_copying(store: ModelStore, file: Path, model_id: str) -> None:
    """Leaves half a model."""

    def copy(_: LocalFileSystem, source: str, target: str) -> None:
        Path(target).write_bytes(Path(source).read_bytes()[:1])
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalFileSystem, "put_file", copy)
        patch.setattr(LocalFileSystem, "rm_file", lambda *_: None)
        with pytest.raises(Killed):
            store.save(file, model_id)


def test_what_was_being_written_goes_after_a_day(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = local(tmp_path)
    store.tidy()  # there is no such folder yet
    store.save(file, "whole")
    file.write_bytes(b"two")
    killed_while_copying(store, file, "whole")
    assert content(store, "whole") == b"one"
    (tmp_path / "store" / ".partial-0123abcd").write_text("probe")
    left = names(tmp_path / "store")
    assert len(left) == 3
    store.tidy()
    assert names(tmp_path / "store") == left, "somebody may be about it"
    monkeypatch.setattr(store_module, "_PARTIAL_KEPT_S", -1.0)
    store.tidy()
    assert names(tmp_path / "store") == ["whole.safetensors"]


def test_a_worker_tidies_when_it_starts(file: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_PARTIAL_KEPT_S", -1.0)
    killed_while_copying(ModelStore(settings), file, "abc")
    serve._clean_up(settings)
    assert names(settings.data_dir / "models") == []


def test_a_store_that_cannot_be_tidied_is_no_reason_not_to_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModelStore, "tidy", full(1, ModelStore.tidy, errno.EACCES))
    with capture_logs() as logs:
        serve._clean_up(settings)
    assert [entry["event"] for entry in logs] == ["store_not_tidied"]


@pytest.mark.parametrize(
    "model_id", ["", ".", "..", "../x", "a/b", "a\\b", "/etc", "-x", ".partial-x", "a" * 65, "a\n"]
)
def test_ids_cannot_lead_outside(store: ModelStore, file: Path, model_id: str) -> None:
    for action in (lambda name: content(store, name), store.delete, lambda name: store.save(file, name)):
        with pytest.raises(UserError):
            action(model_id)
