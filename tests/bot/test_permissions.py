"""What the bot or a person may not do in a channel is told, and nothing breaks; what a press of a button asks for."""

import logging
from typing import Any

import discord
import pytest

from bot.components import view
from bot.models.embeds import model_buttons
from bot.servers import access
from galvanic.errors import UserError
from playground.places import BOT_ID, GUILD_ID, USER_IDS
from shared import keys
from tests.bot.declared import custom_ids
from tests.bot.ids import ADA, BEN, LAB
from tests.bot.live import Live, read_file, text_of
from tests.bot.stand_in import StandIn, bens_text

pytestmark = pytest.mark.usefixtures("worker")


async def test_where_the_bot_may_not_write_a_press_is_told_so_and_nothing_breaks(
    live: Live, caplog: pytest.LogCaptureFixture
) -> None:
    message = await live.bot.get_partial_messageable(LAB).send("a model", view=model_buttons("m1", "use"))
    await live.deny("embed_links")
    with caplog.at_level(logging.ERROR):
        live.acts.click(ADA, LAB, message.id, "galvanic:use:m1")
        await live.until(lambda: live.whispered("ada", "I'm missing permissions"), "a refusal")
        await live.handled()
    assert not caplog.records


FOR_READERS = {"samples"}
"""What shows something to whoever presses it, and to nobody else. All others need the right to write."""


async def test_a_control_needs_the_right_to_write_unless_it_is_known_not_to(live: Live) -> None:
    readers = {name for name, action in live.core.components.actions.items() if action.who == "readers"}
    assert readers == FOR_READERS


async def _press(live: Live, custom_id: str, person: str, channel_id: int = LAB) -> None:
    control: Any = discord.ui.Button(custom_id=custom_id, label="x")
    message = await live.bot.get_partial_messageable(channel_id).send("controls", view=view(control))
    live.acts.click(USER_IDS[person], channel_id, message.id, custom_id)


async def _ben_only_reads(live: Live) -> None:
    await live.deny("send_messages", "send_messages_in_threads", who=BEN)


async def test_who_may_only_read_a_channel_does_nothing_there_by_a_control(live: Live) -> None:
    """What only they see is shown to them."""
    await _ben_only_reads(live)
    ids, actions = custom_ids(live.bot), live.core.components.actions
    for name in FOR_READERS:
        await _press(live, ids[name], "ben")
        await live.until(lambda: live.whispered("ben", "There is no training"), "the button's own answer")
    writers = [name for name, action in actions.items() if action.who == "writers"]
    for name in writers:
        await _press(live, ids[name], "ben")

    def refusals() -> int:
        seen = live.people.visible_messages(BEN, LAB)
        return sum("You can't send messages in this channel" in text_of(message) for message in seen)

    await live.until(lambda: refusals() == len(writers), "a refusal of each")


async def test_a_form_asks_again_when_it_is_sent(live: Live) -> None:
    await _press(live, "galvanic:write:m1", "ben")
    (opened,) = await live.until(lambda: [one for one in live.world.interactions.values() if one.modal], "the form")
    await live.until(lambda: live.bot._connection._view_store._modals, "the form to be known")
    await _ben_only_reads(live)
    live.acts.submit_modal(BEN, opened.id, {"words": "the sea"})
    await live.until(lambda: live.whispered("ben", "You can't send messages in this channel"), "a refusal")


async def test_rights_are_asked_for_at_each_press(live: Live, worker: StandIn) -> None:
    text = await bens_text(live, worker)
    await live.core.servers.change(GUILD_ID, generate_roles=(5,))
    await live.answered_privately("ben", text, "Again", "You can't generate texts")
    live.press("ada", text, "Again")
    await worker.answer(live)
    await live.until(lambda: live.showing(f"for <@{ADA}>"), "a text for the server's owner")


async def test_a_double_click_is_one_press(live: Live, worker: StandIn) -> None:
    live.patch.setattr("bot.write.generate.DOUBLE_CLICK_S", 600.0)
    text = await bens_text(live, worker)
    live.press("ada", text, "Again")
    await worker.asked(live)
    await live.answered_privately("ada", text, "Again", "a bit fast")


