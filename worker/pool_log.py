"""Gives the lines of Celery's process pool our form, and drops those about each child that comes and goes.

The pool has a logger beside all others, and gives each child a handler of its own before anything of ours runs there.
Both are details of billiard 4.2 and Celery 5.7; `tests/e2e/test_seeing.py` reads every line of a real worker.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from billiard import util

_CHILD_LEVEL = "_MP_FORK_LOGLEVEL_"


def join_our_log(**_: Any) -> None:
    """Let the pool's warnings into our log; call it in the parent once Celery is set up, and in each child."""
    os.environ.pop(_CHILD_LEVEL, None)
    logger = util.get_logger()
    logger.handlers.clear()
    logger.propagate = True
    logger.setLevel(max(logging.WARNING, logging.getLogger().level))
