"""A run of the launcher for each test that wants one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.launcher.running import Run


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """No process of it is left after the test, even when it failed."""
    run = Run(tmp_path)
    yield run
    run.close()
