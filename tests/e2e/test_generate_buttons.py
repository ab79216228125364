"""The buttons under a text write others, for whoever may, after a restart too; each refusal says why."""

import re

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
    submit,
    written,
)
from tests.e2e.system import System


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


def test_a_press_after_a_restart_of_the_bot(system: System) -> None:
    text = system.ask("!generate the tide --length 30")
    restart_bot(system)
    assert written(press(system, text, "Continue")).startswith("-# for <@")
    with system.redis as client:
        for key in (keys.job(job_of(text)), keys.job_events(job_of(text))):
            assert client.ttl(key) > 29 * 24 * 3600  # type: ignore[operator]


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


def test_rights_are_asked_at_each_press(system: System) -> None:
    text = system.ask("!generate the tide --length 30")
    with settings_of_the_server(system, generate_roles=(5,)):
        assert_refused(press(system, text, "Again", person="ben"), "You can't generate texts")
        assert "for <@" in written(press(system, text, "Again"))  # Ada owns the server
    library = int(system.client.world().channels["library"])
    with settings_of_the_server(system, channels=(library,)):
        assert_refused(press(system, text, "Again", person="ben"), "not allowed in this channel", f"<#{library}>")
    assert "for <@" in written(press(system, text, "Again", person="ben"))


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
