"""Measure how fast this machine multiplies matrices: `python -m benchmarks.products` prints it as JSON."""

import json
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from benchmarks.measure import alternate, product_flops, repeated
from galvanic.machine import measure_machine
from galvanic.plan import Precision

SIZE = 2048
"""Rows and columns of the matrices whose product measures the machine's best speed."""
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")


def product(precision: Precision) -> Callable[[], None]:
    """Return a function that makes one product, and waits for it."""
    first, second = (tf.cast(tf.random.normal((SIZE, SIZE)), precision) for _ in range(2))
    multiply = tf.function(tf.matmul)
    return lambda: multiply(first, second).numpy()


def main() -> None:
    """Print the best speed in each precision, and whether the engine takes bfloat16 here."""
    times = alternate({precision: repeated(product(precision), 4) for precision in PRECISIONS}, 3, pause_s=0)
    speeds: dict[str, Any] = {
        f"{precision}_gflops": round(product_flops(SIZE) / min(seconds) / 1e9) for precision, seconds in times.items()
    }
    print(json.dumps({**speeds, "fast_bfloat16": measure_machine().precision == "bfloat16"}))


if __name__ == "__main__":
    main()
