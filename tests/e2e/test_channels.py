"""A channel as the text, with all processes: from the admin's word to a model that speaks, learns on, and forgets."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from shared import keys
from shared.models import ModelRecord
from shared.transcripts import unpack_page
from tests.driver.client import Message, text_of
from tests.e2e.acts import TINY, answered, labels, newest, press, restart_bot, slash, start_bot, stop_bot, written
from tests.e2e.system import QUICKEST, TRAIN_S, System, started
from tests.faults import harm
from tests.faults.test_strangers import another
from tests.registered import stored

AGREED = ("ada", "ben", "cleo")
TAVERN = {"channel": "tavern"}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system whose operator has turned learning from channels on; Ada allows #tavern, and three people agree."""
    for system in started(tmp_path_factory.mktemp("channels"), QUICKEST, CHANNEL_TRAINING="opt-in"):
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
    assert record.corpus.sha256 == ""


def test_a_model_is_made_anew_by_itself_although_the_bot_was_off(system: System) -> None:
    learn(system, "!train #tavern --name owl")
    before, tavern = records(system)["owl"], system.client.world().channels["tavern"]
    assert "`owl` is made again" in text_of(slash(system, "learn", {"when": "nightly"}, **TAVERN))
    told = [
        one for one in system.client.messages(**TAVERN) if "A model keeps learning from this channel" in text_of(one)
    ]
    assert len(told) == 1
    assert "`!optout`" in text_of(told[0])
    stop_bot(system)
    with system.redis as client:
        schedule = json.loads(client.hget(keys.LEARNING, tavern) or b"")
        client.hset(keys.LEARNING, tavern, json.dumps({**schedule, "at": schedule["at"] - 8 * 86_400}))
    start_bot(system)

    def heir() -> ModelRecord | None:
        found = records(system).get("owl")
        return found if found is not None and found.model_id != before.model_id else None

    new = system.client.wait_for(heir, TRAIN_S, "the new model")
    assert new.replaces is None
    assert new.source_channels == (int(tavern),)
    assert "by itself any more" in text_of(slash(system, "learn", {"when": "off"}, **TAVERN))


@pytest.mark.long
def test_it_learns_on_from_what_was_said_since(system: System) -> None:
    card = learn(system, "!train #tavern --name regulars")
    few = press(system, card, "Learn new messages", **TAVERN)
    system.wait_for_card(few, "Could not learn", "who agreed", " since <t:", **TAVERN)
    for number in range(40):
        system.client.send(f"the kettle has a new lid, number {number}, and it sings", person="ben", **TAVERN)
    more = press(system, card, "Learn new messages", "Reading", **TAVERN)
    done = learned(system, more, **TAVERN)
    assert "newer messages" in text_of(done)
    assert "`regulars`" in text_of(done)
    new = records(system)["regulars-2"]
    assert len(new.transcripts) == 2
    assert new.corpus is not None
    assert 1_000 < new.corpus.chars < 4_000, "only what was said since"


@pytest.mark.long
def test_whoever_withdraws_is_forgotten_by_models_too(system: System) -> None:
    learn(system, "!train #tavern --name chorus")
    before = records(system)["chorus"]
    answer = slash(system, "optout", person="cleo", **TAVERN)
    assert "opted out" in text_of(answer)
    assert "`chorus`" in text_of(answer)

    def made_again() -> ModelRecord | None:
        now = records(system).get("chorus")
        return now if now is not None and now.model_id != before.model_id else None

    after = system.client.wait_for(made_again, 240, "the model to be made again")
    assert after.replaces is None
    with system.redis as client:
        for ref in after.transcripts:
            members = client.hgetall(keys.transcript_members(ref.transcript_id))
            assert system.client.world().users["cleo"].encode() not in members
        assert client.hget(keys.channel(int(system.client.world().channels["tavern"])), "model") != before.model_id
        assert not (system.data / "models" / f"{before.model_id}.safetensors").exists() or client.exists(keys.DELETING)
    agree(system, "cleo")


@pytest.mark.long
def test_a_reading_goes_on_after_the_bot_was_restarted(system: System) -> None:
    channel = system.client.create_channel("archive", history=4_000)
    assert "may now learn from" in text_of(system.ask("!allow-training #archive"))
    card = system.ask(f"!train #archive {TINY} --minutes 0.2", channel="archive")
    restart_bot(system)
    done = system.wait_for_card(card, "is now this channel's model", channel="archive", timeout=240)
    assert "Learned" in text_of(done)
    assert records(system)["archive"].source_channels == (int(channel),)


