"""The file of a backup: cut off, changed, forged, in the wrong place, and through pipes."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from shared import keys, presence
from shared.connect import connect
from shared.jobs import TRAIN_QUEUE
from shared.settings import Settings, get_settings
from tests.worker.backups import (
    add_model,
    add_training,
    assert_untouched,
    elsewhere,
    refused,
    restored,
)
from worker.backup import entries, restore
from worker.backup.archive import Reader
from worker.cli import main
from worker.jobs.job_files import JobFiles
from worker.store import ModelStore


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with connect(settings) as client:
        yield client


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """Where the backup goes."""
    return tmp_path / "kept" / "galvanic.tar"


@pytest.fixture
def made(
    client: redis.Redis, settings: Settings, backup: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Path:
    """A backup of two models and a checkpoint, and an empty machine."""
    add_model(client, settings, "m1")
    add_model(client, settings, "m2")
    add_training(client, "t-1", claimed=True)
    files = JobFiles.of(settings, "t-1")
    files.checkpoint.mkdir(parents=True)
    (files.checkpoint / "checkpoint.safetensors").write_bytes(os.urandom(3_000))
    assert main(["backup", str(backup)]) == 0
    elsewhere(monkeypatch, client, tmp_path)
    return backup


def test_a_model_without_files_is_told_and_leaves_the_registry(
    client: redis.Redis,
    settings: Settings,
    backup: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    add_model(client, settings, "here")
    add_model(client, settings, "gone", files=False)
    client.hset(keys.channel(901), mapping={"model": "gone", "chat": "1"})
    client.hset(keys.channel(902), mapping={"model": "here"})
    assert main(["backup", str(backup)]) == 0
    assert "not in the store: name-gone" in capsys.readouterr().out
    elsewhere(monkeypatch, client, tmp_path)
    assert "they are gone: name-gone" in restored(capsys, backup)
    assert not client.exists(keys.model("gone"))
    assert client.hgetall(keys.guild_models(900)) == {b"name-here": b"here"}
    assert client.hgetall(keys.channel(901)) == {b"chat": b"1"}
    assert client.hgetall(keys.channel(902)) == {b"model": b"here"}


def test_nothing_is_no_backup_and_a_file_is_not_replaced(
    client: redis.Redis, settings: Settings, backup: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client.set("somebody-elses", "x")
    assert "nothing to back up" in refused(capsys, "backup", str(backup))
    add_model(client, settings, "m1", files=False)
    assert "None of the 1 models is in the model store" in refused(capsys, "backup", str(backup))
    assert list(backup.parent.iterdir()) == []
    backup.write_text("precious")
    assert "already" in refused(capsys, "backup", str(backup))
    assert backup.read_text() == "precious"


def test_only_onto_an_empty_installation(
    client: redis.Redis,
    settings: Settings,
    backup: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    add_model(client, settings, "m1")
    assert main(["backup", str(backup)]) == 0
    said = refused(capsys, "restore", str(backup))
    assert "Redis has 2 keys (guild: 1, model: 1)" in said
    assert "has 1 models" in said

    elsewhere(monkeypatch, client, tmp_path)
    for service in (presence.BOT, "train", "generate"):
        client.zadd(keys.workers(service), {"somebody": time.time() + 60})
        assert "at work on this Redis" in refused(capsys, "restore", str(backup))
        client.delete(keys.workers(service))
    # What a start that did nothing leaves is no obstacle, nor is what a killed restore had staged.
    client.set(keys.synced_commands(7), "x")
    client.set(keys.staged("guild:1:settings"), "x")
    restored(capsys, backup)
    assert client.exists(keys.model("m1"))
    assert client.keys("*guild:1:*") == []


def test_what_is_cut_off_anywhere_is_refused(
    made: Path, client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = made.read_bytes()
    end = whole.rindex(b"SHA256SUMS") + 512 + 1
    for length in [*range(0, end, 487), end]:
        made.write_bytes(whole[:length])
        said = refused(capsys, "restore", str(made))
        assert "no backup of Galvanic" in said or "damaged" in said or "not whole" in said, length
    assert_untouched(client)


def test_a_changed_byte_anywhere_is_noticed(
    made: Path, client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = made.read_bytes()
    with tarfile.open(made) as tar:
        spans = [(member.offset_data, member.size) for member in tar]
    for start, size in spans:
        for at in range(start, start + size, max(1, size // 7)):
            made.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            assert "error: This" in refused(capsys, "restore", str(made)), at
    assert_untouched(client)


def rewritten(path: Path, extra: list[tuple[tarfile.TarInfo, bytes]], **replaced: bytes) -> None:
    """The same backup with other parts, and checksums that fit them."""
    with tarfile.open(path) as tar:
        parts = [(member, tar.extractfile(member).read()) for member in tar if member.name != "SHA256SUMS"]  # type: ignore[union-attr]
    parts = [(info, replaced.get(info.name.partition(".")[0], data)) for info, data in parts] + extra
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {info.name}\n" for info, data in parts)
    with tarfile.open(path, "w") as tar:
        for info, data in [*parts, (tarfile.TarInfo("SHA256SUMS"), sums.encode())]:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize(
    "name", ["../evil", "/evil", "models/../../evil", "models/m1/../../../evil", "models/.m/x", "evil", "models/m1"]
)
def test_a_name_that_leads_elsewhere_is_refused(
    name: str, made: Path, client: redis.Redis, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rewritten(made, [(tarfile.TarInfo(name), b"x")])
    assert "damaged" in refused(capsys, "restore", str(made))
    assert not list(tmp_path.rglob("evil"))
    assert_untouched(client)


def test_a_link_and_a_foreign_key_are_refused(
    made: Path, client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    import gzip

    whole = made.read_bytes()
    link = tarfile.TarInfo("models/m1/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    rewritten(made, [(link, b"")])
    assert "damaged" in refused(capsys, "restore", str(made))
    made.write_bytes(whole)
    line = b'{"key":"unacked","kind":"hash","expires":null,"values":["a","b"]}\n'
    rewritten(made, [], redis=gzip.compress(line))
    assert "damaged" in refused(capsys, "restore", str(made))
    for line in (b"nonsense\n", b'{"key":"guild:1:settings","kind":"hash","expires":null,"values":["a"]}\n'):
        rewritten(made, [], redis=gzip.compress(line))
        assert "damaged" in refused(capsys, "restore", str(made))
    assert_untouched(client)


def test_a_newer_format_is_refused(made: Path, client: redis.Redis, capsys: pytest.CaptureFixture[str]) -> None:
    rewritten(made, [], backup=b'{"format": 2, "anything": "else"}')
    assert "newer version" in refused(capsys, "restore", str(made))
    made.write_bytes(b"no tar at all")
    assert "no backup of Galvanic" in refused(capsys, "restore", str(made))
    assert "cannot be read" in refused(capsys, "restore", str(made.with_name("nowhere")))
    assert_untouched(client)


def test_what_breaks_off_midway_leaves_nothing(
    made: Path, client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    data = get_settings().data_dir
    data.mkdir()
    (data / "checkpoints").write_text("in the way of the checkpoint, which comes after the models")
    assert main(["restore", str(made)]) == 1
    assert "breaking off" in capsys.readouterr().err
    (data / "checkpoints").unlink()
    assert_untouched(client)
    assert "2 models." in restored(capsys, made)


@pytest.mark.parametrize("cut", [KeyboardInterrupt, redis.ConnectionError])
def test_what_breaks_off_when_redis_has_taken_all_comes_to_its_end(
    cut: type[BaseException],
    made: Path,
    client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def commit(*arguments: Any) -> None:
        assert entries.commit(*arguments) is None
        raise cut

    monkeypatch.setattr(restore, "commit", commit)
    assert "2 models." in restored(capsys, made)
    assert ModelStore(get_settings()).ids() == ["m1", "m2"]
    assert JobFiles.of(get_settings(), "t-1").checkpoint.is_dir()
    assert client.exists(keys.model("m1"))
    assert client.llen(TRAIN_QUEUE) == 1
    assert not client.exists(keys.RESTORED)
    assert client.keys(keys.staged("*")) == []


def test_a_commit_that_comes_after_it_was_given_up_does_nothing(
    made: Path, client: redis.Redis, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    late: list[Any] = []

    def commit(*arguments: Any) -> None:
        late.extend(arguments)
        raise redis.ConnectionError

    def unstage(_: redis.Redis) -> None:
        if late:
            assert entries.commit(client, late[1]) is not None
        entries.unstage(client)

    monkeypatch.setattr(restore, "commit", commit)
    monkeypatch.setattr(restore, "unstage", unstage)
    assert "Redis cannot be reached" in refused(capsys, "restore", str(made))
    assert late
    assert_untouched(client)


def test_files_stay_while_redis_does_not_say_whether_it_has_taken_all(
    made: Path, client: redis.Redis, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def commit(*arguments: Any) -> None:
        entries.commit(*arguments)
        raise redis.ConnectionError

    def settle(*_: Any) -> bool:
        raise redis.ConnectionError

    monkeypatch.setattr(restore, "commit", commit)
    monkeypatch.setattr(restore, "settle", settle)
    monkeypatch.setattr(restore, "_SETTLED_WITHIN_S", 0.0)
    assert "stay where they are" in refused(capsys, "restore", str(made))
    assert ModelStore(get_settings()).ids() == ["m1", "m2"]
    assert JobFiles.of(get_settings(), "t-1").checkpoint.is_dir()
    assert "Redis has " in refused(capsys, "restore", str(made)), "all is restored"


def test_it_goes_through_pipes(made: Path, client: redis.Redis, settings: Settings) -> None:
    command = [sys.executable, "-m", "worker"]
    with made.open("rb") as file:
        done = subprocess.run([*command, "restore", "-"], stdin=file, capture_output=True, text=True, check=True)
    assert "2 models." in done.stdout
    piped = subprocess.run([*command, "backup", "-"], capture_output=True, check=True)
    reader = Reader(io.BytesIO(piped.stdout), lambda count: None)
    assert reader.models == {"m1", "m2"}
    assert reader.jobs == {"t-1"}
    assert b"members' words" in piped.stderr
