"""What stands in the way of a start is told in plain words."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from galvanic.errors import UserError
from launcher.parts import Folders
from launcher.preflight import Lock, choose_port, close_env_file, prepare_folders, sockets_folder
from shared.settings import Settings
from tests.launcher.running import PATIENCE_S, ROOT


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_folders_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    data = tmp_path / "deep" / "data"
    for old in ("models", "logs"):  # of a version that left them to the umask
        (data / old).mkdir(parents=True)
        (data / old).chmod(0o755)
    data.chmod(0o755)
    folders = prepare_folders(data)
    for folder in (data, data / "models", folders.logs, folders.redis, folders.run):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_file_with_the_token_is_its_owners_alone(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    assert not close_env_file(env)
    env.write_text("DISCORD_TOKEN=secret", "utf-8")
    env.chmod(0o644)
    assert [close_env_file(env) for _ in range(2)] == [True, False]
    assert env.stat().st_mode & 0o777 == 0o600


def test_a_folder_for_everybody_stays_one(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    assert prepare_folders(tmp_path).redis.stat().st_mode & 0o777 == 0o700
    assert tmp_path.stat().st_mode & 0o7777 == 0o1777


def test_a_data_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot be written to: Not a directory.*DATA_DIR="):
        prepare_folders(tmp_path / "file" / "data")


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=37_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(UserError, match=r"is full: 37 MB are free.*DATA_DIR="):
        prepare_folders(tmp_path)


def test_a_port_that_was_set_is_used_or_refused_and_nought_means_any(
    taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", str(taken_port))
    with pytest.raises(UserError, match=f"Port {taken_port} is taken.*PORT="):
        choose_port(Settings())
    monkeypatch.setenv("PORT", "0")
    free, remark = choose_port(Settings())
    assert (free > 1023, remark) == (True, "")
    monkeypatch.setenv("PORT", str(free))
    assert choose_port(Settings()) == (free, "")


def test_another_port_is_found_when_the_usual_one_is_taken(taken_port: int) -> None:
    settings = Settings.model_construct(_fields_set=set(), playground_port=taken_port)
    port, remark = choose_port(settings)
    assert remark == f"port {taken_port} is taken, so the playground uses {port}"


def test_the_lock_is_for_one_and_ends_with_it(tmp_path: Path) -> None:
    folders = prepare_folders(tmp_path)
    with Lock(folders) as lock:
        lock.tell("playground: http://127.0.0.1:1/")
        with pytest.raises(UserError, match=f"process {os.getpid()}.*http://127.0.0.1:1/"), Lock(folders):
            pass
        os.pwrite(lock.fileno(), b"999999999 ", 0)
        with pytest.raises(UserError, match="still being stopped"), Lock(folders):
            pass
    with Lock(folders):
        pass


@pytest.mark.parametrize("name", ["x" * 90, "with blank", "größe", "a#b"])
def test_sockets_get_a_short_and_plain_folder(tmp_path: Path, name: str) -> None:
    folder = sockets_folder(Folders(tmp_path / name))
    try:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert " " not in str(folder)
        assert str(folder).isascii()
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(folder / "redis.sock"))
    finally:
        shutil.rmtree(folder)


def test_sockets_lie_in_the_data_folder_when_its_path_allows() -> None:
    folders = Folders(Path("/srv/galvanic-1/data"))
    assert sockets_folder(folders) == folders.run


@pytest.mark.process
def test_wrong_settings_end_it_as_no_restart_can_help(tmp_path: Path) -> None:
    data = tmp_path / "data"
    environment = {**os.environ, "DATA_DIR": str(data), "METRICS_PORT": "none"}
    done = subprocess.run(
        [sys.executable, "-m", "launcher"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == os.EX_CONFIG
    assert "METRICS_PORT" in done.stderr
    assert not data.exists()
