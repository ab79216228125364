"""`doctor`: whether this installation can work, and what to do where it cannot."""

from __future__ import annotations

import argparse
import dataclasses
import platform
import sys
from typing import Any

from galvanic.cli.base import report
from shared.settings import Settings, get_settings
from worker import hardware
from worker.doctor import gpu, machine, redis_server
from worker.doctor.findings import Finding, Level, lines, summary, wants_colour
from worker.doctor.gpu_facts import gather


def doctor(options: argparse.Namespace) -> int:
    """Return 1 when something needed is broken."""
    settings = get_settings()
    values: dict[str, Any] = {"python": platform.python_version()}
    findings = [machine.python(), *_engine(settings, values), *machine.memory(), machine.disk(settings)]
    store, about_redis = machine.store(settings), redis_server.examine(settings)
    findings += [store, *about_redis]

    broken = any(finding.level == Level.BROKEN for finding in findings)
    trains_on = hardware.named(values.get("gpus", [])) or hardware.on_cpu()
    values |= {
        "redis": about_redis[0].level == Level.OK,
        "model_store": store.level == Level.OK,
        "trains_on": trains_on,
        "findings": list(map(dataclasses.asdict, findings)),
        "ok": not broken,
    }
    told = [*lines(findings, colour=wants_colour(sys.stdout)), "", summary(findings, trains_on)]
    report(options.json, values, told)
    return int(broken)


def _engine(settings: Settings, values: dict[str, Any]) -> list[Finding]:
    from galvanic.machine import self_check
    from galvanic.model_file import library_versions

    values["versions"] = library_versions()
    try:
        checked = self_check()
    except Exception as error:  # whatever keeps TensorFlow from working is the finding itself
        values["tensorflow_error"] = str(error)
        said = " ".join(str(error).split())[:300]
        remedy = "Install everything anew; a processor without AVX instructions cannot run TensorFlow at all."
        return [_tensorflow_broken(f"TensorFlow does not work: {said}", remedy), *gpu.examine(gather())]
    values["gpus"] = list(checked.gpus)
    if not checked.right:
        wrong = "TensorFlow computes wrongly: a product of matrices is not what it should be."
        return [_tensorflow_broken(wrong, "Install everything anew.")]
    versions = ", ".join(f"{name} {number}" for name, number in values["versions"].items())
    precision = "bfloat16, which is faster here" if checked.bfloat16 else "float32"
    speed = f"TensorFlow computes right: {checked.flops / 1e9:,.0f} GFLOP/s in {precision}"
    used = [] if checked.gpus else [Finding("cpu", Level.OK, f"Processor: {hardware.on_cpu()}")]
    return [
        Finding("tensorflow", Level.OK, versions),
        Finding("tensorflow", Level.OK, speed),
        *used,
        *gpu.examine(gather(seen=checked.gpus), generate_on_gpu=settings.generate_on_gpu),
    ]


def _tensorflow_broken(problem: str, remedy: str) -> Finding:
    return Finding("tensorflow", Level.BROKEN, problem, remedy, ("make clean install",))
