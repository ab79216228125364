"""The buttons under a text write others, for whoever may, after a restart too; each refusal says why."""

from __future__ import annotations

import re
import signal

import pytest

from shared import keys
from shared.jobs import GenerateJob
from shared.models import ModelRecord
from tests.driver.client import Message, components, text_of
from tests.e2e.acts import (
    EPHEMERAL,
    answered,
    assert_refused,
    buttons,
    labels,
    newest,
    press,
    rest,
    restart_bot,
    settings_of_the_server,
    start_bot,
    stop_bot,
    submit,
    written,
)
from tests.e2e.system import System
from tests.registered import put


@pytest.fixture(scope="module", autouse=True)
def tides(system: System) -> ModelRecord:
    return system.add_model("tides")


def temperature(message: Message) -> float:
    found = re.search(r"temperature ([\d.]+)", message["embeds"][0]["footer"]["text"])
    assert found is not None
    return float(found[1])


def random_seed(message: Message) -> str:
    found = re.search(r"random seed (\d+)", message["embeds"][0]["footer"]["text"])
    assert found is not None
    return found[1]


def job_of(message: Message) -> str:
    return str(next(components(message))["components"][0]["custom_id"]).rsplit(":", 1)[1]


def test_each_button_writes_another_text_in_reply_and_names_who_pressed(system: System) -> None:
    text = system.ask("!generate the tide --length 60")
    assert buttons(text) == {"Again": True, "Continue": True, "Hotter": True, "Cooler": True, "Delete": True}
    # Cleo may only read this channel.
    assert_refused(press(system, text, "Again", person="cleo"), "can't send messages in this channel")
    dora = system.client.world().users["dora"]
    again = press(system, text, "Again", person="dora")
    assert written(again).startswith(f"-# for <@{dora}>\n**the tide**")
    assert random_seed(again) != random_seed(text)
    assert again["message_reference"]["message_id"] == text["id"]
    assert again["mentions"] == []
    assert not again["flags"] & EPHEMERAL
    hotter = press(system, text, "Hotter")
    assert temperature(hotter) == pytest.approx(temperature(text) + 0.2)
    assert random_seed(hotter) == random_seed(text)
    cooler = press(system, hotter, "Cooler")
    assert temperature(cooler) == pytest.approx(temperature(text))
    # The same seed, random numbers and temperature: the very text one came from.
    assert written(cooler).split("\n", 1)[1] == written(text)


def test_continue_goes_on_from_the_end_again_and_again(system: System) -> None:
    text = system.ask("!generate the tide --length 200")
    whole = "the tide" + written(text).removeprefix("**the tide**")
    for _ in range(2):
        more = press(system, text, "Continue")
        found = re.match(r"-# for <@\d+>\n\*\*… (.*?)\*\*", written(more), re.DOTALL)
        assert found is not None
        assert 0 < len(found[1]) <= 120
        assert whole.rstrip().endswith(found[1])
        whole += written(more)[found.end() :]
        text = more
    with system.redis as client:
        stored = GenerateJob.model_validate_json(client.hget(keys.job(job_of(text)), "job"))  # type: ignore[arg-type]
    assert stored.seed.startswith("the tide")
    # Texts end with a word or a sentence, at 200 characters at most.
    assert len(stored.seed) > 2 * 120


def test_hotter_and_cooler_end_at_the_ends(system: System) -> None:
    coldest = system.ask("!generate the tide --temperature 0 --length 20")
    assert buttons(coldest) == {"Again": False, "Continue": True, "Hotter": True, "Cooler": False, "Delete": True}
    hottest = system.ask("!generate the tide --temperature 1.9 --length 20")
    assert buttons(hottest)["Hotter"]
    assert buttons(press(system, hottest, "Hotter")) == {
        "Again": True,
        "Continue": True,
        "Hotter": False,
        "Cooler": True,
        "Delete": True,
    }


def test_without_a_seed_a_random_line_begins_and_hotter_keeps_it(system: System) -> None:
    text = system.ask("!generate --length 40")
    begin = re.match(r"\*\*(.+?)\*\*", written(text), re.DOTALL)
    assert begin is not None
    hotter = press(system, text, "Hotter")
    assert begin[0] in written(hotter)
    more = press(system, text, "Continue")
    assert begin[0] not in written(more)
    assert "❌" not in text_of(more)


def test_a_press_after_a_restart_of_the_bot(system: System) -> None:
    text = system.ask("!generate the tide --length 30")
    restart_bot(system)
    assert written(press(system, text, "Continue")).startswith("-# for <@")
    with system.redis as client:
        for key in (keys.job(job_of(text)), keys.job_events(job_of(text))):
            assert client.ttl(key) > 29 * 24 * 3600  # type: ignore[operator]


@pytest.mark.whole
def test_a_double_click_posts_one_text(system: System) -> None:
    text = system.ask("!generate the tide --length 30")
    rest(system)
    before = newest(system)
    # The bot hears of both at once, however slow this machine is.
    (bot,) = system.part("-m", "bot")
    bot.suspend()
    try:
        for _ in range(2):
            system.client.click_label(text, "Again")
    finally:
        bot.resume()
    two = system.client.wait_for(lambda: (found := system.client.messages(after=before))[1:] and found, 60)
    assert sorted(bool(message["flags"] & EPHEMERAL) for message in two) == [False, True]
    assert_refused(next(message for message in two if message["flags"] & EPHEMERAL), "a bit fast", "Try again in")


