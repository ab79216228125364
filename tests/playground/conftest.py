"""A playground for all of the session, and a tiny bot for those files that need one."""

from collections.abc import Iterator

import pytest

from tests.driver.client import PlaygroundClient
from tests.playground.processes import Server, online, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A playground that every test of the session may use; it has no bot of its own."""
    with serving(tmp_path_factory.mktemp("playground")) as server:
        yield server


@pytest.fixture(scope="module")
def bot(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlaygroundClient]:
    """The playground with the tiny bot online."""
    with online(server, tmp_path_factory.mktemp("bot")) as client:
        yield client
