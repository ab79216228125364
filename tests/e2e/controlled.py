"""The real launcher, with a hand on its parts. It ends with the tests, however they end.

While a file `run/NAME.hold` is there, the part is stopped and not started again; `run/NAME.held` tells of its end.
"""

import os
import signal
import sys
from pathlib import Path

from launcher import run
from launcher.__main__ import main
from launcher.run import Run
from launcher.service import ChildProcess

_TESTS = os.getppid()


class Controlled(Run):
    def _watch(self, service: ChildProcess) -> None:
        if os.getppid() != _TESTS:
            signal.raise_signal(signal.SIGTERM)
        hold, held = (Path(self._folders.run / f"{service.part.name}.{word}") for word in ("hold", "held"))
        if not hold.exists():
            super()._watch(service)
            return
        if not service.runs or service.ended() is not None:
            held.touch()
        else:
            service.terminate()


if __name__ == "__main__":
    run.Run = Controlled  # type: ignore[misc]
    sys.exit(main())
