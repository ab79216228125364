"""The buttons under a text, comparisons and mixtures, also after a restart."""

import re

import pytest

from shared import keys
from shared.jobs import GenerateJob
from tests.driver.client import Message, components, text_of
from tests.e2e.acts import (
    EPHEMERAL,
    answered,
    assert_refused,
    buttons,
    labels,
    newest,
    press,
    restart_bot,
    written,
)
from tests.e2e.system import System

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module", autouse=True)
def _models(system: System) -> None:
    system.add_model("tides")
    system.add_model("alice", current=False)


def menu(message: Message) -> dict[str, object]:
    return next(item for item in components(message) if item.get("options"))


def choose(system: System, message: Message, value: str, person: str = "ada") -> Message:
    before = newest(system, person=person)
    system.client.select(message["id"], str(menu(message)["custom_id"]), [value], person=person)
    return answered(system, before, "an answer to the menu", person=person)


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


def test_continue_goes_on_from_the_end_after_a_restart_too(system: System) -> None:
    text = system.ask("!generate the tide --length 400")
    whole = "the tide" + written(text).removeprefix("**the tide**")
    restart_bot(system)
    for _ in range(2):
        more = press(system, text, "Continue")
        found = re.match(r"-# for <@\d+>\n\*\*… (.*?)\*\*", written(more), re.DOTALL)
        assert found is not None
        assert 0 < len(found[1]) <= 120
        assert whole.rstrip().endswith(found[1])
        whole += written(more)[found.end() :]
        text = more
    with system.redis as client:
        assert client.ttl(keys.job(job_of(text))) > 29 * 24 * 3600
        stored = GenerateJob.model_validate_json(client.hget(keys.job(job_of(text)), "job"))
    assert stored.seed.startswith("the tide")
    # All of it, not only the end that is shown. Texts end with a word or a sentence, at 400 characters at most.
    assert len(stored.seed) > 2 * 120


def test_one_of_a_comparison_is_continued_after_a_restart_too(system: System) -> None:
    answer = system.ask("!compare the sea --length 60 --temperatures 0.5,1.5")
    restart_bot(system)
    more = choose(system, answer, "1", person="dora")
    assert f"for <@{system.client.world().users['dora']}>" in written(more)
    assert "temperature 1.5" in text_of(more)
    assert "the sea" in written(more)
    assert more["message_reference"]["message_id"] == answer["id"]
    assert set(labels(more)) == {"Again", "Continue", "Hotter", "Cooler", "Delete"}
    with system.redis as client:
        client.delete(keys.asked(str(menu(answer)["custom_id"]).rsplit(":", 1)[1]))
    assert_refused(choose(system, answer, "0", person="ben"), "no longer have this text")


def test_a_mixture_goes_on_as_one(system: System) -> None:
    answer = system.ask("!generate chapter 12 begins --mix tides:70,alice:30 --length 40")
    assert written(answer).startswith("**chapter 12 begins**")
    assert "tides 70 % + alice 30 %" in text_of(answer)
    more = press(system, answer, "Continue")
    assert "tides 70 % + alice 30 %" in text_of(more)
