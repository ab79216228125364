"""A channel as the text, with all processes: from the admin's word to a model that speaks, learns on, and forgets."""

from collections.abc import Iterator

import pytest

from shared import keys
from shared.models import ModelRecord
from tests.driver.client import Message, text_of
from tests.e2e.acts import TINY, answered, labels, newest, press, slash, written
from tests.e2e.system import TRAIN_S, System, started
from tests.registered import stored

pytestmark = pytest.mark.whole

AGREED = ("ada", "ben", "cleo")
TAVERN = {"channel": "tavern"}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system whose operator has turned learning from channels on; Ada allows #tavern, and three people agree."""
    for system in started(tmp_path_factory.mktemp("channels"), CHANNEL_TRAINING="opt-in"):
        assert "may now learn from" in text_of(system.ask("!allow-training #tavern"))
        for person in AGREED:
            agree(system, person)
        yield system


def agree(system: System, person: str) -> None:
    """Read what it means, and press the button."""
    where = {"person": person, **TAVERN}
    before = newest(system, **where)
    system.client.slash("optin", **where)
    question = answered(system, before, "what it means", "It may repeat you", **where)  # a card may come first
    system.client.click_label(question, "I agree", person=person, **TAVERN)
    system.client.wait_for(
        lambda: "You agreed" in text_of(system.client.message(question["id"], person=person, **TAVERN) or question), 30
    )


def learned(system: System, card: Message, **where: str) -> Message:
    """The card of a training that ended well."""
    return system.wait_for_card(card, "is now this channel's model", **where)


def learn(system: System, typed: str) -> Message:
    """Have a channel learned in #tavern; the finished card."""
    return learned(system, system.ask(f"{typed} {TINY}", **TAVERN), **TAVERN)


def records(system: System) -> dict[str, ModelRecord]:
    """The server's models by name."""
    with system.redis as client:
        ids = client.hvals(keys.guild_models(int(system.client.world().guild_id)))
        records = [stored(client, model_id.decode()) for model_id in ids]
    return {record.name: record for record in records if record is not None}


def test_the_tavern_is_learned_and_speaks(system: System) -> None:
    card = learn(system, "!train #tavern --name inn")
    assert "Learn new messages" in labels(card)
    assert written(system.ask("!generate the kettle --length 40", **TAVERN)).startswith("**the kettle**")
    begun = system.ask("!generate --length 40", **TAVERN)
    assert "❌" not in text_of(begun)
    record = records(system)["inn"]
    assert record.source_channels == (int(system.client.world().channels["tavern"]),)
    assert record.corpus is not None
    with system.redis as client:
        assert client.exists(keys.reading(record.readings[0].reading_id))
        assert not list(client.scan_iter("job:*:text")), "the text goes with its training"


def test_ones_own_words_make_a_model_of_ones_own(system: System) -> None:
    ben, world = {"person": "ben", **TAVERN}, system.client.world()
    for number in range(40):  # what he wrote before he agreed anew, above, does not count
        system.client.send(f"the kettle of the other boat, number {number}, whistles at the harbour", **ben)
    system.wait_for_card(system.ask(f"!train @me #tavern {TINY}", **ben), "The model is ready", "one member", **TAVERN)
    (ref,) = (own := records(system)["like-me"]).readings
    with system.redis as client:
        members = client.hkeys(keys.reading_members(ref.reading_id))
        assert [member.decode() for member in members] == [world.users["ben"]]
        assert client.hget(keys.channel(int(world.channels["tavern"])), "model") != own.model_id.encode()
    typed = "!generate the kettle --model like-me --length 40"
    answer = system.ask(typed, **ben)
    assert written(answer).startswith("**the kettle**")
    assert "No model called `like-me`" in text_of(system.ask(typed, **TAVERN))
    assert "can no longer be used" in text_of(press(system, answer, "Continue", "❌", **TAVERN))
    assert "🔓" in text_of(system.ask("!model share like-me #tavern", **ben))
    assert written(system.ask(typed, **TAVERN)).startswith("**the kettle**")
    assert "opted out" in text_of(slash(system, "optout", **ben))
    system.client.wait_for(lambda: "like-me" not in records(system), TRAIN_S, "the model to go")
    agree(system, "ben")


def test_nobodys_words_are_logged(system: System) -> None:
    """Of what was said, learned and withdrawn above."""
    logs = "\n".join(path.read_text(errors="replace") for path in (system.data / "logs").glob("*.log"))
    assert "consent_changed" in logs
    assert "member_withdrew" in logs
    assert "kettle" not in logs
