"""How many train workers there are, and what each is given."""

import os
from pathlib import Path

import pytest

from launcher.system import shares
from shared.settings import Settings
from tests.worker.machines import gpu_machine

pytestmark = pytest.mark.process


@pytest.fixture
def remarks() -> list[str]:
    return []


@pytest.fixture
def two_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what this process starts find two cards, and TensorFlow's build for them."""
    for name, value in gpu_machine(tmp_path / "machine", "A10G", "A10G").items():
        monkeypatch.setenv(name, value)
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


def test_without_a_gpu_there_is_one_or_each_gets_its_share_of_the_cores(remarks: list[str]) -> None:
    assert shares(Settings(), remarks.append) == [{}]
    assert shares(Settings(train_workers=1), remarks.append) == [{}]
    assert remarks == []
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    numbers = [share["TF_NUM_INTRAOP_THREADS"] for share in shares(Settings(train_workers=2), remarks.append)]
    assert len(numbers) == 2
    assert all(1 <= int(number) <= max(1, cores // 2) for number in numbers)
