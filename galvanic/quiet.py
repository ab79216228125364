"""TensorFlow without its libraries' chatter, for a terminal."""

from __future__ import annotations

import os
import sys


def import_tensorflow() -> None:
    """Import TensorFlow without the lines that its libraries print whatever the log level.

    Its C++ parts write to the descriptor itself, so that is what is turned away; errors come as exceptions.
    """
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
