"""The generated configuration, read back by the programs it is for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from launcher.config import EX_CONFIG, redis_config, supervisor_config
from launcher.parts import Part, Stage
from launcher.system import find_redis_server

AWKWARD = "a b #c ;d %e 'f\" é"


def read_by_supervisor(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ServerOptions:
    run = folder / "run"
    run.mkdir()
    (folder / "logs").mkdir()
    (run / "supervisord.conf").write_text(text, encoding="utf-8")
    monkeypatch.chdir(run)
    options = ServerOptions()
    options.realize(["-c", "supervisord.conf"])
    return options


def test_supervisor_understands_each_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [
        Part("redis", (f"/bin/{AWKWARD}", "--x"), Stage.REDIS, stop_wait_s=30),
        Part("train", (sys.executable, AWKWARD), Stage.TRAIN, nice=10),
        Part("generate", (sys.executable,), Stage.GENERATE),
    ]
    options = read_by_supervisor(supervisor_config(parts, Path("/tmp/s.sock"), tmp_path), tmp_path, monkeypatch)
    assert options.nodaemon
    assert options.serverurl == "unix:///tmp/s.sock"

    groups = sorted(options.process_group_configs, key=lambda group: group.priority)
    assert [group.name for group in groups] == ["redis", "generate", "train"]  # stopped from the last to the first

    redis, train = groups[0].process_configs[0], groups[-1].process_configs[0]
    assert redis.stopwaitsecs == 30
    assert redis.exitcodes == [EX_CONFIG]
    assert Path(redis.stdout_logfile).resolve() == tmp_path / "logs" / "redis.log"
    words = train.make_process().get_execv_args()[1]
    assert words[-4:] == ["10", str(tmp_path), sys.executable, AWKWARD]


def test_parts_of_a_group_are_stopped_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [
        Part("bot", (sys.executable,), Stage.BOT),
        Part("train", (sys.executable,), Stage.TRAIN, group="training"),
        Part("train-2", (sys.executable,), Stage.TRAIN, group="training"),
    ]
    options = read_by_supervisor(supervisor_config(parts, Path("/tmp/s.sock"), tmp_path), tmp_path, monkeypatch)
    found = {group.name: group for group in options.process_group_configs}
    assert set(found) == {"bot", "training"}, "a group's process manager stops all of its parts at once"
    assert [part.name for part in found["training"].process_configs] == ["train", "train-2"]
    assert found["training"].priority == Stage.TRAIN


def test_redis_understands_its_configuration(tmp_path: Path) -> None:
    folder = tmp_path / AWKWARD
    folder.mkdir()
    config = tmp_path / "redis.conf"
    config.write_text(redis_config(tmp_path / "absent" / "redis.sock", folder), encoding="utf-8")
    # It reads all options, changes to the folder, and ends because the socket's folder does not exist.
    result = subprocess.run(
        [find_redis_server(), str(config)], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Bad directive" not in result.stdout + result.stderr
    assert "FATAL CONFIG" not in result.stdout + result.stderr
    assert "nix socket" in result.stdout
