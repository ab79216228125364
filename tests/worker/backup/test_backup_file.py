"""The file of a backup: cut off, changed, forged, in the wrong place, and through pipes."""

from __future__ import annotations

import contextlib
import io
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import redis

from shared import keys, presence
from tests.worker.backup.installation import Installation
from worker.backup import restore
from worker.backup.archive import Backup


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
    assert "Redis has 3 keys (bot: 1, guild: 1, model: 1)" in said
    assert "has 1 model" in said

    galvanic.elsewhere()
    for service in (presence.BOT, "train", "generate"):
        client.zadd(keys.workers(service), {"somebody": time.time() + 60})
        assert "at work on this Redis" in galvanic.not_restored()
        client.delete(keys.workers(service))
    client.set(keys.synced_commands(7), "x")  # what a start that did nothing leaves is no obstacle
    galvanic.restored()
    assert client.exists(keys.model("m1"))


def test_what_is_cut_off_anywhere_is_refused(moved: Installation) -> None:
    whole = moved.backup.read_bytes()
    for length in [*range(0, len(whole), 487), len(whole) - 1]:
        moved.backup.write_bytes(whole[:length])
        assert "no backup of Galvanic" in moved.not_restored(), length
    assert moved.is_empty()


def test_a_changed_byte_anywhere_is_noticed(moved: Installation) -> None:
    whole = moved.backup.read_bytes()
    with zipfile.ZipFile(moved.backup) as archive:
        parts = [(part.header_offset, part.file_size) for part in archive.infolist()]
    for header, size in parts:
        name, extra = struct.unpack_from("<HH", whole, header + 26)
        start = header + 30 + name + extra
        for at in range(start, start + size, max(1, size // 7)):
            moved.backup.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            assert "error: This" in moved.not_restored(), at
    assert moved.is_empty()


def rewritten(path: Path, **changed: bytes) -> None:
    """The same backup with other parts, or more of them, and checksums that fit."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (parts | changed).items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    "name",
    [
        *("../evil", "/evil", "models/../../evil", "models/m1/../../../evil", "models/.m/x", "evil", "models/m1"),
        *("models/m.1.safetensors", "models/_m.safetensors"),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(name: str, moved: Installation, tmp_path: Path) -> None:
    rewritten(moved.backup, **{name: b"x"})
    assert "damaged" in moved.not_restored()
    assert not list(tmp_path.rglob("evil"))
    assert moved.is_empty()


def test_a_packed_part_which_may_be_a_bomb_is_refused(moved: Installation) -> None:
    with zipfile.ZipFile(moved.backup, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("models/m9.safetensors", bytes(1_000_000))
    assert "no backup of Galvanic" in moved.not_restored()
    assert moved.is_empty()


def entry(key: bytes, value: bytes) -> bytes:
    """One entry as a part of a backup has it."""
    return struct.pack(">IIQ", len(key), len(value), 0) + key + value


def test_foreign_keys_and_what_is_no_entry_are_refused(moved: Installation) -> None:
    moved.client.set("one", "x")
    value = moved.client.dump("one")
    assert isinstance(value, bytes)
    moved.client.delete("one")
    for forged in (entry(b"unacked", value), b"nonsense", entry(b"guild:1:settings", value)[:-1]):
        rewritten(moved.backup, **{"redis": forged})
        assert "damaged" in moved.not_restored()
    rewritten(moved.backup, **{"redis": entry(b"guild:1:settings", value[:-9] + bytes(9))})
    assert "same or a newer version of Redis" in moved.not_restored()
    assert moved.is_empty()


def test_a_newer_format_is_refused(moved: Installation) -> None:
    rewritten(moved.backup, **{"backup.json": b'{"format": 2, "anything": "else"}'})
    assert "newer version" in moved.not_restored()
    moved.backup.write_bytes(b"no zip at all")
    assert "no backup of Galvanic" in moved.not_restored()
    assert "cannot be read" in moved.not_restored(moved.backup.with_name("nowhere"))
    assert moved.is_empty()


def test_what_breaks_off_midway_leaves_nothing(moved: Installation) -> None:
    moved.data.mkdir()
    (moved.data / "checkpoints").write_text("in the way of the checkpoint, which comes after the models")
    assert "breaking off" in moved.broken_off()
    (moved.data / "checkpoints").unlink()
    assert moved.is_empty()
    assert "2 models." in moved.restored()


@pytest.mark.parametrize("cut_by", [redis.ConnectionError, KeyboardInterrupt])
def test_files_stay_while_redis_does_not_say_whether_it_has_taken_all(
    cut_by: type[BaseException], moved: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter = restore._enter

    def cut(*given: Any) -> None:
        enter(*given)
        raise cut_by

    monkeypatch.setattr(restore, "_enter", cut)
    with contextlib.suppress(SystemExit):
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
    backup = Backup(io.BytesIO(piped.stdout))
    assert backup.models == {"m1", "m2"}
    assert backup.jobs == {"t-1"}
    assert b"members' words" in piped.stderr