async def test_a_text_too_long_for_an_embed_is_a_file_with_buttons(live: Live, worker: StandIn) -> None:
    text = await bens_text(live, worker, " was calm" * 500)
    assert len(text_of(text)) < 4_096
    (file,) = text.attachments
    assert file["filename"] == "tides.txt"
    assert await read_file(file) == b"the sea" + b" was calm" * 500
    live.press("ada", text, "Continue")
    assert (await worker.answer(live))["seed"].endswith(" was calm")


async def test_the_form_of_a_models_card_asks_for_words(live: Live, worker: StandIn) -> None:
    async def fill(words: str, temperature: str) -> None:
        opened = live.acts.click(BEN, LAB, card.id, "galvanic:write:m1")
        form = await live.form(opened)
        await live.until(lambda: live.bot._connection._view_store._modals, "the form to be known")
        live.acts.submit_modal(BEN, form.id, {"words": words, "temperature": temperature})

    sent = await live.bot.get_partial_messageable(LAB).send("a model", view=model_buttons("m1", "write"))
    card = live.world.messages[LAB][sent.id]
    await fill("the tide", "1,2")
    job = await worker.answer(live)
    assert (job["seed"], job["temperature"], job["place"]["user_id"]) == ("the tide", 1.2, BEN)
    text = await live.until(lambda: live.showing("**the tide**"), "the text")
    assert (text.reference or {})["message_id"] == str(card.id)
    await fill("", "")
    assert (await worker.answer(live))["from_line"], "no words: a random line of the text"
    await fill("the tide", "warm")
    await live.until(lambda: live.whispered("ben", "`warm` isn't a valid temperature"), "a refusal")


# ---------------------------------------------------------------------- the bot's own permissions


@pytest.mark.parametrize("typed", ["!help", "!models", "!generate the sea", "!model use nosuch", f"<@{BOT_ID}> hello"])
async def test_without_send_messages_a_command_is_answered_directly(live: Live, typed: str) -> None:
    await live.deny("send_messages")
    live.send(typed)
    told = text_of(await live.directly("ada", "❌"))
    if typed.startswith("!model use"):
        assert "No model called" in told
    else:
        assert "I'm missing permissions in #lab: Send Messages.**" in told
    assert not live.shown("")


@pytest.mark.parametrize("command", ["help", "models"])
async def test_without_send_messages_a_slash_command_works(live: Live, command: str) -> None:
    await live.deny("send_messages", "embed_links")
    before = len(live.world.messages[LAB])
    live.slash("ada", command)
    answer = await live.until(
        lambda: next((one for one in list(live.world.messages[LAB].values())[before:] if one.embeds), None),
        "the answer",
    )
    assert "❌" not in text_of(answer)


@pytest.mark.parametrize(("command", "options"), [("train", {"source": "python-docs"}), ("quiz", {})])
async def test_what_is_edited_later_is_refused_where_it_could_not_be(
    live: Live, command: str, options: dict[str, str]
) -> None:
    await live.deny("embed_links")
    live.slash("ben", command, **options)
    await live.until(lambda: live.whispered("ben", "Embed Links"), "the refusal")
    assert await live.bot.redis.hlen(keys.ACTIVE) == 0


async def test_without_embeds_it_says_so_in_plain_text(live: Live) -> None:
    await live.deny("embed_links")
    for typed in ("!help", "!models", "!frobnicate", "!settings", "!status"):
        answer = await live.answered(live.send(typed))
        assert (answer.embeds, "❌" in answer.content) == ([], True)


async def test_another_bots_command_is_not_answered_directly(live: Live) -> None:
    await live.deny("send_messages")
    live.send("!frobnicate")
    await live.handled()
    assert not live.shown("", channel=live.dm("ada"))


@pytest.mark.parametrize(
    ("have", "named"),
    [
        (discord.Permissions.none(), "View Channel"),
        (discord.Permissions(view_channel=True), "Send Messages"),
        (
            discord.Permissions(view_channel=True, send_messages=True, attach_files=True),
            "Embed Links, Read Message History",
        ),
    ],
)
def test_only_what_is_surely_missing_is_named(have: discord.Permissions, named: str) -> None:
    with pytest.raises(UserError) as refused:
        access.require_all(have, None)
    assert refused.value.problem.endswith(f": {named}.")


async def test_a_second_file_is_not_passed_over(live: Live) -> None:
    files = dict.fromkeys(("one.txt", "two.txt"), b"the sea " * 500)
    assert "You attached 2 files" in await live.ask("!model import", files=files)