def test_a_text_that_is_forgotten_or_of_another_channel_is_unknown(system: System) -> None:
    text = system.ask("!generate the tide --length 30")
    key, asked = keys.job(job_of(text)), keys.asked(job_of(text))
    world = system.client.world()
    with system.redis as client:
        job = GenerateJob.model_validate_json(client.get(asked))  # type: ignore[arg-type]
        for change in ({"channel_id": int(world.channels["library"])}, {"guild_id": 5}):
            place = job.place.model_copy(update=change)
            client.set(asked, job.model_copy(update={"place": place}).model_dump_json())
            assert_refused(press(system, text, "Again"), "no longer have this text", "for a month")
        client.delete(key)
    assert_refused(press(system, text, "Continue"), "no longer have this text", "Generate a new one")


def test_a_model_that_is_gone_or_not_for_this_channel_writes_no_more(system: System) -> None:
    record = system.add_model("brief", current=False)
    text = system.ask("!generate the tide --length 30 --model brief")
    elsewhere = record.model_copy(update={"scope": "channel", "channel_id": 5})
    with system.redis as client:
        put(client, elsewhere)
        assert_refused(press(system, text, "Again"), "can no longer be used in this channel", "!models")
        client.hdel(keys.guild_models(record.guild_id), "brief")
    assert_refused(press(system, text, "Hotter"), "can no longer be used in this channel")


def test_rights_are_asked_at_each_press(system: System) -> None:
    text = system.ask("!generate the tide --length 30")
    with settings_of_the_server(system, generate_roles=(5,)):
        assert_refused(press(system, text, "Again", person="ben"), "You can't generate texts")
        assert "for <@" in written(press(system, text, "Again"))  # Ada owns the server
    library = int(system.client.world().channels["library"])
    with settings_of_the_server(system, channels=(library,)):
        assert_refused(press(system, text, "Again", person="ben"), "not allowed in this channel", f"<#{library}>")
    assert "for <@" in written(press(system, text, "Again", person="ben"))


def test_what_the_server_blocks_is_covered_in_old_seeds_too(system: System) -> None:
    text = system.ask("!generate the sea --length 30")
    with settings_of_the_server(system, blocklist=("sea",)):
        again = press(system, text, "Again")
        assert "sea" not in text_of(again).lower()
        assert "**the ███**" in written(again)


def test_missing_permissions_of_the_bot_are_named_to_who_presses(system: System) -> None:
    text = system.ask("!generate the tide --length 30")
    system.client.deny_bot("attach_files")
    try:
        assert_refused(press(system, text, "Again"), "Attach Files")
    finally:
        system.client.deny_bot()


def test_a_text_too_long_for_an_embed_is_a_file_with_buttons(system: System) -> None:
    text = system.ask(f"!generate {'the sea ' * 200} --length 4000")
    assert len(written(text)) < 4_096
    (attachment,) = text["attachments"]
    assert attachment["filename"] == "tides.txt"
    whole = system.client.fetch(attachment["url"]).decode()
    assert whole.startswith("the sea the sea")
    assert len(whole) > 4_200
    assert set(labels(text)) == {"Again", "Continue", "Hotter", "Cooler", "Delete"}
    assert "❌" not in text_of(press(system, text, "Continue"))


@pytest.mark.whole
def test_a_late_answer_without_attach_files_shows_the_beginning(system: System) -> None:
    (worker,) = system.part("worker", "serve", "generate")
    worker.send_signal(signal.SIGSTOP)
    try:
        asked = system.client.send(f"!generate {'the sea ' * 200} --length 4000")
        with system.redis as client:
            system.client.wait_for(lambda: client.sismember(keys.OUTBOX, f"g-{asked['id']}"), 60)
        stop_bot(system)
        system.client.deny_bot("attach_files")
    finally:
        worker.send_signal(signal.SIGCONT)
    try:
        start_bot(system)
        answer = system.client.wait_for(lambda: system.answer_to(asked["id"]), 60)
        assert answer["attachments"] == []
        assert "missing the permission Attach Files here" in text_of(answer)
    finally:
        system.client.deny_bot()


def test_the_form_of_a_models_card_asks_for_words(system: System) -> None:
    card = system.ask("!model info tides")
    card = system.client.wait_for(lambda: (found := system.client.message(card["id"])) and labels(found) and found, 60)

    def fill(words: str, typed: str) -> Message:
        rest(system)
        before = newest(system, person="ben")
        opened = system.client.click_label(card, "Generate", person="ben")
        submit(system, opened, {"words": words, "temperature": typed}, person="ben")
        return answered(system, before, "an answer to the form", person="ben")

    answer = fill("the tide", "1,2")
    assert "**the tide**" in written(answer)
    assert temperature(answer) == 1.2
    assert f"for <@{system.client.world().users['ben']}>" in written(answer)
    assert answer["message_reference"]["message_id"] == card["id"]
    assert "**" in written(fill("", "")), "no words: a random line of the text"
    assert_refused(fill("the tide", "warm"), "`warm` isn't a valid temperature", "from 0 to 2")
