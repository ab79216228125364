"""`doctor`: whether this installation can work."""

from __future__ import annotations

import argparse
import platform
from typing import Any

import redis

from shared.connect import connect
from shared.settings import Settings, get_settings
from worker.cli.texts import report
from worker.store import ModelStore


def doctor(options: argparse.Namespace) -> int:
    """Check the libraries, the GPU, Redis and the model store; 1 when something needed is broken."""
    settings = get_settings()
    values: dict[str, Any] = {"python": platform.python_version()}
    lines = [f"ok       Python {values['python']} on {platform.machine()}"]
    broken = _check_tensorflow(values, lines)
    _check_redis(settings, values, lines)
    broken |= _check_store(settings, values, lines)
    values["ok"] = not broken
    report(options.json, values, lines)
    return int(broken)


def _check_tensorflow(values: dict[str, Any], lines: list[str]) -> bool:
    from worker.model.folder import library_versions
    from worker.model.quiet import import_tensorflow

    values["versions"] = library_versions()
    try:
        import_tensorflow()
        import tensorflow as tf

        gpus = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in _gpus(tf)]
        product = float(tf.reduce_sum(tf.ones((8, 8)) @ tf.ones((8, 8))))
    except Exception as error:  # whatever keeps TensorFlow from working is the finding itself
        values["tensorflow_error"] = str(error)
        lines.append(f"BROKEN   TensorFlow does not work: {error}")
        return True
    values["gpus"] = gpus
    lines.append("ok       " + ", ".join(f"{name} {number}" for name, number in values["versions"].items()))
    lines.append(f"ok       GPU: {', '.join(gpus) if gpus else 'none, training runs on the CPU'}")
    if product != 512:
        lines.append(f"BROKEN   TensorFlow computes {product:g} where 512 is right")
        return True
    return False


def _gpus(tf: Any) -> list[Any]:
    return list(tf.config.list_physical_devices("GPU"))


def _check_redis(settings: Settings, values: dict[str, Any], lines: list[str]) -> None:
    try:
        client = connect(settings)
        client.ping()
        client.close()
    except (redis.RedisError, OSError, ValueError) as error:
        values["redis"] = False
        # The type only: the message may hold the address, and that a password.
        lines.append(f"warning  Redis cannot be reached ({type(error).__name__}): fine here, needed by the bot")
    else:
        values["redis"] = True
        lines.append("ok       Redis answers")


def _check_store(settings: Settings, values: dict[str, Any], lines: list[str]) -> bool:
    try:
        ModelStore(settings).check_writable()
    except Exception as error:  # each kind of store has errors of its own
        values["model_store"] = False
        lines.append(f"BROKEN   the model store cannot be written to ({type(error).__name__}: {error})")
        return True
    values["model_store"] = True
    lines.append("ok       the model store can be written to")
    return False
