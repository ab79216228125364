"""Run the command `galvanic` as `python -m galvanic`."""

import sys
from pathlib import Path

from galvanic.cli import main

if __name__ == "__main__":
    # Python looks for modules in the working folder first. A person's own `worker.py` there must not be our plugin.
    if not sys.flags.safe_path and sys.path and Path(sys.path[0]).resolve() == Path.cwd():
        del sys.path[0]
    sys.exit(main())
