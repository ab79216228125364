"""Put a load on the product: `python -m benchmarks.load [--minutes 5] [--trainings 50] [--generates 2000] [--seed 1]`.

It starts the whole product as `make run` does, with ten servers in the playground, and reports every request's end.
"""

import argparse
import json
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks import report
from benchmarks.load.ledger import ledger, line
from benchmarks.load.run import Load, Outcome, run


def main(arguments: list[str] | None = None) -> int:
    """Put a load on the product; return 1 if there is a problem."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="in which all requests come")
    parser.add_argument("--servers", type=int, default=10)
    parser.add_argument("--trainings", type=int, default=50)
    parser.add_argument("--generates", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1, help="random seed of the requests")
    parser.add_argument(
        "--quiet", type=float, default=60.0, metavar="SECONDS", help="of quiet before Redis is searched for leftovers"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the figures go, as JSON")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="is made, and kept with data and logs")
    options = parser.parse_args(arguments)
    load = Load(
        options.seed,
        options.minutes,
        options.servers,
        options.trainings,
        options.generates,
        quiet_s=options.quiet,
    )
    if options.work is not None:
        outcome = run(load, options.work)
    else:
        with tempfile.TemporaryDirectory(prefix="galvanic-load-") as work:
            outcome = run(load, Path(work))
    results = {"machine": report.machine(Path(sys.executable)), **outcome.to_json()}
    if options.out is not None:
        options.out.write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    print(table(outcome))
    return int(bool(outcome.problems()))


def table(outcome: Outcome) -> str:
    """Return the results as lines for people."""
    load, results = outcome.load, outcome.to_json()
    lines = [
        f"seed {load.seed}: {load.trainings} trainings and {load.generates} texts in {load.servers} servers, "
        f"asked for within {load.minutes:g} minutes",
        f"trainings: {line(ledger(outcome.trainings))}",
        f"texts:     {line(ledger(outcome.generates))}",
        f"all over after {outcome.minutes:.1f} minutes",
        f"seconds until a text:    {_figures(results['generate_seconds'])}",
        f"seconds until a refusal: {_figures(results['refusal_seconds'])}",
        *(f"  {number} x {words}" for words, number in results["refusals"].items()),
        f"largest lead of a server over another while both waited: {outcome.lead}",
        "megabytes (resident / its own)",
        *_memory(outcome),
        "Redis: "
        + ", ".join(f"{when} {it['used_mb']:.1f} MB, {it['keys']:,.0f} keys" for when, it in outcome.store.items()),
        f"left in Redis: {line(outcome.left)}",
        *(f"  logged {number} x {what}" for what, number in outcome.logged.items()),
        *(f"PROBLEM: {problem}" for problem in outcome.problems()),
    ]
    return "\n".join(lines)


def _memory(outcome: Outcome) -> list[str]:
    lines = [f"  {'':14}" + "".join(f"{when:>16}" for when in outcome.memory)]
    for part in outcome.memory["after"]:
        figures = [
            f"{sizes[part]['rss']:7.0f} / {sizes[part]['uss']:5.0f}" if part in sizes else "-"
            for sizes in outcome.memory.values()
        ]
        lines.append(f"  {part:14}" + "".join(f"{figure:>16}" for figure in figures))
    return lines


def _figures(seconds: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in seconds.items()) or "none"


if __name__ == "__main__":
    # So that the product is stopped as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
