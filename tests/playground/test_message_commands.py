"""Commands that a message's menu offers."""

from __future__ import annotations

import pytest

from galvanic.errors import UserError
from tests.driver.client import PlaygroundClient

COMMAND = "Count letters"


def test_a_command_has_the_message(bot: PlaygroundClient) -> None:
    said = bot.send("galvanism", person="ben")
    interaction = bot.on_message(said["id"], COMMAND)
    answer = bot.wait_for_message(after=interaction)
    assert answer["content"] == "9 letters by ben"
    assert answer["interaction_metadata"]["name"] == COMMAND
    assert answer["interaction_metadata"]["target_id"] == int(said["id"])
    with pytest.raises(UserError, match="There is no command"):
        bot.slash(COMMAND)


def test_what_is_not_offered(bot: PlaygroundClient) -> None:
    said = bot.send("galvanism", person="ben")
    with pytest.raises(UserError, match="not offered 'Count words'"):
        bot.on_message(said["id"], "Count words")
    with pytest.raises(UserError, match="not offered"):
        bot.on_message(said["id"], COMMAND, person="cleo")  # may use no commands in this channel
    bot.delete(said["id"])
    with pytest.raises(UserError, match="no such message"):
        bot.on_message(said["id"], COMMAND)
