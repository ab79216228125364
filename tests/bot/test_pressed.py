"""What a press of a button is told when it cannot even begin."""

from __future__ import annotations

import logging

import discord
import pytest
from simcord.backend.models import Overwrite
from simcord.enums import OverwriteType

from bot.views.models import info_buttons
from playground.places import BOT_ID, CHANNEL_IDS, USER_IDS
from tests.bot.live import Live


async def test_where_the_bot_may_not_write_a_press_is_told_so_and_nothing_breaks(
    live: Live, caplog: pytest.LogCaptureFixture
) -> None:
    lab = CHANNEL_IDS["lab"]
    message = await live.bot.get_partial_messageable(lab).send("a model", view=info_buttons("m1"))
    denied = discord.Permissions(embed_links=True).value
    live.world.get_channel(lab).overwrites.append(Overwrite(BOT_ID, OverwriteType.MEMBER, allow=0, deny=denied))
    live.world.announce_channel_update(lab)
    with caplog.at_level(logging.ERROR):
        live.acts.click(USER_IDS["ada"], lab, message.id, "galvanic:use:m1")
        await live.until(lambda: live.whispered("ada", "I'm missing permissions"), "a refusal")
        await live.handled()
    assert not caplog.records
