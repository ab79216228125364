"""Two servers, private channels, threads, roles and direct messages: the channel decides what is what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from playground.places import ANNEX_ID, GUILD_ID
from shared.errors import UserError
from tests.driver.client import PlaygroundClient, text_of
from tests.playground.processes import online, serving

pytestmark = pytest.mark.process


def ask(client: PlaygroundClient, text: str, **options: str) -> str:
    said = client.send(text, **options)  # type: ignore[arg-type]
    return str(client.wait_for_message(after=said["id"], **options)["content"])  # type: ignore[arg-type]


def test_world_tells_both_servers(bot: PlaygroundClient) -> None:
    world = bot.world()
    assert {key: guild.id for key, guild in world.guilds.items()} == {
        "playground": str(GUILD_ID),
        "annex": str(ANNEX_ID),
    }
    home, annex = world.guilds["playground"], world.guilds["annex"]
    assert list(annex.channels) == ["atrium"]
    assert home.owner_id == world.users["ada"]
    assert annex.owner_id == world.users["ben"]
    assert home.members["ben"] == ["Writers"]
    assert home.members["dora"] == ["Moderators"]
    assert annex.members["ada"] == ["Guests"]
    assert "dora" not in annex.members


def test_channel_decides_the_server(bot: PlaygroundClient) -> None:
    assert ask(bot, "!where") == ("Galvanic playground: ['cellar', 'lab', 'library', 'tavern'] [] True 10")
    assert ask(bot, "!where", channel="atrium") == "The Annex: ['atrium'] ['Guests'] False 50"
    assert ask(bot, "!where", channel="atrium", person="ben") == "The Annex: ['atrium'] [] True 50"


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
    with pytest.raises(UserError, match="permission"):
        bot.slash("here", person=person, channel=channel)
    with pytest.raises(UserError, match="no such message"):
        bot.click(said["id"], "press", person=person, channel=channel)


def test_private_channel_is_made_and_deleted(bot: PlaygroundClient) -> None:
    made = bot.create_channel("den", only=["ben"])
    assert ask(bot, "!ping", person="ben", channel="den") == "pong"
    assert len(bot.messages(person="ada", channel="den")) == 2, "the owner sees every channel"
    with pytest.raises(UserError, match="permission"):
        bot.send("x", person="dora", channel=made)
    with pytest.raises(UserError, match="cannot be called 'den'"):
        bot.create_channel("den")
    bot.rename_channel("den", "snug")
    assert "'snug'" in ask(bot, "!where")
    bot.delete_channel("snug")
    assert "'snug'" not in ask(bot, "!where")
    with pytest.raises(UserError, match="no channel 'snug'"):
        bot.send("x", channel="snug")
    with pytest.raises(UserError, match="own channels stay"):
        bot.delete_channel("lab")


def test_permissions_of_a_person_and_of_a_role(bot: PlaygroundClient) -> None:
    bot.set_permissions("ben", deny=["send_messages"], channel="library")
    with pytest.raises(UserError, match="permission"):
        bot.send("x", person="ben", channel="library")
    bot.set_permissions("ben", channel="library")
    bot.send("x", person="ben", channel="library")
    bot.set_permissions("Readers", deny=["view_channel"], channel="library")
    assert bot.messages(person="cleo", channel="library") == []
    bot.set_permissions("Readers", channel="library")
    assert bot.messages(person="cleo", channel="library")
    # Nothing more than what was so at first comes back: Cleo still may not write in #lab.
    bot.set_permissions("cleo", allow=["send_messages"])
    bot.send("x", person="cleo")
    bot.set_permissions("cleo")
    with pytest.raises(UserError, match="permission"):
        bot.send("x", person="cleo")


def test_bot_comes_back_to_a_private_channel(bot: PlaygroundClient) -> None:
    bot.deny_bot("send_messages", channel="cellar")
    bot.deny_bot(channel="cellar")
    assert ask(bot, "!ping", channel="cellar") == "pong"


def test_roles_are_given_and_taken(bot: PlaygroundClient) -> None:
    assert ask(bot, "!where", person="ben").endswith("['Writers'] False 10")
    bot.give_role("ben", "Stewards")
    assert ask(bot, "!where", person="ben").endswith("['Writers', 'Stewards'] True 10")
    bot.take_role("ben", "Stewards")
    assert ask(bot, "!where", person="ben").endswith("['Writers'] False 10")
    bot.create_role("Tuners", "manage_guild", guild="annex")
    bot.give_role("ada", "Tuners", guild="annex")
    assert ask(bot, "!where", channel="atrium").endswith("True 50")
    bot.take_role("ada", "Tuners", guild="annex")
    with pytest.raises(UserError, match="not a member of The Annex"):
        bot.give_role("dora", "Tuners", guild="annex")


def test_person_leaves_and_comes_back(bot: PlaygroundClient) -> None:
    bot.leave("cleo", guild="annex")
    assert bot.messages(person="cleo", channel="atrium") == []
    bot.join("cleo", guild="annex")
    assert ask(bot, "!where", person="cleo", channel="atrium").endswith("['Wardens'] True 50")
    with pytest.raises(UserError, match="owner"):
        bot.leave("ben", guild="annex")


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


def test_person_who_takes_no_direct_messages(bot: PlaygroundClient) -> None:
    bot.open_dms("cleo", False)
    try:
        assert ask(bot, "!tell the tide turns", person="cleo", channel="library") == "error 50007"
    finally:
        bot.open_dms("cleo")
    assert ask(bot, "!tell the tide turns", person="cleo", channel="library") == "told"


def test_own_message_is_edited(bot: PlaygroundClient) -> None:
    said = bot.send("teh tide", person="ben", channel="tavern")
    edited = bot.edit(said["id"], "the tide", person="ben", channel="tavern")
    assert edited["content"] == "the tide"
    assert edited["edited_timestamp"]
    with pytest.raises(UserError, match="your own"):
        bot.edit(said["id"], "mine", person="dora", channel="tavern")


@pytest.fixture
def own_bot(tmp_path: Path) -> Iterator[PlaygroundClient]:
    """A playground of a test's own: servers stay as long as it runs."""
    with serving(tmp_path / "playground") as server, online(server, tmp_path) as client:
        yield client


