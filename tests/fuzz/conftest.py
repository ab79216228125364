"""The bot, its local Discord and a worker that says what it is told to; and the report at the end of a long run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.settings import Settings
from tests.bot.conftest import driver, lacks, live  # noqa: F401
from tests.bot.live import Live
from tests.fuzz import budget
from tests.fuzz.author import Author
from tests.fuzz.hand import Hand


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    """As everywhere, with a folder of texts that needs no network, and nobody has to wait."""
    corpora = tmp_path / "corpora"
    corpora.mkdir()
    (corpora / "tides.txt").write_text("The tide came in, and the tide went out again. " * 40, "utf-8")
    cooldowns: dict[str, Any] = {f"{what}_cooldown_s": 0.0 for what in ("train", "generate", "chat")}
    return Settings(corpora_dir=corpora, **cooldowns)


@pytest.fixture
async def hand(live: Live, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Hand]:  # noqa: F811
    """A bot in a server that has a model called `a`, and a worker that answers at once."""
    author = Author(live.bot.settings)
    working = asyncio.create_task(author.work())
    with capture_logs() as logged:
        yield Hand(live, author, logged, caplog)  # type: ignore[arg-type]
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working


@pytest.fixture
def cost(request: pytest.FixtureRequest) -> Iterator[budget.Cost]:
    """What the cases of a test cost; in a long run, held to the limits. The test's marker names the kind."""
    (kind,) = request.node.get_closest_marker("fuzz").args
    spent = budget.Cost(kind)
    yield spent
    told = spent.told()
    request.node.user_properties.append(("fuzz", told))
    if budget.FULL:
        assert told["slowest_s"] <= budget.SLOWEST_S, told
        assert told["grown_mb"] <= budget.MOST_GROWTH_MB, told


def pytest_report_header() -> str:
    return f"fuzz: {budget.EXAMPLES} cases, FUZZ_SEED={budget.SEED}"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    found: dict[str, Any] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, told in getattr(report, "user_properties", ()):
                if name == "fuzz":
                    found[report.nodeid] = told
    if not found:
        return
    total = sum(told["cases"] for told in found.values())
    slowest = max(found.values(), key=lambda told: told["slowest_s"])
    kinds = ", ".join(f"{told['kind']} {told['cases']} (+{told['grown_mb']:.0f} MB)" for told in found.values())
    terminalreporter.write_line(
        f"fuzz: {total} cases from seed {budget.SEED}: {kinds}; slowest {slowest['slowest_s']:.2f} s "
        f"({slowest['kind']})"
    )
