"""An unmodified discord.py bot in its own process, over real sockets."""

import pytest

from galvanic.errors import UserError
from tests.driver.client import Message, PlaygroundClient, text_of


def ask(client: PlaygroundClient, text: str, **where: str) -> Message:
    """Say something and return the bot's first answer."""
    said = client.send(text, **where)  # type: ignore[arg-type]
    return client.wait_for_message(after=said["id"], **where)  # type: ignore[arg-type]


def say(client: PlaygroundClient, text: str, **where: str) -> str:
    """Say something and return the words of the bot's first answer."""
    return str(ask(client, text, **where)["content"])


@pytest.mark.parametrize("permission", ["embed_links", "attach_files"])
def test_bot_lacks_a_permission(bot: PlaygroundClient, permission: str) -> None:
    bot.deny_bot(permission)
    try:
        assert ask(bot, "!card")["content"] == "error 50013"
    finally:
        bot.deny_bot()
    assert ask(bot, "!card")["embeds"]


def test_bot_hears_nothing_from_a_channel_it_may_not_see(bot: PlaygroundClient) -> None:
    bot.deny_bot("view_channel", channel="library")
    said = bot.send("!ping", channel="library")
    bot.deny_bot(channel="library")
    seen = bot.send("!ping", channel="library")
    answer = bot.wait_for_message(after=said["id"], channel="library")
    assert answer["message_reference"]["message_id"] == seen["id"]


@pytest.mark.parametrize(
    ("command", "options", "problem"),
    [
        ("nothing", {}, "no command /nothing"),
        ("learn", {"name": "x"}, "needs the option file"),
        ("pick", {"book": "x", "page": 1}, "has no the option page"),
        ("learn", {"name": "x", "length": "many", "file": "x"}, "length can't be that"),
    ],
)
def test_slash_command_wrongly_called(
    bot: PlaygroundClient, command: str, options: dict[str, object], problem: str
) -> None:
    with pytest.raises(UserError, match=problem):
        bot.slash(command, options)


def test_form_is_filled_in(bot: PlaygroundClient) -> None:
    opened = bot.click(ask(bot, "!card")["id"], "form")

    def is_open() -> bool:
        with pytest.raises(UserError) as refused:
            bot.submit_modal(opened, {"word": ""})
        return "empty" in refused.value.problem

    bot.wait_for(is_open)
    submitted = bot.submit_modal(opened, {"word": "galvanism"})
    assert bot.wait_for_message(after=submitted)["content"] == "wrote galvanism"
    with pytest.raises(UserError, match="no longer open"):
        bot.submit_modal(opened, {"word": "twice"})


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


# ---------------------------------------------------------------------- servers: the channel decides what is what


def test_channel_decides_the_server(bot: PlaygroundClient) -> None:
    assert say(bot, "!where") == ("Galvanic playground: ['cellar', 'lab', 'library', 'tavern'] [] True 10")
    assert say(bot, "!where", channel="atrium") == "The Annex: ['atrium'] ['Guests'] False 10"
    assert say(bot, "!where", channel="atrium", person="ben") == "The Annex: ['atrium'] [] True 10"


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
    assert say(bot, "!ping", person="ben", channel="tides") == "pong"
    loose = bot.create_thread("loose ends", person="ben")
    assert say(bot, "!ping", channel=loose) == "pong"
    with pytest.raises(UserError, match="has a thread already"):
        bot.create_thread("again", message_id=said["id"])
    with pytest.raises(UserError, match="permission to start threads"):
        bot.create_thread("x", person="cleo", channel="cellar")
    with pytest.raises(UserError, match="starts in a channel"):
        bot.create_thread("x", channel="dm")
    for made in (thread, loose):
        bot.delete_channel(made)


def test_direct_messages(bot: PlaygroundClient) -> None:
    assert say(bot, "!where", channel="dm", person="ben") == "in private with ben"
    assert say(bot, "!tell the tide turns", person="dora") == "told"
    bot.wait_for_message(lambda m: text_of(m) == "the tide turns", channel="dm", person="dora")
    mine = bot.world().dms["dora"]
    assert bot.messages(channel=mine, person="ben") == []
    with pytest.raises(UserError, match="permission"):
        bot.send("x", channel=mine, person="ben")
