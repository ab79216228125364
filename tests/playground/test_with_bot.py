"""An unmodified discord.py bot in its own process, over real sockets."""

import pytest

from galvanic.errors import UserError
from tests.driver.client import Message, PlaygroundClient, pictures_of
from tests.playground.tiny_bot import PIXEL


def ask(client: PlaygroundClient, text: str, **options: object) -> Message:
    """Say something and return the bot's first answer."""
    said = client.send(text, **options)  # type: ignore[arg-type]
    return client.wait_for_message(after=said["id"], channel=options.get("channel"))  # type: ignore[arg-type]


def test_nobody_is_pinged_against_allowed_mentions(bot: PlaygroundClient) -> None:
    answer = ask(bot, "!who")
    assert "@everyone in lab" in answer["content"]
    assert bot.world().users["ada"] in answer["content"]
    assert answer["mention_everyone"] is False
    assert answer["mentions"] == answer["mention_roles"] == []
    said = bot.send(f"<@{bot.world().users['ben']}>, @everyone")
    assert [user["username"] for user in said["mentions"]] == ["ben"]
    assert said["mention_everyone"] is True, "Ada may call everyone"
    assert bot.send("@everyone", person="ben")["mention_everyone"] is False


def test_card_shows_the_picture_of_its_last_edit(bot: PlaygroundClient) -> None:
    first = ask(bot, "!card")
    card = bot.wait_for(lambda: next((m for m in bot.messages() if m["id"] == first["id"] and m["content"]), None))
    assert card is not None
    assert card["embeds"][0]["description"] == "epoch 2 of 3"
    assert card["attachments"] == [], "a file that an embed shows is no attachment"
    assert bot.fetch(pictures_of(card)[0]) == PIXEL + b"2"
    times = bot.edit_times(card["id"])
    assert len(times) == 2
    assert times == sorted(times)
    assert card["edited_timestamp"]


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


def test_file_over_the_limit_is_refused(bot: PlaygroundClient) -> None:
    assert ask(bot, "!big")["content"] == "error 40005"


@pytest.mark.parametrize(
    ("command", "options", "problem"),
    [
        ("nothing", {}, "no command /nothing"),
        ("learn", {"name": "x"}, "needs the option file"),
        ("pick", {"book": "x", "page": 1}, "has no the option page"),
        ("learn", {"name": "x", "times": "many", "file": "x"}, "times can't be that"),
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
