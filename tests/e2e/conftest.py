"""One running system for most files; others start their own."""

from collections.abc import Iterator

import pytest

from tests.e2e.acts import end_trainings, forget_models
from tests.e2e.system import System, started
from tests.playground.conftest import server  # noqa: F401  # a fixture


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The system that most files share."""
    yield from started(tmp_path_factory.mktemp("system"))


@pytest.fixture(scope="module")
def system(running: System) -> Iterator[System]:
    """A system without trainings, models and choices of channels; a file must leave servers' settings as it found them.

    The bot reads those settings only once.
    """
    yield running
    end_trainings(running)
    forget_models(running)


@pytest.fixture
def without_models(system: System) -> Iterator[None]:
    """A test begins with servers that have no model, and leaves them so: names are free again."""
    forget_models(system)
    yield
    forget_models(system)


@pytest.fixture(autouse=True)
def _show_logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """A failed test shows what the parts logged."""
    yield
    report = getattr(request.node, "rep_call", None)
    if report is None or not report.failed:
        return
    for system in request.node.funcargs.values():
        if isinstance(system, System):
            print(system.logs())


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.when == "call":
        item.rep_call = report  # type: ignore[attr-defined]
