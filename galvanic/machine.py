"""The machine as TensorFlow sees it: its GPUs, the speed of its products, and the precision that is faster."""

import functools
import os
import platform
import sys
import threading
import time
from dataclasses import dataclass

from galvanic.plan import Machine, Precision

if platform.machine() in ("x86_64", "AMD64"):
    # On processors without AVX-512 TensorFlow leaves oneDNN's products off, which are faster there as well
    # (docs/engine.md).
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


_importing = threading.Lock()  # else a second thread would keep the redirected descriptor as the real one


def import_tensorflow() -> None:
    """Import TensorFlow without the lines that its libraries print at any log level.

    Its C++ parts write to the file descriptor itself, so that is redirected. Errors still come as exceptions.
    """
    with _importing:
        sys.stderr.flush()
        kept = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            import tensorflow as tf

            tf.config.list_physical_devices()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)


_SHAPE = 128, 576, 2048  # of a product in a step of an average network: streams, units and inputs, gates
_ROUNDS, _PRODUCTS = 5, 4
_LEAST_GAIN = 1.2  # bfloat16 costs some accuracy, so it must be faster by this much


@functools.cache
def measure_machine() -> Machine:
    """Time a few products in each precision, a tenth of a second in all. The result is kept for the process."""
    import tensorflow as tf

    from galvanic.lstm import multiplier

    gpu = bool(tf.config.list_logical_devices("GPU"))
    # On a GPU cuDNN makes them, and TensorFlow lets it use TF32.
    kinds: tuple[Precision, ...] = ("float32",) if gpu else ("float32", "bfloat16")
    rows, inner, columns = _SHAPE
    products = {
        kind: functools.partial(multiplier(tf.ones((inner, columns), kind)), tf.ones((rows, inner), kind))
        for kind in kinds
    }
    seconds = dict.fromkeys(kinds, float("inf"))
    # In turns, and the fastest of each, since other programs may use the machine.
    for _ in range(1 + _ROUNDS):
        for kind, multiply in products.items():
            begun = time.perf_counter()
            for _ in range(_PRODUCTS):
                product = multiply()
            float(product[0, 0])  # waits for a GPU
            seconds[kind] = min(seconds[kind], (time.perf_counter() - begun) / _PRODUCTS)
    gain = seconds["float32"] / seconds.get("bfloat16", float("inf"))
    best: Precision = "bfloat16" if gain > _LEAST_GAIN else "float32"
    return Machine(best, 2 * rows * inner * columns / seconds[best], gpu)


@dataclass(frozen=True)
class SelfCheck:
    """The result of a check whether TensorFlow works on this machine, and how fast."""

    gpus: tuple[str, ...]  # their names
    right: bool  # whether a product of matrices was right
    flops: float  # additions and multiplications a second in the products of a training


def self_check() -> SelfCheck:
    """Import TensorFlow and multiply matrices, about a second. Raises any error of TensorFlow's."""
    import_tensorflow()
    import tensorflow as tf

    side = 8
    devices = tf.config.list_physical_devices("GPU")
    gpus = tuple(str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)) for gpu in devices)
    total = float(tf.reduce_sum(tf.ones((side, side)) @ tf.ones((side, side))))
    return SelfCheck(gpus, total == side**3, measure_machine().flops)
