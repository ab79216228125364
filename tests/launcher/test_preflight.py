"""What stands in the way of a start is told in plain words."""

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from galvanic.errors import UserError
from launcher.parts import Folders
from launcher.preflight import choose_port, close_env_file, locked, prepare_folders, sockets_folder, write_note
from shared.settings import Settings


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_file_with_the_token_is_its_owners_alone(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    assert not close_env_file(env)
    env.write_text("DISCORD_TOKEN=secret", "utf-8")
    env.chmod(0o644)
    assert [close_env_file(env) for _ in range(2)] == [True, False]
    assert env.stat().st_mode & 0o777 == 0o600


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
        choose_port(Settings(), print)
    monkeypatch.setenv("PORT", "0")
    free_port = choose_port(Settings(), print)
    assert free_port > 1023
    monkeypatch.setenv("PORT", str(free_port))
    assert choose_port(Settings(), print) == free_port


def test_another_port_is_taken_instead_of_the_usual_one(taken_port: int) -> None:
    remarks: list[str] = []
    settings = Settings.model_construct(_fields_set=set(), playground_port=taken_port)
    port = choose_port(settings, remarks.append)
    assert remarks == [f"port {taken_port} is taken, so the playground uses {port}"]


def test_the_lock_is_for_one_and_ends_with_it(tmp_path: Path) -> None:
    folders = prepare_folders(tmp_path)
    with locked(folders) as lock:
        write_note(lock, "playground: http://127.0.0.1:1/")
        with pytest.raises(UserError, match=f"process {os.getpid()}, playground: http://127.0.0.1:1/"), locked(folders):
            pass
    with locked(folders):
        pass


@pytest.mark.parametrize("name", ["x" * 90, "with blank", "größe", "a#b"])
def test_sockets_get_a_short_and_plain_folder(tmp_path: Path, name: str) -> None:
    with sockets_folder(Folders(tmp_path / name)) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert " " not in str(folder)
        assert str(folder).isascii()
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(folder / "redis.sock"))
    assert not folder.exists()


def test_sockets_lie_in_the_data_folder_when_its_path_allows() -> None:
    folders = Folders(Path("/tmp/galvanic-1/data"))
    with sockets_folder(folders) as folder:
        assert folder == folders.run
