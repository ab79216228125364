"""What people choose from stays within Discord's limits, and comes in time or not at all."""

import asyncio
from unittest.mock import AsyncMock

import pytest
from discord import app_commands
from redis.exceptions import ConnectionError as AwayError
from structlog.testing import capture_logs

from bot.options import autocomplete as module
from bot.options.autocomplete import choices, in_time
from bot.words import MOST
from tests.bot.channels import Away
from tests.bot.ids import ADA, LAB
from tests.bot.live import Live

LONG = "x" * 100


def test_choices_are_those_that_discord_takes() -> None:
    known = ["", LONG, f"{LONG}x", (f"#{LONG}", "7"), ("no value", ""), *(f"x{number}" for number in range(40))]
    offered = choices(known, " X ")
    assert len(offered) == MOST
    assert [(len(choice.name), choice.value) for choice in offered[:2]] == [(100, LONG), (100, "7")]
    assert all(1 <= len(choice.name) <= 100 and 1 <= len(choice.value) <= 100 for choice in offered)


async def offer(*names: str) -> list[app_commands.Choice[str]]:
    return choices(names, "")


async def silent() -> list[app_commands.Choice[str]]:
    await asyncio.sleep(3_600)
    return []


async def test_an_outage_offers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_OFFERED_S", 0.05)
    for found in (AsyncMock(side_effect=AwayError), silent):
        with capture_logs() as logs:
            assert await in_time(found)() == []
        assert [entry["event"] for entry in logs] == ["no_choices_offered"]
    assert [choice.value for choice in await in_time(offer)("a")] == ["a"]


async def offered(live: Live, command: str, option: str, typed: str = "") -> list[str]:
    found = await live.acts.autocomplete(ADA, LAB, command, option, typed, {})
    return [choice["value"] for choice in found]


@pytest.mark.parametrize(
    ("command", "option"), [("generate", "model"), ("train", "from"), ("model share", "name"), ("cancel", "job")]
)
async def test_every_offer_that_asks_redis_survives_its_outage(
    live: Live, command: str, option: str, caplog: pytest.LogCaptureFixture
) -> None:
    Away(live).gone = True
    assert set(await offered(live, command, option)) <= {"starter", "none"}  # which are no models of Redis'
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_the_sources_of_train_are_offered(live: Live) -> None:
    assert "frankenstein" in await offered(live, "train", "source", "frank")
