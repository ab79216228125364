"""The GPU's benchmark, in small and on the CPU."""

import json
import math
from pathlib import Path

import pytest

from benchmarks import gpu
from galvanic.machine import self_check

TRIED = [(4, "TF32"), (8, "TF32"), (8, "float32"), (8, "float16")]
"""Batch and products, of each network."""


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.process
def test_all_of_it_runs_on_the_cpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "results.json"
    assert gpu.main(["--on-cpu", "--out", str(out)]) == 0
    results = json.loads(out.read_text("utf-8"))
    rows = results["speeds"]
    tried = [(network, batch, products) for network in ("default", "large") for batch, products in TRIED]
    assert [(row["network"], row["batch"], row["products"]) for row in rows] == tried
    assert all(row["chars_per_s"] > 0 and row["share"] > 0 and not row["failed"] for row in rows), rows
    assert 0 < results["nats_after_minutes"]["0.05"] < math.log(0x110000)
    shown = capsys.readouterr().out
    assert "nats a character" in shown
    assert str(out) in shown


@pytest.mark.slow
@pytest.mark.process
def test_without_a_gpu_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if self_check().gpus:
        pytest.skip("there is one")
    assert gpu.main(["--out", str(tmp_path / "results.json")]) == 1
    assert "no GPU here" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
