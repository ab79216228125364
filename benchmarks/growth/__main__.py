"""Measure what growth costs: `python -m benchmarks.growth [--servers 1000] [--minutes 30] [--workers 10] [--seed 1]`.

First the servers ask the real queue, whose rules are checked. Then it measures the costs: of one job of each kind for
Redis, of a crowd for the bot, and of a message and a text for each process of the whole product.
"""

import argparse
import json
import logging
import os
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from benchmarks import report
from benchmarks.growth.crowd import crowd
from benchmarks.growth.law import Law
from benchmarks.growth.simulation import Size, simulate
from benchmarks.own_redis import redis_server


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print the results; return 1 if the queue broke a rule."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--servers", type=int, default=1_000)
    parser.add_argument("--minutes", type=float, default=30.0, help="of a peak hour")
    parser.add_argument("--scale", type=float, default=10.0, help="how many times faster that goes")
    parser.add_argument("--workers", type=int, default=10, help="that train")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-costs", action="store_true", help="only the simulation")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the figures go, as JSON")
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    size = Size(Law(options.servers), options.minutes, options.scale, options.workers, seed=options.seed)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="galvanic-growth-") as folder, redis_server(Path(folder)) as url:
        simulation = simulate(size, Path(folder), url)
        results["simulation"] = simulation.to_json()
        print("\n".join(_simulated(results["simulation"])), flush=True)
        if not options.no_costs:
            results["crowd"] = crowd(Path(folder), url)
            alone = replace(size, scale=20.0, train_workers=10, deaths=0.0)
            quiet = Law(100, trainings=0, texts=0, bursts=0)
            for what, law, minutes in (
                ("nothing", quiet, 4.0),
                ("a text", replace(quiet, texts=5_000), 6.0),
                ("a training", replace(quiet, trainings=60), 6.0),
            ):
                results[what] = simulate(replace(alone, law=law, minutes=minutes), Path(folder), url).to_json()
    if not options.no_costs:
        from benchmarks.growth.costs import costs, loading  # imports TensorFlow

        with tempfile.TemporaryDirectory(prefix="galvanic-growth-") as folder:
            results["product"] = costs(Path(folder))
            results["model"] = loading(Path(folder))
    results["machine"] = report.machine(Path(sys.executable))
    if options.out is not None:
        options.out.write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    print(table(results))
    return int(bool(simulation.problems()))


def table(results: dict[str, Any]) -> str:
    """Return the costs as lines for people."""
    machine = results["machine"]
    lines = [f"{machine['cores']} cores of {machine['cpu']}, load {os.getloadavg()[0]:.1f}"]
    if "nothing" in results:
        quiet = results["nothing"]
        lines.append(
            f"Redis while nothing happens: {quiet['redis']['commands'] / quiet['seconds']:.0f} commands a second"
        )
        for what, kind in (("a text", "generate"), ("a training", "train")):
            lines.append(f"Redis for {what}: {_job(results[what], kind, quiet)}")
        figures = results["crowd"]
        lines += [
            f"100 trainings asked for at once: {figures['entered']:.0f} entered within {figures['entered_s']:.1f} s",
            "milliseconds of the bot's processor time while 1,000 trainings wait: "
            + ", ".join(f"{name} {figures[f'{name}_ms']:.1f}" for name in ("request", "sweep", "snapshot")),
        ]
    if "product" in results:
        product = results["product"]
        for what in ("idle", "message", "text"):
            each = ", ".join(f"{name} {value:.2f}" for name, value in product[what].items())
            lines.append(f"{what}: {each}")
        model = ", ".join(f"{name} {value:.1f}" for name, value in results["model"].items())
        lines.append(f"a text from a cold and a warm model, and a model's size: {model}")
        lines.append("megabytes: " + ", ".join(f"{name} {size:.0f}" for name, size in product["memory_mb"].items()))
    return "\n".join(lines)


def _simulated(run: dict[str, Any]) -> list[str]:
    """Return the results of the simulation as lines for people."""
    size, stored = run["size"], run["redis"]
    return [
        f"{size['law']['servers']} servers, {size['minutes']:g} minutes of a peak hour, "
        f"{size['scale']:g} times as fast; {size['train_workers']} train workers",
        f"entered: {run['entered']}; refused: {run['refused']}; workers that died: {run['deaths']}",
        f"seconds until a server's first training begins: {_figures(run['first_wait_s'])}",
        f"seconds until a further training begins:        {_figures(run['further_wait_s'])}",
        f"seconds until a text is begun:                  {_figures(run['text_wait_s'])}",
        f"longest queue: {run['longest_queue']} trainings",
        f"milliseconds of a sweep:    {_figures(run['sweep_ms'])}",
        f"milliseconds of a snapshot: {_figures(run['snapshot_ms'])}",
        f"milliseconds that requests came late: {_figures(run['late_ms'])}",
        f"Redis: at most {stored['peak_mb']:.1f} MB, {stored['commands'] / run['seconds']:,.0f} commands a second, "
        f"{stored['cpu_s'] / run['seconds']:.0%} of a core",
        *(f"PROBLEM: {problem}" for problem in run["problems"]),
    ]


def _job(run: dict[str, Any], kind: str, quiet: dict[str, Any]) -> str:
    """Return what one job costs Redis, without what it does anyway."""
    jobs, stored = max(1, run["entered"][kind]), run["redis"]
    rate, load = (quiet["redis"][name] / quiet["seconds"] for name in ("commands", "cpu_s"))
    commands = (stored["commands"] - rate * run["seconds"]) / jobs
    cpu_ms = 1_000 * (stored["cpu_s"] - load * run["seconds"]) / jobs
    return f"{stored['grown_mb'] * 1e3 / jobs:.1f} kB that stay, {commands:.0f} commands, {cpu_ms:.2f} ms ({jobs} jobs)"


def _figures(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in values.items()) or "none"


if __name__ == "__main__":
    # So that the workers are stopped as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
