"""The file of a backup: cut off, changed, forged, in the wrong place, and through pipes."""

from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
import redis

from shared import keys, presence
from shared.jobs import TRAIN_QUEUE
from tests.worker.backup.installation import Installation
from worker.backup import entries, restore
from worker.backup.archive import Reader


def test_a_model_without_files_is_told_and_leaves_the_registry(galvanic: Installation) -> None:
    client = galvanic.client
    galvanic.add_model("here")
    galvanic.add_model("gone", files=False)
    client.hset(keys.channel(901), mapping={"model": "gone", "chat": "1"})
    client.hset(keys.channel(902), mapping={"model": "here"})
    assert "not in the store: name-gone" in galvanic.back_up()
    galvanic.elsewhere()
    assert "they are gone: name-gone" in galvanic.restored()
    assert not client.exists(keys.model("gone"))
    assert client.hgetall(keys.guild_models(900)) == {b"name-here": b"here"}
    assert client.hgetall(keys.channel(901)) == {b"chat": b"1"}
    assert client.hgetall(keys.channel(902)) == {b"model": b"here"}


def test_nothing_is_no_backup_and_a_file_is_not_replaced(galvanic: Installation) -> None:
    galvanic.client.set("somebody-elses", "x")
    assert "nothing to back up" in galvanic.not_backed_up()
    galvanic.add_model("m1", files=False)
    assert "None of the 1 models is in the model store" in galvanic.not_backed_up()
    assert list(galvanic.backup.parent.iterdir()) == []
    galvanic.backup.write_text("precious")
    assert "already" in galvanic.not_backed_up()
    assert galvanic.backup.read_text() == "precious"


def test_only_onto_an_empty_installation(galvanic: Installation) -> None:
    client = galvanic.client
    galvanic.add_model("m1")
    galvanic.back_up()
    said = galvanic.not_restored()
    assert "Redis has 2 keys (guild: 1, model: 1)" in said
    assert "has 1 model" in said

    galvanic.elsewhere()
    for service in (presence.BOT, "train", "generate"):
        client.zadd(keys.workers(service), {"somebody": time.time() + 60})
        assert "at work on this Redis" in galvanic.not_restored()
        client.delete(keys.workers(service))
    # What a start that did nothing leaves is no obstacle, nor is what a killed restore had staged.
    client.set(keys.synced_commands(7), "x")
    client.set(keys.staged("guild:1:settings"), "x")
    galvanic.restored()
    assert client.exists(keys.model("m1"))
    assert client.keys("*guild:1:*") == []


# ---------------------------------------------------------------------- damaged, forged


def test_what_is_cut_off_anywhere_is_refused(moved: Installation) -> None:
    whole = moved.backup.read_bytes()
    end = whole.rindex(b"SHA256SUMS") + 512 + 1
    for length in [*range(0, end, 487), end]:
        moved.backup.write_bytes(whole[:length])
        said = moved.not_restored()
        assert "no backup of Galvanic" in said or "damaged" in said or "not whole" in said, length
    assert moved.is_empty()


