"""Measure a GPU in under ten minutes: `python -m benchmarks.gpu [--on-cpu] [--out FILE]`.

It measures how fast the default and a large network learn, as a share of cuDNN's own LSTM, in several batches, with and
without TF32 and in 16 bits; the memory that they take; and the loss after 1 and after 5 minutes.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks import report, texts
from galvanic.machine import self_check
from galvanic.read.text import slugify

ROOT = Path(__file__).resolve().parent
TINY_CHARS = 20_000


def main(arguments: list[str] | None = None) -> int:
    """Measure and write the results; return 1 if there is no GPU."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--on-cpu", action="store_true", help="tiny sizes on the CPU, to try that all of it runs")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: benchmarks/results-gpu-CARD.json")
    options = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    begun = time.monotonic()
    cards = self_check().gpus
    if not cards and not options.on_cpu:
        print("error: TensorFlow finds no GPU here; `python -m worker doctor` says why.", file=sys.stderr)
        return 1
    card = "cpu" if options.on_cpu else cards[0]
    results = {"card": card, "machine": report.machine(Path(sys.executable)), **_measured(options.on_cpu)}
    results["seconds"] = round(time.monotonic() - begun)
    out = options.out or ROOT / f"results-gpu-{slugify(card)}.json"
    out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"\n{results['seconds']} s; {out}")
    return 0


def _measured(tiny: bool) -> dict[str, object]:
    """Measure all figures, and print each at once."""
    from benchmarks.parts import gpu

    scale = gpu.TINY if tiny else gpu.WHOLE
    # Python's own documentation needs no network.
    name = "python-docs" if tiny or texts.book_lacking() else texts.BOOK
    text = texts.measure_text(name)[: TINY_CHARS if tiny else None]
    rows, nats = [], {}
    with tempfile.TemporaryDirectory(prefix="galvanic-gpu-") as folder:
        plans, prepared = gpu.plans(text, Path(folder), scale, tiny)
        shapes = {of: f"{plan.network.members} x {plan.network.units}" for of, plan in plans.items()}
        print(f"{name}; " + ", ".join(f"{of}: {shape}" for of, shape in shapes.items()))
        print("network  batch  products  characters/s  share of cuDNN  memory MB")
        for row in gpu.speeds(plans, prepared, scale):
            rows.append(asdict(row))
            memory = "" if row.memory_mb is None else f"{row.memory_mb:,.0f}"
            figures = row.failed or f"{row.chars_per_s:12,.0f}  {row.share:14.2f}  {memory:>9}"
            print(f"{row.network:7}  {row.batch:5}  {row.products:8}  {figures}", flush=True)
        for minutes in scale.minutes:
            nats[f"{minutes:g}"] = gpu.quality(text, Path(folder), minutes)
            print(f"after {minutes:g} minutes: {nats[f'{minutes:g}']:.3f} nats a character", flush=True)
    return {"text": name, "networks": shapes, "speeds": rows, "nats_after_minutes": nats}


if __name__ == "__main__":
    sys.exit(main())
