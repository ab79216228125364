"""Redis takes connections and says nothing: whoever asks the bot something is answered in Discord's 3 seconds."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import discord
import pytest
import redis

from bot import responder
from bot.components import view
from bot.servers import settings
from playground import interactions
from tests.bot.declared import call_each, custom_ids
from tests.bot.ids import ADA, BEN, LAB
from tests.bot.live import Live


class Hanging:
    """A Redis that hangs, and how Discord saw the interactions."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.outcomes: dict[int, str] = {}
        live.acts.outcome_listeners.append(self._note)

    def _note(self, _person: int, frame: dict[str, Any]) -> None:
        self.outcomes[int(frame["interaction_id"])] = frame["status"]

    async def outcome(self, interaction: Any) -> str:
        """How an interaction went: `failed` if nobody answered in 3 s."""
        ended = ("done", "modal", "failed")
        return await self.live.until(
            lambda: next((status for status in [self.outcomes.get(interaction.id)] if status in ended), None), "an end"
        )


@pytest.fixture
def hanging(live: Live, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    # Not a race against the clock of a slow machine: that the product's times fit into each other is seen below.
    monkeypatch.setattr(responder, "_UNANSWERED_S", 20.0)
    monkeypatch.setattr(interactions, "ANSWER_S", 30.0)
    process = redis.Redis.from_url(redis_url).info("server")["process_id"]
    os.kill(process, signal.SIGSTOP)
    live.core.servers._known.clear()  # what a look at members read
    yield Hanging(live)
    os.kill(process, signal.SIGCONT)


async def test_every_slash_command_is_answered(hanging: Hanging) -> None:
    outcomes = {command: await hanging.outcome(asked) for command, asked in call_each(hanging.live).items()}
    assert [command for command, outcome in outcomes.items() if outcome == "failed"] == []


async def test_every_control_is_answered(hanging: Hanging) -> None:
    live, pressed = hanging.live, dict[str, Any]()
    for name, custom_id in custom_ids(live.bot).items():
        controls = view(discord.ui.Button(custom_id=custom_id, label="x"))
        message = await live.bot.get_partial_messageable(LAB).send("controls", view=controls)
        who = ADA if name.startswith("settings") else BEN
        pressed[name] = live.acts.click(who, LAB, message.id, custom_id)
    outcomes = {name: await hanging.outcome(asked) for name, asked in pressed.items()}
    assert [name for name, outcome in outcomes.items() if outcome == "failed"] == []


def test_who_asks_redis_has_an_answer_for_discord_in_time() -> None:
    assert settings._READ_S < responder._UNANSWERED_S < interactions.ANSWER_S == 3