def test_a_changed_byte_anywhere_is_noticed(moved: Installation) -> None:
    whole = moved.backup.read_bytes()
    with tarfile.open(moved.backup) as tar:
        spans = [(member.offset_data, member.size) for member in tar]
    for start, size in spans:
        for at in range(start, start + size, max(1, size // 7)):
            moved.backup.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            assert "error: This" in moved.not_restored(), at
    assert moved.is_empty()


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
def test_a_name_that_leads_elsewhere_is_refused(name: str, moved: Installation, tmp_path: Path) -> None:
    rewritten(moved.backup, [(tarfile.TarInfo(name), b"x")])
    assert "damaged" in moved.not_restored()
    assert not list(tmp_path.rglob("evil"))
    assert moved.is_empty()


def test_a_link_and_a_foreign_key_are_refused(moved: Installation) -> None:
    whole = moved.backup.read_bytes()
    link = tarfile.TarInfo("models/m1/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    rewritten(moved.backup, [(link, b"")])
    assert "damaged" in moved.not_restored()
    moved.backup.write_bytes(whole)
    line = b'{"key":"unacked","kind":"hash","expires":null,"values":["a","b"]}\n'
    rewritten(moved.backup, [], redis=gzip.compress(line))
    assert "damaged" in moved.not_restored()
    for line in (b"nonsense\n", b'{"key":"guild:1:settings","kind":"hash","expires":null,"values":["a"]}\n'):
        rewritten(moved.backup, [], redis=gzip.compress(line))
        assert "damaged" in moved.not_restored()
    assert moved.is_empty()


def test_a_newer_format_is_refused(moved: Installation) -> None:
    rewritten(moved.backup, [], backup=b'{"format": 2, "anything": "else"}')
    assert "newer version" in moved.not_restored()
    moved.backup.write_bytes(b"no tar at all")
    assert "no backup of Galvanic" in moved.not_restored()
    assert "cannot be read" in moved.not_restored(moved.backup.with_name("nowhere"))
    assert moved.is_empty()


# ---------------------------------------------------------------------- broken off


def test_what_breaks_off_midway_leaves_nothing(moved: Installation) -> None:
    moved.data.mkdir()
    (moved.data / "checkpoints").write_text("in the way of the checkpoint, which comes after the models")
    assert "breaking off" in moved.broken_off()
    (moved.data / "checkpoints").unlink()
    assert moved.is_empty()
    assert "2 models." in moved.restored()


@pytest.mark.parametrize("cut", [KeyboardInterrupt, redis.ConnectionError])
def test_what_breaks_off_when_redis_has_taken_all_comes_to_its_end(
    cut: type[BaseException], moved: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def commit(*arguments: Any) -> None:
        assert entries.commit(*arguments) is None
        raise cut

    monkeypatch.setattr(restore, "commit", commit)
    assert "2 models." in moved.restored()
    assert moved.store.ids() == ["m1", "m2"]
    assert moved.files_of("t-1").checkpoint.is_dir()
    assert moved.client.exists(keys.model("m1"))
    assert moved.client.llen(TRAIN_QUEUE) == 1
    assert not moved.client.exists(keys.RESTORED)
    assert moved.client.keys(keys.staged("*")) == []


def test_a_commit_that_comes_after_it_was_given_up_does_nothing(
    moved: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    late: list[Any] = []

    def commit(*arguments: Any) -> None:
        late.extend(arguments)
        raise redis.ConnectionError

    def unstage(_: redis.Redis) -> None:
        if late:
            assert entries.commit(moved.client, late[1]) is not None
        entries.unstage(moved.client)

    monkeypatch.setattr(restore, "commit", commit)
    monkeypatch.setattr(restore, "unstage", unstage)
    assert "Redis cannot be reached" in moved.not_restored()
    assert late
    assert moved.is_empty()


def test_files_stay_while_redis_does_not_say_whether_it_has_taken_all(
    moved: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def commit(*arguments: Any) -> None:
        entries.commit(*arguments)
        raise redis.ConnectionError

    def settle(*_: Any) -> bool:
        raise redis.ConnectionError

    monkeypatch.setattr(restore, "commit", commit)
    monkeypatch.setattr(restore, "settle", settle)
    monkeypatch.setattr(restore, "_SETTLED_WITHIN_S", 0.0)
    assert "stay where they are" in moved.not_restored()
    assert moved.store.ids() == ["m1", "m2"]
    assert moved.files_of("t-1").checkpoint.is_dir()
    assert "Redis has " in moved.not_restored(), "all is restored"


def test_it_goes_through_pipes(moved: Installation) -> None:
    command = [sys.executable, "-m", "worker"]
    with moved.backup.open("rb") as file:
        done = subprocess.run([*command, "restore", "-"], stdin=file, capture_output=True, text=True, check=True)
    assert "2 models." in done.stdout
    piped = subprocess.run([*command, "backup", "-"], capture_output=True, check=True)
    reader = Reader(io.BytesIO(piped.stdout), lambda count: None)
    assert reader.models == {"m1", "m2"}
    assert reader.jobs == {"t-1"}
    assert b"members' words" in piped.stderr
