"""`python -m worker`, as a person runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.worker.conftest import SENTENCE, Recorder, babble
from worker.model.results import TrainResult

REPOSITORY = Path(__file__).parents[2]


def worker(*arguments: str | Path, data: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "worker", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY, env=_environment(data))


def _environment(data: Path) -> dict[str, str]:
    return {**os.environ, "DATA_DIR": str(data), "REDIS_URL": "redis://127.0.0.1:1/0", "MODEL_STORE": ""}


def last_line(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "story.txt"
    path.write_bytes(("Part 2\n" + babble(4_000) + "\nPart 2\n" + babble(500, 1)).encode("utf-8-sig"))
    return path


def test_inspect(text: Path, tmp_path: Path) -> None:
    told = last_line(worker("inspect", text, "--until", "Part 2", "--json", data=tmp_path))
    assert told["characters"] == len("Part 2\n") + 4_000 + 1
    assert told["training"] + told["heldout"] == told["characters"]
    told = last_line(worker("inspect", text, "--recipe", "classic", "--json", data=tmp_path))
    assert told["patterns"] == told["characters"] - 100
    assert told["heldout"] == 0


def test_train_generate_evaluate(text: Path, tmp_path: Path) -> None:
    done = worker("train", text, "--out", tmp_path / "m", "--epochs", "1", "--json", data=tmp_path)
    told = last_line(done)
    assert told["epochs"] == 1
    assert len(told["samples"]) == 3
    assert "--- epoch 1 ---" in done.stderr
    assert not (tmp_path / "m.checkpoint").exists()
    arguments = ("generate", tmp_path / "m", "boat", "--length", "50", "--random-seed", "7", "--json")
    written = last_line(worker(*arguments, data=tmp_path))
    assert len(written["text"]) == 50
    assert written["random_seed"] == 7
    score = last_line(worker("evaluate", tmp_path / "m", text, "--json", data=tmp_path))
    assert score["nats_per_char"] < score["bits_per_char"]
    assert score["chars"] > 4_000


def test_ctrl_c_keeps_the_checkpoint_and_the_same_command_goes_on(text: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "worker", "train", str(text), "--out", str(tmp_path / "m")]
    process = subprocess.Popen(
        [*command, "--epochs", "400"], stderr=subprocess.PIPE, text=True, cwd=REPOSITORY, env=_environment(tmp_path)
    )
    checkpoint = tmp_path / "m.checkpoint" / "checkpoint.safetensors"
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "goes on from there" in errors
    assert "Traceback" not in errors
    assert checkpoint.exists()
    done = subprocess.run(
        [*command, "--minutes", "0.001"], capture_output=True, text=True, cwd=REPOSITORY, env=_environment(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "m" / "model.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("inspect", "missing.txt"), "no text file"),
        (("inspect", "no-such-name"), "no-such-name"),
        (("inspect", "{text}", "--until", "Part 9"), "Part 9"),
        (("generate", "{model}", ""), "seed is empty"),
        (("generate", "{text}", "x"), "no model"),
        (("evaluate", "{model}", "missing.txt"), "no text file"),
    ],
)
def test_bad_input_is_told_without_a_traceback(
    arguments: tuple[str, ...], message: str, text: Path, tmp_path: Path, memorised: tuple[Path, TrainResult, Recorder]
) -> None:
    filled = [argument.format(text=text, model=memorised[0]) for argument in arguments]
    done = worker(*filled, data=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_classic_demonstration(classic: tuple[Path, TrainResult], tmp_path: Path) -> None:
    written = last_line(worker("generate", classic[0], "--from-corpus", "--json", data=tmp_path))
    assert len(written["text"]) == 1_000
    assert len(written["seed"]) == 100


def test_doctor_warns_of_redis_and_fails_for_a_store_it_cannot_write(tmp_path: Path) -> None:
    told = last_line(worker("doctor", "--json", data=tmp_path))
    assert told["ok"] is True
    assert told["redis"] is False
    assert told["model_store"] is True
    blocked = tmp_path / "file"
    blocked.write_text(SENTENCE)
    done = worker("doctor", data=blocked)
    assert done.returncode == 1
    assert "BROKEN   the model store" in done.stdout
