"""How TensorFlow is set up, and what is measured of the machine."""

import os
import platform
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.process]

X86 = platform.machine() in ("x86_64", "AMD64")
WANTED = """
import os
from galvanic.machine import measure_machine
machine = measure_machine()
assert machine.flops > 1e9, machine
print(os.environ.get("TF_ENABLE_ONEDNN_OPTS"))
"""


@pytest.mark.parametrize(("asked", "wanted"), [(None, "1" if X86 else "None"), ("0", "0")])
def test_tensorflow_is_asked_for_onednn_unless_somebody_forbids_it(asked: str | None, wanted: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    environment |= {"TF_CPP_MIN_LOG_LEVEL": "3"} | ({} if asked is None else {"TF_ENABLE_ONEDNN_OPTS": asked})
    ran = subprocess.run([sys.executable, "-c", WANTED], env=environment, capture_output=True, text=True, timeout=200)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == wanted
    assert "BFLOAT16" not in ran.stderr  # oneDNN says that it has no product in bfloat16 without AVX-512
