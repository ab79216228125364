"""`python -m worker`: the engine without Discord, and the worker services."""

import sys

from worker.cli import main

if __name__ == "__main__":
    sys.exit(main())
