"""Whether TensorFlow works on this machine, and what it finds there."""

from __future__ import annotations

from dataclasses import dataclass

from galvanic.quiet import import_tensorflow

_SIDE = 8


@dataclass(frozen=True)
class SelfCheck:
    """What TensorFlow did here.

    Attributes:
        gpus: names of those that it finds.
        right: whether a product of matrices came out right.
        flops: additions and multiplications a second in the products of a training.
        bfloat16: whether they are made in that, because it is faster here.
    """

    gpus: tuple[str, ...]
    right: bool
    flops: float
    bfloat16: bool


def self_check() -> SelfCheck:
    """Import TensorFlow and let it compute, about a second; raises whatever keeps it from that."""
    import_tensorflow()
    import tensorflow as tf

    from galvanic.machine import measure_machine

    found = tf.config.list_physical_devices("GPU")
    gpus = tuple(str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)) for gpu in found)
    total = float(tf.reduce_sum(tf.ones((_SIDE, _SIDE)) @ tf.ones((_SIDE, _SIDE))))
    measured = measure_machine()
    return SelfCheck(gpus, total == _SIDE**3, measured.flops, measured.precision == "bfloat16")
