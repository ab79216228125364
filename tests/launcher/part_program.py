"""A stand-in for a part: writes what happens to it into a common journal.

`python part_program.py JOURNAL NAME BEHAVIOUR`, where BEHAVIOUR is one of
`steady`, `slow` (takes a second to stop), `stubborn` (ignores SIGTERM), `parent` (has a child that ignores SIGTERM),
`exit=CODE` (ends at once).
"""

import os
import signal
import subprocess
import sys
import threading
import time

journal, name, behaviour = sys.argv[1:]
asked = threading.Event()


def note(what: str) -> None:
    with open(journal, "a", encoding="utf-8") as file:  # noqa: PTH123 - starts quickly without pathlib
        file.write(f"{what} {name} {os.getpid()}\n")


if behaviour == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
if behaviour == "parent":
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
note("start")
how, _, code = behaviour.partition("=")
if how == "exit":
    print(f"these are the last words of {name}", flush=True)
    sys.exit(int(code))
asked.wait(600)
note("asked")
if behaviour == "slow":
    time.sleep(1)
note("end")
