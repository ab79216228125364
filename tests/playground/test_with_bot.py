"""An unmodified discord.py bot in its own process, over real sockets."""

from __future__ import annotations

import pytest

from galvanic.errors import UserError
from tests.driver.client import Message, PlaygroundClient, pictures_of, text_of
from tests.playground.tiny_bot import PIXEL


def ask(client: PlaygroundClient, text: str, **options: object) -> Message:
    """Say something and return the bot's first answer."""
    said = client.send(text, **options)  # type: ignore[arg-type]
    return client.wait_for_message(after=said["id"], channel=options.get("channel"))  # type: ignore[arg-type]


def answer_to(client: PlaygroundClient, interaction: str, **options: str) -> Message:
    return client.wait_for_message(after=interaction, **options)  # type: ignore[arg-type]


def test_prefix_command_is_answered_with_a_reply(bot: PlaygroundClient) -> None:
    said = bot.send("!ping", person="ben", channel="library")
    answer = bot.wait_for_message(after=said["id"], channel="library")
    assert answer["content"] == "pong"
    assert answer["message_reference"]["message_id"] == said["id"]
    assert answer["referenced_message"]["author"]["username"] == "ben"


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


def test_original_answer_is_edited_and_deleted(bot: PlaygroundClient) -> None:
    interaction = bot.slash("fickle", person="ben")
    thinking = answer_to(bot, interaction, person="ben")
    assert thinking["flags"] & 1 << 7
    assert thinking["flags"] & 1 << 6
    bot.wait_for_message(lambda m: m["content"] == "second thought", after=interaction, person="ben")
    assert bot.messages(after=interaction, person="ada") == []
    bot.wait_for_message(lambda m: m["content"] == "only this stays", after=interaction, person="ben")
    bot.wait_for(lambda: len(bot.messages(after=interaction, person="ben")) == 1)


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


def test_form_is_filled_in(bot: PlaygroundClient) -> None:
    card = ask(bot, "!card")
    opened = bot.click(card["id"], "form")
    with pytest.raises(UserError, match="empty"):
        bot.wait_for(lambda: _submit(bot, opened, ""))
    submitted = bot.submit_modal(opened, {"word": "galvanism"})
    assert answer_to(bot, submitted)["content"] == "wrote galvanism"
    with pytest.raises(UserError, match="no longer open"):
        bot.submit_modal(opened, {"word": "twice"})


def _submit(bot: PlaygroundClient, opened: str, word: str) -> str | None:
    try:
        return bot.submit_modal(opened, {"word": word})
    except UserError as error:
        if "no longer open" in error.problem:
            return None  # the bot has not opened it yet
        raise


def test_deferred_answer_and_follow_up(bot: PlaygroundClient) -> None:
    interaction = bot.slash("slow")
    assert answer_to(bot, interaction)["flags"] & 1 << 7, "it is thinking"
    more = bot.wait_for_message(lambda m: m["content"] == "and one more", after=interaction)
    first = bot.messages(after=interaction)[0]
    assert first["content"] == "done at last"
    assert not first["flags"] & 1 << 7
    assert bot.fetch(more["attachments"][0]["url"]) == b"text"


def test_reaction_and_thread(bot: PlaygroundClient) -> None:
    said = bot.send("!react")
    bot.wait_for(lambda: (bot.message(said["id"]) or said)["reactions"])
    said = bot.send("!thread")
    made = bot.wait_for_message(lambda m: m["type"] == 18, after=said["id"])
    assert text_of(made) == "aside"
    bot.wait_for_message(lambda m: m["content"] == "in the thread", channel="aside")


@pytest.mark.parametrize("permission", ["embed_links", "attach_files"])
def test_bot_lacks_a_permission(bot: PlaygroundClient, permission: str) -> None:
    bot.deny_bot(permission)
    try:
        assert ask(bot, "!card")["content"] == "error 50013"
    finally:
        bot.deny_bot()
    assert ask(bot, "!card")["embeds"]


def test_bot_may_not_speak(bot: PlaygroundClient) -> None:
    bot.deny_bot("send_messages")
    try:
        said = bot.send("!ping")
        # Asked later and answered: so it has tried here too.
        assert ask(bot, "!ping", channel="library")["content"] == "pong"
        assert bot.messages(after=said["id"]) == []
    finally:
        bot.deny_bot()
    assert ask(bot, "!ping")["content"] == "pong"


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
        ("learn", {"name": "x", "times": "many", "file": "x"}, "times can't be that. It takes a whole number"),
    ],
)
def test_slash_command_wrongly_called(
    bot: PlaygroundClient, command: str, options: dict[str, object], problem: str
) -> None:
    with pytest.raises(UserError, match=problem):
        bot.slash(command, options)
