"""`doctor`: whether this installation can work, and what to do where it cannot."""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
import os
import platform
import sys
import textwrap
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from galvanic.cli.base import report
from galvanic.machine import self_check
from galvanic.model_file import library_versions
from shared.settings import get_settings
from worker import hardware
from worker.doctor import Finding, Level, gpu, machine, redis_server

_WIDTH = 110
_INDENT = " " * 9
_PLAIN = "\x1b[0m"
_COLOURS = {Level.OK: "\x1b[32m", Level.NOTE: "\x1b[2m", Level.MEND: "\x1b[33m", Level.BROKEN: "\x1b[1;31m"}


def doctor(options: argparse.Namespace) -> int:
    """Return 1 when something needed is broken."""
    settings = get_settings()
    values: dict[str, Any] = {"python": platform.python_version()}
    findings = [
        Finding("python", Level.OK, f"Python {platform.python_version()} on {platform.machine()}"),
        *_engine(values),
        machine.writing(),
        *machine.memory(),
        machine.disk(settings),
    ]
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
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")  # https://no-color.org
    report(options.json, values, [*lines(findings, colour=colour), "", summary(findings, trains_on)])
    return int(broken)


def _engine(values: dict[str, Any]) -> list[Finding]:
    values["versions"] = library_versions()
    try:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
            checked = apart.submit(self_check).result()
    except Exception as error:  # whatever keeps TensorFlow from working is the finding itself
        # Without AVX it ends its process, which says no more than that.
        values["tensorflow_error"] = str(error)
        said = " ".join(str(error).split())[:300]
        remedy = "Install everything anew; a processor without AVX instructions cannot run TensorFlow at all."
        return [_tensorflow_broken(f"TensorFlow does not work: {said}", remedy), *gpu.examine(gpu.gather())]
    values["gpus"] = list(checked.gpus)
    if not checked.right:
        return [
            _tensorflow_broken(
                "TensorFlow computes wrongly: a product of matrices is not what it should be.",
                "Install everything anew.",
            )
        ]
    versions = ", ".join(f"{name} {number}" for name, number in values["versions"].items())
    precision = "bfloat16, which is faster here" if checked.bfloat16 else "float32"
    speed = f"TensorFlow computes right: {checked.flops / 1e9:,.0f} GFLOP/s in {precision}"
    used = [] if checked.gpus else [Finding("cpu", Level.OK, f"Processor: {hardware.on_cpu()}")]
    return [
        Finding("tensorflow", Level.OK, versions),
        Finding("tensorflow", Level.OK, speed),
        *used,
        *gpu.examine(gpu.gather(seen=checked.gpus)),
    ]


def _tensorflow_broken(problem: str, remedy: str) -> Finding:
    return Finding("tensorflow", Level.BROKEN, problem, remedy, ("make clean install",))


def lines(findings: Iterable[Finding], *, colour: bool) -> list[str]:
    told: list[str] = []
    for finding in findings:
        word = f"{finding.level:<{len(_INDENT)}}"
        first, *rest = _wrapped(finding.problem)
        told.append(f"{_COLOURS[finding.level]}{word}{_PLAIN}{first}" if colour else f"{word}{first}")
        told += [_INDENT + line for line in rest + _wrapped(finding.remedy)]
        told += [f"{_INDENT}    {command}" for command in finding.commands]
    return told


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH - len(_INDENT), break_on_hyphens=False, break_long_words=False)


def summary(findings: Iterable[Finding], trains_on: str) -> str:
    """`trains_on`: what a training runs on here, for people."""
    to_mend = [finding.level for finding in findings if finding.level in (Level.MEND, Level.BROKEN)]
    if not to_mend:
        return f"All good: trains on {trains_on}."
    said = f"{len(to_mend)} thing{'' if len(to_mend) == 1 else 's'} to mend"
    if Level.BROKEN in to_mend:
        return f"{said}; what says BROKEN comes first."
    return f"{said}. Until then it trains on {trains_on}."
