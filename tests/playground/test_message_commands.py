"""Commands that a message's menu offers."""

from __future__ import annotations

import pytest

from galvanic.errors import UserError
from tests.driver.client import PlaygroundClient

COMMAND = "Count letters"


def test_what_is_not_offered(bot: PlaygroundClient) -> None:
    said = bot.send("galvanism", person="ben")
    with pytest.raises(UserError, match="not offered 'Count words'"):
        bot.on_message(said["id"], "Count words")
    with pytest.raises(UserError, match="not offered"):
        bot.on_message(said["id"], COMMAND, person="cleo")  # may use no commands in this channel
    bot.delete(said["id"])
    with pytest.raises(UserError, match="no such message"):
        bot.on_message(said["id"], COMMAND)
