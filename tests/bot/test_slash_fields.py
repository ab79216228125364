"""Slash commands: options are fields with their limits."""

from typing import Any

import pytest

from bot.train.options import TrainFlags
from bot.write.cog import GenerateFlags
from galvanic.errors import UserError
from playground.places import CHANNEL_IDS, USER_IDS
from shared.jobs import GenerateJob
from tests.bot.live import Live
from tests.bot.stand_in import StandIn

ADA, LAB = USER_IDS["ada"], CHANNEL_IDS["lab"]


def offered(live: Live, command: str) -> dict[str, dict[str, Any]]:
    entry = next(one for one in live.acts.commands(ADA, LAB) if one["name"] == command)
    return {option["name"]: option for option in entry["options"]}


async def test_every_option_is_a_field_with_its_limits(live: Live) -> None:
    train, generate = offered(live, "train"), offered(live, "generate")
    assert set(train) == {"file", *TrainFlags.get_flags()}
    assert set(generate) == set(GenerateFlags.get_flags())
    assert train["minutes"]["min_value"] == 0.1
    assert train["epochs"]["min_value"] == 1
    assert (generate["temperature"]["min_value"], generate["temperature"]["max_value"]) == (0.0, 2.0)
    length = offered(live, "compare")["length"]
    assert (length["min_value"], length["max_value"]) == (1, 800)


@pytest.mark.parametrize(("option", "value"), [("epochs", "many"), ("minutes", "x"), ("recipe", "soup")])
async def test_what_a_field_does_not_take_is_said_plainly(live: Live, option: str, value: str) -> None:
    with pytest.raises(UserError, match=f"{option} can't be that") as caught:
        live.slash("ada", "train", **{option: value})
    assert caught.value.remedy
    assert "canonical" not in str(caught.value)


async def test_what_fields_have_is_what_is_asked_for(live: Live, worker: StandIn) -> None:
    live.slash("ada", "generate", seed="the sea", length="40", top_k="5", guard=False)
    job = await live.job(await worker.asked(live), GenerateJob)
    assert (job.seed, job.length, job.top_k, job.guard) == ("the sea", 40, 5, False)
