"""Two servers, private channels, threads, roles and direct messages: the channel decides what is what."""

import pytest

from galvanic.errors import UserError
from tests.driver.client import PlaygroundClient, text_of

pytestmark = pytest.mark.process


def ask(client: PlaygroundClient, text: str, **options: str) -> str:
    said = client.send(text, **options)  # type: ignore[arg-type]
    return str(client.wait_for_message(after=said["id"], **options)["content"])  # type: ignore[arg-type]


def test_channel_decides_the_server(bot: PlaygroundClient) -> None:
    assert ask(bot, "!where") == ("Galvanic playground: ['cellar', 'lab', 'library', 'tavern'] [] True 10")
    assert ask(bot, "!where", channel="atrium") == "The Annex: ['atrium'] ['Guests'] False 10"
    assert ask(bot, "!where", channel="atrium", person="ben") == "The Annex: ['atrium'] [] True 10"


def test_slash_command_is_called_where_it_is(bot: PlaygroundClient) -> None:
    for person, channel, told in [
        ("ada", "lab", "Galvanic playground True"),
        ("ada", "atrium", "The Annex False"),
        ("ben", "atrium", "The Annex True"),
        ("cleo", "atrium", "The Annex True"),
        ("dora", "dm", "in private False"),
    ]:
        interaction = bot.slash("here", person=person, channel=channel)
        answer = bot.wait_for_message(after=interaction, person=person, channel=channel)
        assert answer["content"] == told


@pytest.mark.parametrize("person", ["cleo", "dora"])
def test_who_does_not_see_a_channel_does_nothing_there(bot: PlaygroundClient, person: str) -> None:
    channel = "cellar" if person == "cleo" else "atrium"
    said = bot.send("between us", person="ben", channel=channel)
    assert bot.messages(person=person, channel=channel) == []
    with pytest.raises(UserError, match="permission"):
        bot.send("hello?", person=person, channel=channel)
    with pytest.raises(UserError, match=r"do not see this channel|no command /here"):
        bot.slash("here", person=person, channel=channel)
    with pytest.raises(UserError, match="no such message"):
        bot.click(said["id"], "press", person=person, channel=channel)


def test_threads_of_people(bot: PlaygroundClient) -> None:
    said = bot.send("about tides")
    thread = bot.create_thread("tides", message_id=said["id"])
    assert thread == said["id"], "a thread has the id of the message that it starts from"
    assert ask(bot, "!ping", person="ben", channel="tides") == "pong"
    assert bot.world().guilds["playground"].threads["tides"] == thread
    loose = bot.create_thread("loose ends", person="ben")
    assert ask(bot, "!ping", channel=loose) == "pong"
    with pytest.raises(UserError, match="has a thread already"):
        bot.create_thread("again", message_id=said["id"])
    with pytest.raises(UserError, match="permission to start threads"):
        bot.create_thread("x", person="cleo", channel="cellar")
    with pytest.raises(UserError, match="starts in a channel"):
        bot.create_thread("x", channel="dm")
    for made in (thread, loose):
        bot.delete_channel(made)


def test_direct_messages(bot: PlaygroundClient) -> None:
    assert ask(bot, "!where", channel="dm", person="ben") == "in private with ben"
    assert ask(bot, "!tell the tide turns", person="dora") == "told"
    bot.wait_for_message(lambda m: text_of(m) == "the tide turns", channel="dm", person="dora")
    mine = bot.world().dms["dora"]
    assert bot.messages(channel=mine, person="ben") == []
    with pytest.raises(UserError, match="permission"):
        bot.send("x", channel=mine, person="ben")