def test_server_is_made_with_a_channel_and_members(own_bot: PlaygroundClient) -> None:
    bot = own_bot
    made = bot.create_server("The Mill", channel="millrace", owner="dora", members=["ben", "dora"])
    mill = bot.world().guilds["The Mill"]
    assert (mill.id, mill.owner_id) == (made, bot.world().users["dora"])
    assert list(mill.channels) == ["millrace"]
    assert mill.members == {"dora": [], "ben": [], "Galvanic": ["Galvanic"]}
    assert ask(bot, "!where", channel="millrace", person="dora") == "The Mill: ['millrace'] [] True 10"
    interaction = bot.slash("here", person="ben", channel="millrace")
    answer = bot.wait_for_message(after=interaction, person="ben", channel="millrace")
    assert answer["content"] == "The Mill False"
    with pytest.raises(UserError, match="permission"):
        bot.send("hello?", person="ada", channel="millrace")
    bot.join("ada", guild="The Mill")
    assert ask(bot, "!where", channel="millrace") == "The Mill: ['millrace'] [] False 10"
    with pytest.raises(UserError, match="owner"):
        bot.leave("dora", guild=made)


@pytest.mark.parametrize("taken", [{"name": "annex"}, {"name": "The Annex"}, {"name": ""}, {"channel": "lab"}])
def test_server_needs_names_of_its_own(bot: PlaygroundClient, taken: dict[str, str]) -> None:
    guilds = bot.world().guilds
    with pytest.raises(UserError, match="cannot be called"):
        bot.create_server(**{"name": "The Weir", "channel": "sluice", **taken})
    assert bot.world().guilds == guilds