@pytest.mark.long
@pytest.mark.whole
def test_a_bot_that_was_asleep_writes_nothing_once_another_one_took_over(system: System) -> None:
    """Of 40 pages one is on its way to a bot that stands still; a member withdraws from the one that reads on."""
    where = {"channel": "harbour-tales"}
    channel = system.client.create_channel(where["channel"], history=4_000)
    assert "may now learn from" in text_of(system.ask("!allow-training #harbour-tales"))
    system.client.add_fault("GET", rf"/channels/{channel}/messages", 200, times=1_000, wait_s=0.2)
    asleep = harm.bot(system)
    with another(system, "bot") as second, system.redis as client:
        system.client.wait_for(lambda: "another_bot_runs" in system.logs(), 60, "the stand-by")
        card = system.ask(f"!train #harbour-tales {TINY}", **where)
        known = [name.decode() for name in client.hkeys(keys.TRANSCRIPTS)]
        (name,) = [name for name in known if client.hexists(keys.transcript(name), "reading")]
        text = keys.transcript_text(name)
        system.client.wait_for(lambda: client.llen(text) >= 3, 30, "the first pages")
        with harm.frozen(asleep):
            pages = client.llen(text)
            system.client.wait_for(lambda: client.llen(text) > pages, 60, "the other one to read on")
            assert "opted out" in text_of(slash(system, "optout", person="ben", **where))
        system.client.wait_for(lambda: not asleep.is_running(), 60, "the end of the one that was asleep")
        system.client.clear_faults()
        system.wait_for_card(card, "Learned", timeout=240, **where)
        index, texts = [], []
        for page in filter(None, client.lrange(keys.transcript_index(name), 0, -1)):
            index += json.loads(unpack_page(page))
        for page in filter(None, client.lrange(text, 0, -1)):
            texts += unpack_page(page).split("\n")
        assert second.is_running()
    ids = [entry[0] for entry in index]
    assert len(ids) == len(set(ids)) == len(texts)
    assert ids == sorted(ids)
    users = system.client.world().users
    authors = {str(entry[1]) for entry in index}
    assert users["ada"] in authors
    assert users["ben"] not in authors
    system.client.wait_for(lambda: not system.client.world().bot_online, what="the end of the second one")
    system.client.wait_for_bot(60)
    agree(system, "ben")


@pytest.mark.long
def test_what_is_deleted_while_the_bot_is_off_is_found(system: System) -> None:
    said = system.client.send("the ferryman keeps his boots in the piano", person="ben", **TAVERN)
    learn(system, "!train #tavern --name ferry")
    (ref,) = records(system)["ferry"].transcripts
    stop_bot(system)
    system.client.delete(said["id"])
    start_bot(system)
    with system.redis as client:
        system.client.wait_for(
            lambda: int(client.hget(keys.transcript(ref.transcript_id), "revision") or 0) > ref.revision, 60, "the find"
        )


def test_it_is_not_learned_where_others_read(system: System) -> None:
    system.client.create_channel("den", only=("ada", "ben"))
    assert "may now learn from" in text_of(system.ask("!allow-training #den"))
    assert "Not everybody who reads this channel" in text_of(system.ask("!train #den"))
    assert "can't find a channel" in text_of(system.ask("!train #den", person="cleo", channel="tavern"))


def test_the_slash_command_offers_the_channels_that_may_be_learned(system: System) -> None:
    offered = system.client.autocomplete("train", "source", "#")
    assert "#tavern" in [choice["name"] for choice in offered]
    hidden = system.client.autocomplete("train", "source", "#", person="cleo", **TAVERN)
    assert "#den" not in [choice["name"] for choice in hidden]


def test_ones_own_words_make_a_model_of_ones_own(system: System) -> None:
    ben, world = {"person": "ben", **TAVERN}, system.client.world()
    for number in range(40):  # what he wrote before he agreed anew, above, does not count
        system.client.send(f"the kettle of the other boat, number {number}, whistles at the harbour", **ben)
    system.wait_for_card(system.ask(f"!train @me #tavern {TINY}", **ben), "The model is ready", "one member", **TAVERN)
    (ref,) = (own := records(system)["like-me"]).transcripts
    with system.redis as client:
        members = client.hkeys(keys.transcript_members(ref.transcript_id))
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
