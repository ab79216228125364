"""Slash commands: the usual options as fields with their limits, the rest in a form that keeps what was typed."""

from __future__ import annotations

from typing import Any

import pytest
from simcord.backend.models import Interaction

from galvanic.errors import UserError
from playground.places import CHANNEL_IDS, USER_IDS
from shared.jobs import GenerateJob, TrainJob
from tests.bot.live import Live
from tests.bot.stand_in import StandIn

ADA, LAB = USER_IDS["ada"], CHANNEL_IDS["lab"]


def offered(live: Live, command: str) -> dict[str, dict[str, Any]]:
    entry = next(one for one in live.acts.commands(ADA, LAB) if one["name"] == command)
    return {option["name"]: option for option in entry["options"]}


async def form_of(live: Live, command: str, **options: Any) -> Interaction:
    return await live.form(live.slash("ada", command, advanced=True, **options))


def sent_off(live: Live, opened: Interaction, values: dict[str, str]) -> bool:
    try:
        live.acts.submit_modal(ADA, opened.id, values)
    except UserError:  # the bot's library knows a form only once Discord has it
        return False
    return True


async def submitted(live: Live, opened: Interaction, **values: str) -> None:
    typed = {name.replace("_", "-"): value for name, value in values.items()}
    await live.until(lambda: sent_off(live, opened, typed), "the form to be sent")


async def test_the_usual_options_are_fields_with_their_limits(live: Live) -> None:
    train, generate = offered(live, "train"), offered(live, "generate")
    assert list(train) == ["file", "source", "recipe", "minutes", "epochs", "name", "from", "speakers", "advanced"]
    assert list(generate) == ["seed", "model", "mix", "length", "temperature", "stop", "from_corpus", "advanced"]
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


async def test_a_form_keeps_what_was_typed_when_one_field_is_wrong(live: Live) -> None:
    StandIn(live.bot.settings)
    opened = await form_of(live, "train", source="python-docs", epochs="2")
    await submitted(live, opened, layers="9", units="64", rest="--batch 16 --length 64")
    refusal = await live.until(lambda: live.whispered("ada", "`--layers` is 9"), "the refusal")
    (button,) = refusal.components[0]["components"]
    again = await live.form(live.acts.click(ADA, LAB, refusal.id, button["custom_id"]))
    fields = [label["component"] for label in again.modal["components"]]  # type: ignore[index]
    typed = {field["custom_id"]: field.get("value") for field in fields if field.get("value")}
    assert typed == {"layers": "9", "units": "64", "rest": "--batch 16 --length 64"}
    await submitted(live, again, **{**typed, "layers": "2"})
    card = await live.until(lambda: live.showing("Learning"), "the card")
    options = (await live.job(str(card.embeds[0]["footer"]["text"]).rpartition("job ")[2], TrainJob)).options
    assert (options.layers, options.units, options.batch, options.epochs, options.length) == (2, 64, 16, 2, 64)


@pytest.mark.parametrize(
    ("option", "value"), [("top_k", "many"), ("top_k", "5 6"), ("top_p", "7"), ("guard", "perhaps")]
)
async def test_every_wrong_value_leads_back_to_the_form(live: Live, option: str, value: str) -> None:
    opened = await form_of(live, "generate", seed="the sea")
    await submitted(live, opened, **{option: value})
    named = f"**`--{option.replace('_', '-')}` "
    refusal = await live.until(lambda: live.whispered("ada", named), "the refusal")
    (button,) = refusal.components[0]["components"]
    assert button["label"] == "Back to the form"


async def test_a_text_is_asked_for_by_form(live: Live, worker: StandIn) -> None:
    opened = await form_of(live, "generate", seed="the sea", length="40")
    await submitted(live, opened, top_k="5", guard="no")
    job_id = await worker.asked(live)
    job = await live.job(job_id, GenerateJob)
    assert (job.seed, job.length, job.top_k, job.guard) == ("the sea", 40, 5, False)
    worker.write(job_id)
    await live.until(lambda: live.showing("the gulls went home"), "the text")
