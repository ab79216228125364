"""Members say yes and no, see what is held of them and are forgotten, over sockets and across restarts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis.asyncio

from bot.channels.store import Line, TranscriptStore
from shared import keys
from tests.driver.client import Message, text_of
from tests.e2e.acts import EPHEMERAL, newest, rest, restart_bot, slash, whisper
from tests.e2e.system import QUICKEST, System, started
from tests.transcripts import expire, written

SECRET = "the marmalade is hidden in the third drawer"
SEED = "a pelican of no importance"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    yield from started(tmp_path_factory.mktemp("privacy"), QUICKEST, CHANNEL_TRAINING="opt-in")


@pytest.fixture(autouse=True)
def _as_before(system: System) -> Iterator[None]:
    yield
    for person in ("ada", "ben", "dora"):
        system.client.open_dms(person)
    rest(system)


def directly(system: System, person: str, words: str, after: str) -> Message:
    """A direct message of the bot's with these words, once it is there."""

    def found() -> Message | None:
        seen = system.client.messages(person=person, channel="dm", after=after)
        return next((message for message in seen if words in text_of(message)), None)

    message = system.client.wait_for(found, 60, f"{words!r} as a direct message")
    assert message is not None
    return message


def store_words(system: System, *people: str) -> str:
    """A transcript of #lab with a line of each of these people; its id.

    They say it there: a bot that has just come back takes what it does not find for deleted.
    """
    said = [(person, f"{person} says {SECRET}") for person in people]
    sent = [(person, words, int(system.client.send(words, person=person)["id"])) for person, words in said]
    world = system.client.world()
    lab = int(world.channels["lab"])

    async def write() -> str:
        client = redis.asyncio.Redis.from_url((system.data / "run" / "redis.url").read_text().strip())
        store = TranscriptStore(client)
        lines = [Line(message_id, int(world.users[person]), words) for person, words, message_id in sent]
        info = await written(store, lines, guild_id=int(world.guild_id), channel_id=lab, until=10**18)
        await expire(store, info.transcript_id, 3_600)
        await client.aclose()
        return info.transcript_id

    return asyncio.run(write())


def stored_words(system: System, transcript_id: str, person: str) -> list[str]:
    """What is kept of somebody's words."""
    user_id = int(system.client.world().users[person])

    async def read() -> list[str]:
        client = redis.asyncio.Redis.from_url((system.data / "run" / "redis.url").read_text().strip())
        lines = await TranscriptStore(client).lines_of(transcript_id, user_id)
        await client.aclose()
        return [line.text for line in lines]

    return asyncio.run(read())


def gone(system: System, transcript_id: str, person: str) -> None:
    """Wait until nothing is kept of somebody's words."""
    system.client.wait_for(lambda: not stored_words(system, transcript_id, person), 60, "the words to go")


def opt_in(system: System, person: str) -> None:
    """Agree, as a person does, unless they have already."""
    after = newest(system, person=person, channel="dm")
    system.ask("!optin", person=person)
    question = directly(system, person, "", after)
    if "You agreed" in text_of(question):
        return
    system.client.click_label(question, "I agree", person=person, channel="dm")
    system.wait_for_card(question, "You agreed", person=person, channel="dm", timeout=60)


def shown(system: System, person: str, command: str, *words: str) -> str:
    """What a slash command of somebody's in #lab shows to them alone."""
    answer = slash(system, command, person=person)
    assert answer["flags"] & EPHEMERAL
    for word in words:
        assert word in text_of(answer), word
    return text_of(answer)


def test_forget_me_asks_the_person_alone_and_confirms_directly(system: System) -> None:
    opt_in(system, "ben")
    transcript_id = store_words(system, "ben")
    system.add_model("quoted")
    system.ask(f"!generate {SEED} --length 20", person="ben")
    system.client.open_dms("ben", opened=False)
    question = system.ask("!forget-me", person="ben")
    system.client.open_dms("ben")
    before = newest(system, person="dora")
    system.client.click_label(question, "Forget me", person="dora")
    whisper(system, "for somebody else", before, person="dora")
    assert stored_words(system, transcript_id, "ben")
    restart_bot(system)
    after, direct = newest(system, person="ben"), newest(system, person="ben", channel="dm")
    system.client.click_label(question, "Forget me", person="ben")
    confirmed = text_of(directly(system, "ben", "I forgot you", direct))
    assert "of yours taken out" in confirmed
    whisper(system, "I forgot you", after, person="ben")
    assert "of yours" not in text_of(system.client.message(question["id"]) or question)
    gone(system, transcript_id, "ben")
    with system.redis as client:
        jobs = [client.hget(key, "job") for key in client.scan_iter("job:*", _type="hash")]
        seeds = [job for job in jobs if job is not None and SEED.encode() in job]
        assert seeds == []
        said = client.hget(keys.consent(int(system.client.world().guild_id)), system.client.world().users["ben"])
        assert said is not None
        assert json.loads(said)["state"] == "out"
    restart_bot(system)
    shown(system, "ben", "privacy", "**No**", "Your words that are stored")


def test_nobodys_words_are_logged(system: System) -> None:
    logs = "\n".join(path.read_text(errors="replace") for path in Path(system.data / "logs").glob("*.log"))
    assert "consent_changed" in logs
    assert "members_withdrew" in logs
    for words in (SECRET, SEED, "marmalade", "pelican"):
        assert words not in logs
