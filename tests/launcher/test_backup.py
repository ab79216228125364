"""Backups of a data folder: a round trip, and files and folders that are refused."""

import errno
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from galvanic.errors import UserError
from launcher.backup import backup, restore
from launcher.redis_server import redis_command
from tests.factories import changed_settings
from tests.launcher.running import ROOT
from tests.processes import wait_until

pytestmark = pytest.mark.process

WITHDRAWN = b"a-4f1c8b-word-9d3e"


@contextmanager
def running_redis(data: Path) -> Iterator[redis.Redis]:
    """The Redis of a data folder, as the launcher runs it."""
    for name in ("run", "redis"):
        (data / name).mkdir(parents=True, exist_ok=True)
    socket, address = (data / "run" / name for name in ("redis.sock", "redis.url"))
    address.write_text(f"unix://{socket}", "utf-8")
    server = subprocess.Popen(redis_command(socket, data / "redis"), stdout=subprocess.DEVNULL)
    try:
        wait_until(socket.exists)
        with redis.Redis(unix_socket_path=str(socket)) as client:
            yield client
    finally:
        address.unlink()
        server.terminate()
        server.wait(30)


def file_at(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, "utf-8")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model, a training with a checkpoint, and words that expire."""
    data = tmp_path / "data"
    changed_settings(monkeypatch, DATA_DIR=data)
    with running_redis(data) as client:
        client.set("withdrawn", WITHDRAWN)
        client.delete("withdrawn")
        client.hset("guild:1:models", "keeper", "m1")
        client.set("job:t-1:text", "words", pxat=4_000_000_000_000)
    file_at(data / "models" / "m1.safetensors", "weights")
    file_at(data / "models" / ".m2.safetensors.partial", "half of it")
    file_at(data / "checkpoints" / "t-1" / "ab12" / "checkpoint.safetensors", "half-learned")
    file_at(data / "checkpoints" / "t-1" / "ab12" / "finished.json", "{}")
    file_at(data / "checkpoints" / "t-1" / "ab12" / "text.txt", "words")
    file_at(data / "cache" / "copy", "again")
    return data


@pytest.fixture
def file(data: Path, tmp_path: Path) -> Path:
    """A backup of it, which is gone."""
    file = tmp_path / "kept" / "galvanic.zip"
    with running_redis(data):
        assert backup(str(file)) == 0
    shutil.rmtree(data)
    return file


def launcher(command: str, file: Path) -> None:
    """Run the command as a person does."""
    subprocess.run([sys.executable, "-m", "launcher", command, str(file)], cwd=ROOT, check=True)


def files_of(data: Path) -> set[str]:
    folders = (data / name for name in ("models", "checkpoints", "restoring", "cache"))
    return {str(path.relative_to(data)) for folder in folders for path in folder.rglob("*") if path.is_file()}


def test_all_comes_back_but_expired_and_withdrawn_words(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "kept" / "galvanic.zip"
    with running_redis(data) as client:
        client.set("job:t-2:text", "words", px=500)
        launcher("backup", file)
    assert file.stat().st_mode & 0o077 == 0
    assert list(file.parent.iterdir()) == [file]
    assert WITHDRAWN not in file.read_bytes()
    assert not list(data.rglob("backup.rdb"))

    data.rename(tmp_path / "lost")
    launcher("restore", file)
    assert files_of(data) == {
        "models/m1.safetensors",
        "checkpoints/t-1/ab12/finished.json",
        "checkpoints/t-1/ab12/checkpoint.safetensors",
    }
    assert (data / "models" / "m1.safetensors").read_text("utf-8") == "weights"
    with running_redis(data) as client:
        assert client.hgetall("guild:1:models") == {b"keeper": b"m1"}
        assert client.pexpiretime("job:t-1:text") == 4_000_000_000_000
        wait_until(lambda: not client.exists("job:t-2:text"))


def test_nothing_is_overwritten(file: Path, data: Path) -> None:
    restore(str(file))
    with pytest.raises(UserError, match="already"):
        backup(str(file))
    (data / "models" / "m1.safetensors").write_text("newer", "utf-8")
    with pytest.raises(UserError, match="into an empty DATA_DIR only"):
        restore(str(file))
    assert (data / "models" / "m1.safetensors").read_text("utf-8") == "newer"


def rewritten(file: Path, **changed: bytes) -> None:
    """Write the same backup with other parts, or more of them, and checksums that fit."""
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in (parts | changed).items():
            archive.writestr(name, content)


def refused(file: Path, data: Path, words: str) -> None:
    with pytest.raises(UserError, match=words):
        restore(str(file))
    assert files_of(data) == set()
    assert not list(data.glob("redis/*"))


def test_a_damaged_file_is_refused_and_leaves_nothing(file: Path, data: Path) -> None:
    whole = file.read_bytes()
    at = whole.index(b"half-learned")
    for changed in (whole[:at] + b"x" + whole[at + 1 :], whole[:-1], whole[:at], b"no zip"):
        file.write_bytes(changed)
        refused(file, data, "is damaged, not whole, or no backup of this version")
    refused(file.with_name("nowhere"), data, "could not be restored: No such file")


def test_a_restore_that_fails_leaves_nothing_on_another_disk(
    file: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "disk").mkdir()
    data.mkdir()
    (data / "models").symlink_to(tmp_path / "disk")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", full)
        patch.setattr(zipfile.ZipFile, "extract", lambda _archive, name, into: file_at(Path(into) / name, "x"))
        with pytest.raises(UserError, match="No space left"):
            restore(str(file))
    assert not list((tmp_path / "disk").iterdir())
    assert restore(str(file)) == 0


@pytest.mark.parametrize(
    "name", ["../evil", "/evil", "models/../../evil", "checkpoints/t-1/ab12/text.txt", "backup.json"]
)
def test_a_part_that_no_backup_has_is_refused(name: str, file: Path, data: Path, tmp_path: Path) -> None:
    rewritten(file, **{name: b"x"})
    refused(file, data, "no backup of this version")
    assert not list(tmp_path.rglob("evil"))


def test_what_could_unpack_to_more_than_it_says_is_refused(file: Path, data: Path) -> None:
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("models/bomb.safetensors", bytes(1_000_000))
    refused(file, data, "no backup of this version")


def test_only_what_runs_on_a_data_folder_is_backed_up(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"does not run on the data folder .*copy the folder"):
        backup(str(tmp_path / "galvanic.zip"))
    changed_settings(monkeypatch, REDIS_URL="redis://127.0.0.1:1/0")
    with pytest.raises(UserError, match="REDIS_URL is set"):
        backup(str(tmp_path / "galvanic.zip"))
    assert not list(tmp_path.glob("*.zip"))
