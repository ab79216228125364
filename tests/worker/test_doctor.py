"""What `doctor` and a worker say of a machine, with stand-ins for NVIDIA's cards, and a real Redis."""

import os
import re
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import redis

from galvanic.cli.findings import Finding, Level
from galvanic.host import cores
from shared import hardware, keys
from shared.settings import Settings
from tests.compose import ROOT
from tests.worker.machines import gpu_machine
from worker.cli.doctor import check_gpu, check_memory, check_redis, check_store, doctor

pytestmark = pytest.mark.process

Machine = Callable[..., Path]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Makes this an x86-64 machine with cards, and returns the folder that stands for `/`."""
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def with_cards(*cards: str, used: int = 1) -> Path:
        environment = gpu_machine(tmp_path, *cards, used=used)
        monkeypatch.setenv("PATH", environment["PATH"])
        monkeypatch.syspath_prepend(environment["PYTHONPATH"])
        return tmp_path

    return with_cards


def put_card_on_the_bus(root: Path) -> None:
    for number, kind in enumerate(("0x040300", "0x030200")):  # the sound of its HDMI, and the card
        device = root / f"sys/bus/pci/devices/0000:01:00.{number}"
        device.mkdir(parents=True)
        (device / "vendor").write_text("0x10de\n")
        (device / "class").write_text(f"{kind}\n")


def problems(findings: Iterable[Finding], level: Level) -> str:
    return " ".join(finding.problem for finding in findings if finding.level == level)


def test_a_card_without_a_driver_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hardware.why_unused(tmp_path) is None, "there is no card"
    put_card_on_the_bus(tmp_path)
    cause = hardware.why_unused(tmp_path)
    assert cause is not None
    assert "no driver for it" in cause.problem
    assert "ubuntu-drivers install" in cause.remedy
    (tmp_path / ".dockerenv").touch()
    cause = hardware.why_unused(tmp_path)
    assert cause is not None
    assert "this container was started without it" in cause.problem
    assert "Container Toolkit" in cause.remedy


def test_a_driver_that_fails_is_told_in_its_own_words(machine: Machine) -> None:
    root = machine()
    put_card_on_the_bus(root)
    (root / "bin" / "nvidia-smi").write_text("#!/bin/sh\necho 'Driver/library version mismatch' >&2; exit 18\n")
    cause = hardware.why_unused(root)
    assert cause is not None
    assert cause.problem.endswith("nvidia-smi says: Driver/library version mismatch")


def test_a_build_for_cpus_and_a_hidden_card_are_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    root = machine("NVIDIA A10G")
    assert hardware.why_unused(root) is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    finding = next(check_gpu(()))
    assert (finding.level, finding.problem[:54]) == (
        Level.MEND,
        "The GPU is not used. CUDA_VISIBLE_DEVICES hides the ca",
    )
    assert finding.remedy.endswith("the card's number: 0")
    (root / "site" / "nvidia_cudnn_cu12-1.dist-info" / "METADATA").unlink()
    (root / "site" / "nvidia_cudnn_cu12-1.dist-info").rmdir()
    finding = next(check_gpu(()))
    assert "TensorFlow is installed without CUDA" in finding.problem
    assert "make install WORKER=worker-gpu" in finding.remedy


def test_what_tensorflow_finds_counts(machine: Machine) -> None:
    machine("NVIDIA A10G", used=22_000)
    used, memory = check_gpu(("NVIDIA A10G",))
    assert (used.level, memory.level) == (Level.OK, Level.MEND)
    assert "GPU: NVIDIA A10G." in used.problem
    assert "1.0 GB are free" in memory.problem
    (unknown,) = check_gpu(())
    assert "TensorFlow does not find NVIDIA A10G with driver 550.90.07" in unknown.problem
    assert "TF_CPP_MIN_LOG_LEVEL=0" in unknown.remedy


def test_too_little_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for gigabytes, level in ((1, Level.MEND), (4, Level.OK)):
        monkeypatch.setattr("worker.cli.doctor.memory_bytes", lambda size=gigabytes: size * 10**9)
        assert f"Memory: {gigabytes}.0 GB" in problems(check_memory(), level)


def test_the_disk_of_the_model_store_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "mount" / "models"
    settings = Settings(_env_file=None, data_dir=tmp_path, model_store=str(store))
    assert f"in the model store {store}, which does not exist yet" in check_store(settings).problem
    store.mkdir(parents=True)
    full = os.statvfs_result((4096, 4096, 10**9, 9, 9, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    finding = check_store(settings)
    assert (finding.level, finding.problem.split(".")[:2]) == (
        Level.MEND,
        ["Disk: 0", f"0 GB free in the model store {store}"],
    )
    assert "MODEL_STORE" in finding.remedy


def test_redis_is_judged_and_left_as_it_is(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("appendonly", "no")
        try:
            findings = list(check_redis(Settings()))
        finally:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("appendonly", "yes")
        assert "in memory alone" in problems(findings, Level.MEND)
        assert "its maxmemory-policy is allkeys-lru" in problems(findings, Level.MEND)
        assert "answers" in problems(findings, Level.OK)
        assert client.dbsize() == 0
        client.zadd(keys.workers("train"), {"train@here:1": 4e9})
    findings = list(check_redis(Settings()))
    assert "as train: train@here:1" in problems(findings, Level.OK)
    assert "as bot: nothing now" in problems(findings, Level.OK)


def test_a_redis_that_tells_little_of_itself_is_judged_by_that(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis.Redis, "info", lambda _: {"redis_version": "7.2.4"})  # as some providers' do
    assert {finding.level for finding in check_redis(Settings())} == {Level.OK}


def test_a_redis_that_is_not_there_is_broken_if_it_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [finding.level for finding in check_redis(Settings())] == [Level.OK]
    monkeypatch.setenv("REDIS_URL", "redis://bot:hidden@127.0.0.1:1/0")
    (named,) = check_redis(Settings())
    assert named.level == Level.BROKEN
    assert "Redis at 127.0.0.1:1 cannot be reached" in named.problem
    assert "hidden" not in str(named)


@pytest.mark.parametrize(("level", "status"), [(Level.OK, 0), (Level.MEND, 0), (Level.BROKEN, 1)])
def test_a_plugins_finding_counts(
    level: Level, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("worker.cli.doctor.check_tensorflow", lambda: ())
    finding = Finding(level, "The kettle is cold.", "Put it on.")
    assert doctor(Namespace(json=False), [lambda: [finding]]) == status
    assert f"{level:<8} The kettle is cold.\n{'':8} Put it on.\n" in capsys.readouterr().out


# ---------------------------------------------------------------------- what a worker says of its machine


def test_a_machine_without_a_gpu_names_cores_and_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    said = hardware.describe()
    assert re.fullmatch(r"\d+ cores? of \S.*", said)
    assert not re.search(r"\((R|TM)\)|@", said)
    assert 1 <= cores() <= (os.cpu_count() or 1)


def describe(environment: dict[str, str]) -> str:
    """What a fresh process says, which has not loaded TensorFlow."""
    code = "from shared import hardware; print(hardware.describe())"
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=ROOT, env=os.environ | environment
    ).stdout.strip()


def test_the_tool_that_knows_the_gpus_is_asked(tmp_path: Path) -> None:
    """The program on PATH and the packages of TensorFlow's CUDA build are stand-ins."""
    machine = gpu_machine(tmp_path, "NVIDIA A10G")
    assert describe(machine) == "NVIDIA A10G"
    assert " of " in describe(machine | {"CUDA_VISIBLE_DEVICES": ""})
    assert " of " in describe({"PATH": machine["PATH"]}), "TensorFlow's build is the one for CPUs"
    (tmp_path / "bin" / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n", "utf-8")
    assert " of " in describe(machine)


def test_several_gpus_are_counted() -> None:
    said = [hardware.named(names) for names in ([], ["T4"], ["T4", "T4"], ["A10G", "T4"])]
    assert said == ["", "T4", "2 GPUs: T4", "2 GPUs: A10G, T4"]


@pytest.mark.parametrize(("which", "names"), [("1", ["T4"]), ("GPU-0002", ["T4"]), ("2", []), ("", []), ("-1", [])])
def test_gpus_are_chosen_by_number_or_uuid(
    which: str, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", gpu_machine(tmp_path, "A10G", "T4")["PATH"])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", which)
    assert [gpu.name for gpu in hardware.visible()] == names
