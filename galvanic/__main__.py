"""`python -m galvanic`: the same as the command `galvanic`, wherever it is called."""

from __future__ import annotations

import sys
from pathlib import Path

from galvanic.cli import main

if __name__ == "__main__":
    # Python puts the working folder first: somebody's own `worker.py` there is no plugin of ours.
    if not sys.flags.safe_path and sys.path and Path(sys.path[0]).resolve() == Path.cwd():
        del sys.path[0]
    sys.exit(main())
