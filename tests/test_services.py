"""The systemd units: what they promise, and what systemd itself says of them where it is installed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compose import ROOT

UNITS = sorted((ROOT / "deploy" / "systemd").glob("galvanic*"))
SERVICES = [path for path in UNITS if path.suffix == ".service"]
PLACE = "/opt/galvanic"
"""Where the units expect the checkout."""
EXPOSURE = 2.0
"""The most that `systemd-analyze security` may find, of 10."""


def values(path: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", path.read_text("utf-8"), re.MULTILINE)


def value(path: Path, key: str) -> str:
    (found,) = values(path, key)
    return found


@pytest.fixture
def placed(tmp_path: Path) -> list[Path]:
    """The units with programs that are there."""
    placed = []
    for path in UNITS:
        text = path.read_text("utf-8").replace(f"{PLACE}/.venv/bin/python", sys.executable)
        (tmp_path / path.name).write_text(text.replace(PLACE, str(ROOT)), "utf-8")
        placed.append(tmp_path / path.name)
    return placed


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.process
def test_systemd_finds_nothing_wrong(placed: list[Path]) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, placed)], capture_output=True, text=True, timeout=60
    )
    ours = [line for line in done.stderr.splitlines() if "galvanic" in line]
    assert (done.returncode, ours) == (0, [])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("name", [path.name for path in SERVICES])
@pytest.mark.process
def test_a_service_is_confined(name: str, placed: list[Path]) -> None:
    (path,) = (path for path in placed if path.name == name)
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    found = re.search(r"Overall exposure level for \S+ (\d+\.\d)", done.stdout)
    if found is None:
        pytest.skip("this systemd cannot tell without running")
    assert float(found[1]) <= EXPOSURE


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_a_service_comes_back_but_not_with_wrong_settings(path: Path) -> None:
    assert value(path, "Restart") == "always"
    assert value(path, "User") == "galvanic"
    if path.name != "galvanic-redis.service":
        assert value(path, "RestartPreventExitStatus") == "78"
    # A training's process must not get the signal by which its parent lets it save.
    assert value(path, "KillMode") == "mixed"
    assert values(path, "MemoryMax")
    assert values(path, "TasksMax")


def test_secrets_come_as_credentials() -> None:
    for path in SERVICES:
        for credential in values(path, "LoadCredential"):
            assert re.fullmatch(rf"[a-z_]+:{PLACE}/secrets/[a-z_]+", credential), path.name
        assert not re.search(r"(TOKEN|PASSWORD)=", path.read_text("utf-8")), path.name
    has_token = {path.name for path in SERVICES if any("discord_token" in c for c in values(path, "LoadCredential"))}
    assert has_token == {"galvanic-bot.service", "galvanic.service"}


def test_an_old_systemd_knows_the_specifiers() -> None:
    """LoadCredential needs 247 of it, which Debian 11 has; `%d`, the folder of credentials, would need 251."""
    for path in UNITS:
        settings = re.sub(r"^#.*$", "", path.read_text("utf-8"), flags=re.MULTILINE)
        assert set(re.findall(r"%(.)", settings)) <= set("Sti"), path.name


@pytest.mark.process
def test_redis_finds_its_passwords_among_the_credentials(tmp_path: Path) -> None:
    """The unit's command, as systemd gives it to the shell; start.sh then misses the first file there."""
    path = ROOT / "deploy" / "systemd" / "galvanic-redis.service"
    script = value(path, "ExecStart").removeprefix("/bin/sh -c '").removesuffix("'")
    script = script.replace("$$", "$").replace(PLACE, str(ROOT))
    environment = {
        "PATH": os.environ["PATH"],
        "CREDENTIALS_DIRECTORY": str(tmp_path / "credentials"),
        "REDIS_SERVER": "/bin/true",
        "REDIS_DATA_DIR": str(tmp_path),
        "REDIS_RUN_DIR": str(tmp_path),
    }
    done = subprocess.run(["/bin/sh", "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert f"the file {tmp_path}/credentials/redis_bot_password is not there" in done.stderr


def test_each_service_is_the_redis_user_that_it_is_in_a_container() -> None:
    for name, user in (("bot", "bot"), ("train@", "worker"), ("generate", "worker")):
        path = ROOT / "deploy" / "systemd" / f"galvanic-{name}.service"
        assert value(path, "Environment=REDIS_URL") == f"redis://{user}@127.0.0.1:6390/0"
        assert f"redis_password:{PLACE}/secrets/redis_{user}_password" in values(path, "LoadCredential")
    assert "REDIS_PORT=6390" in (ROOT / "deploy" / "systemd" / "galvanic-redis.service").read_text("utf-8")
