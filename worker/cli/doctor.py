"""`doctor`: whether this installation can work, and what to do where it cannot."""

from __future__ import annotations

import argparse
import platform
import sys
from typing import Any

from galvanic.cli.texts import report
from shared.settings import Settings, get_settings
from worker import hardware
from worker.doctor import gpu, machine, redis_server
from worker.doctor.findings import Finding, Level, lines, summary, wants_colour
from worker.doctor.gpu_facts import gather


def doctor(options: argparse.Namespace) -> int:
    """Return 1 when something needed is broken."""
    settings = get_settings()
    values: dict[str, Any] = {"python": platform.python_version()}
    findings = [machine.python(), *_engine(settings, values)]
    memory = machine.memory()
    findings += [memory] if memory is not None else []
    findings.append(machine.disk(settings))
    store = machine.store(settings)
    about_redis = redis_server.examine(settings)
    findings += [store, *about_redis]

    broken = any(finding.level == Level.BROKEN for finding in findings)
    trains_on = hardware.named(values.get("gpus", [])) or hardware.on_cpu()
    values |= {
        "redis": about_redis[0].level == Level.OK,
        "model_store": store.level == Level.OK,
        "trains_on": trains_on,
        "findings": [
            {name: getattr(finding, name) for name in ("topic", "level", "problem", "remedy", "commands")}
            for finding in findings
        ],
        "ok": not broken,
    }
    told = [*lines(findings, colour=wants_colour(sys.stdout)), "", summary(findings, trains_on)]
    report(options.json, values, told)
    return int(broken)


def _engine(settings: Settings, values: dict[str, Any]) -> list[Finding]:
    from galvanic.machine import self_check
    from galvanic.model_file import library_versions

    values["versions"] = library_versions()
    versions = ", ".join(f"{name} {number}" for name, number in values["versions"].items())
    try:
        checked = self_check()
    except Exception as error:  # whatever keeps TensorFlow from working is the finding itself
        values["tensorflow_error"] = str(error)
        said = " ".join(str(error).split())[:300]
        broken = Finding(
            "tensorflow",
            Level.BROKEN,
            f"TensorFlow does not work: {said}",
            "Install everything anew; a processor without AVX instructions cannot run TensorFlow at all.",
            ("make clean install",),
        )
        return [broken, *gpu.examine(gather())]
    values["gpus"] = list(checked.gpus)
    if not checked.right:
        wrong = "TensorFlow computes wrongly: a product of matrices is not what it should be."
        return [Finding("tensorflow", Level.BROKEN, wrong, "Install everything anew.", ("make clean install",))]
    precision = "bfloat16, which is faster here" if checked.bfloat16 else "float32"
    speed = f"TensorFlow computes right: {checked.flops / 1e9:,.0f} GFLOP/s in {precision}"
    used = [] if checked.gpus else [Finding("cpu", Level.OK, f"Processor: {hardware.on_cpu()}")]
    return [
        Finding("tensorflow", Level.OK, versions),
        Finding("tensorflow", Level.OK, speed),
        *used,
        *gpu.examine(gather(seen=checked.gpus), generate_on_gpu=settings.generate_on_gpu),
    ]
