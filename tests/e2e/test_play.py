"""The buttons under a text, comparisons, mixtures, surprises, a quiz and a chat, also after a restart."""

import re

import pytest

from shared import keys
from shared.jobs import GenerateJob
from tests.driver.client import Message, components, pictures_of, text_of
from tests.e2e.acts import (
    EPHEMERAL,
    answered,
    assert_refused,
    buttons,
    labels,
    newest,
    press,
    restart_bot,
    slash,
    start_bot,
    stop_bot,
    written,
)
from tests.e2e.system import ANSWER_S, System

pytestmark = pytest.mark.whole

PNG = b"\x89PNG"


@pytest.fixture(scope="module", autouse=True)
def _models(system: System) -> None:
    system.add_model("tides")
    for name, fixture in (("alice", "char"), ("wordy", "word"), ("old", "classic")):
        system.add_model(name, fixture=fixture, current=False)


def fields(message: Message) -> dict[str, str]:
    return {field["name"]: field["value"] for field in message["embeds"][0].get("fields", [])}


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
        assert client.ttl(keys.job(job_of(text))) > 29 * 24 * 3600  # type: ignore[operator]
        stored = GenerateJob.model_validate_json(client.hget(keys.job(job_of(text)), "job"))  # type: ignore[arg-type]
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


def test_a_surprise_is_a_picture_with_its_figures_in_words(system: System) -> None:
    answer = system.ask("!surprise the zebra sea")
    (picture,) = pictures_of(answer)
    assert system.client.fetch(picture).startswith(PNG)
    assert "bits per character** over 13 characters" in text_of(answer)
    assert "**z**" in fields(answer)["Least expected"]


def test_a_quiz_goes_on_after_a_restart_and_is_answered_in_time(system: System) -> None:
    message = slash(system, "quiz", {"passages": 4, "seconds": 600})
    assert list(buttons(message)) == ["A", "B", "C", "D"]
    for person, letter in zip(("ada", "ben", "dora", "ada"), "ABCD", strict=True):
        said = text_of(press(system, message, letter, "You guessed", person=person))
        assert f"You guessed **{letter}**" in said
    stop_bot(system)
    with system.redis as client:
        assert client.zadd(keys.QUIZZES, {system.client.world().channels["lab"]: 1}) == 0
    start_bot(system)
    ended = system.wait_for_card(message, "comes from the text", "of 3 guessed right")
    assert not buttons(ended)
    assert ended["mentions"] == []
    # Guesses are counted once the answer is there to see.
    system.client.wait_for(lambda: text_of(system.ask("!quiz scores")).count(" of 1") == 3, ANSWER_S, "the scores")


def test_a_mention_is_answered_by_the_channels_model(system: System) -> None:
    assert "Chat is **on**" in text_of(system.ask("!chat on"))
    answer = system.ask(f"<@{system.client.world().bot_user_id}> the tide, @everyone?", person="ben")
    assert answer["embeds"] == []
    assert answer["content"]
    assert "the tide, @everyone?" not in answer["content"]
    assert answer["mentions"] == []
    assert not answer["mention_everyone"]
    assert "Chat is **off**" in text_of(system.ask("!chat off"))
