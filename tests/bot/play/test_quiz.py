"""Real or model?: from the command to the answer and the table, without a worker that writes."""

import json
import re
from typing import Any

import pytest
from simcord.backend.models import Message

from bot.channels.export import export
from bot.play import quiz as service
from galvanic.options import STARTER
from playground.places import CHANNEL_IDS, GUILD_ID, USER_IDS
from shared import keys
from shared.connect import connect
from shared.events import Quizzed
from shared.jobs import QuizJob
from tests.bot.channels import model_of
from tests.bot.ids import ADA, BEN, DORA, LAB, LIBRARY
from tests.bot.live import Live, text_of
from tests.bot.rooms import heard
from tests.bot.stand_in import StandIn
from tests.factories import channel_corpus, record

PASSAGES = ("the gulls went *home*", "the sea was calm\nAnd cold", "a boat came @everyone in")


async def asked(live: Live, worker: StandIn, typed: str = "!quiz tides --seconds 600", channel: str = "lab") -> QuizJob:
    """What the worker is asked for by a command."""
    live.send(typed, channel=channel)
    return await live.job(await worker.asked(live), QuizJob)


async def begun(live: Live, worker: StandIn, channel: str = "lab", real: int = 1) -> Message:
    """A quiz's message, with its id noted."""
    job = await asked(live, worker, channel=channel)
    worker.tell(job.job_id, Quizzed(passages=PASSAGES, real=real))
    key = keys.quiz(CHANNEL_IDS[channel])
    await live.until(lambda: worker.redis.hexists(key, "message") and not worker.waiting(), "the quiz to begin")
    message = live.shown("Which one is real?", channel=channel)[-1]
    assert int(worker.redis.hget(key, "message") or 0) == message.id
    return message


def buttons(message: Message) -> list[dict[str, Any]]:
    return [item for row in message.components for item in row["components"]]


async def guess(live: Live, message: Message, person: str, letter: str, answer: str = "You guessed") -> None:
    before = len(whispers(live, person, message.channel_id))
    custom_id = next(one["custom_id"] for one in buttons(message) if one["label"] == letter)
    live.acts.click(USER_IDS[person], message.channel_id, message.id, custom_id)
    seen = await live.until(lambda: whispers(live, person, message.channel_id)[before:], "an answer to the guess")
    assert answer in seen[0]


def whispers(live: Live, person: str, channel_id: int) -> list[str]:
    found = live.people.visible_messages(USER_IDS[person], channel_id)
    return [text_of(one) for one in found if one.is_ephemeral and text_of(one)]


async def end(live: Live, channel_id: int = LAB) -> None:
    """Let a quiz's time be over, and the bot be ready once more, as after a restart."""
    client, key = connect(live.bot.settings), keys.quiz(channel_id)
    client.zadd(keys.QUIZZES, {str(channel_id): 1})
    live.bot.dispatch("ready")
    await live.until(lambda: not client.exists(key), "the end")


async def ended(live: Live, message: Message) -> str:
    """What a quiz's message says once its time is over."""
    await end(live, message.channel_id)
    return text_of(live.world.get_message(message.channel_id, message.id))


def scores(worker: StandIn) -> dict[int, str]:
    fields: Any = worker.redis.hgetall(keys.quiz_scores(GUILD_ID))
    return {int(who): one.decode() for who, one in fields.items()}


async def test_guesses_are_answered_in_time_and_counted(live: Live, worker: StandIn) -> None:
    message = await begun(live, worker)
    assert [one["label"] for one in buttons(message)] == ["A", "B", "C"]
    assert "**B**\n> the sea was calm\n> And cold" in text_of(message)
    assert "\\*home\\*" in text_of(message)
    await guess(live, message, "ada", "A")
    await guess(live, message, "ben", "B")
    await guess(live, message, "dora", "C")
    await guess(live, message, "dora", "B")  # changed
    said = await ended(live, message)
    assert "**B** comes from the text" in said
    assert "**B** ✅" in said
    assert "2 of 3 guessed right" in said
    assert f"<@{BEN}>" in said
    assert f"<@{DORA}>" in said
    assert f"<@{ADA}>" not in said
    shown = live.world.get_message(LAB, message.id)
    assert not shown.ping_user_ids
    assert not shown.mention_everyone
    assert not buttons(shown)
    assert scores(worker) == {ADA: "0:1", BEN: "1:1", DORA: "1:1"}
    assert not await live.bot.redis.zcard(keys.QUIZZES)
    table = await live.ask("!quiz scores")
    assert table.index(f"<@{BEN}>: 1 of 1") < table.index(f"<@{ADA}>: 0 of 1")


async def test_nothing_before_the_end_tells_which_one_is_real(live: Live, worker: StandIn) -> None:
    shown = []
    for channel, real in (("lab", 0), ("tavern", 2)):
        message = await begun(live, worker, channel, real)
        told = json.dumps([message.content, message.embeds, buttons(message)])
        shown.append(re.sub(r"q-\d+|<t:\d+:R>", "", told))
    assert shown[0] == shown[1]


@pytest.mark.usefixtures("channels_on")
async def test_models_that_may_not_be_guessed_at_are_refused(live: Live, worker: StandIn) -> None:
    heard(live, channel_id=LAB, source=LAB)
    for name, fields in (
        ("said", {"corpus": channel_corpus(None)}),
        ("parrot", {"copy_share": 0.6}),
        ("foreign", {"scope": "channel", "channel_id": LIBRARY}),
    ):
        model_of(live, name, **fields)
    for name, why in (
        ("whispers", "learned from people's messages"),
        ("said", "learned from people's messages"),
        ("parrot", "mostly recites its text"),
        ("foreign", "No model called `foreign`"),
        (STARTER, "keeps no text"),
    ):
        assert why in await live.ask(f"!quiz {name}"), name
    assert not worker.waiting()
    assert "`--seconds` is 5" in await live.ask("!quiz --seconds 5")
    assert "`--passages` is 9" in await live.ask("!quiz --passages 9")


async def test_late_and_forged_guesses_are_refused(live: Live, worker: StandIn) -> None:
    message = await begun(live, worker)
    forged = [{"type": 1, "components": [{**buttons(message)[0], "label": "D", "custom_id": "galvanic:guess:q-1:0"}]}]
    job_id = buttons(message)[0]["custom_id"].split(":")[2]
    for custom_id in ("galvanic:guess:q-1:0", f"galvanic:guess:{job_id}:3"):
        forged[0]["components"][0]["custom_id"] = custom_id  # type: ignore[index]
        message.components = [*message.components, *forged]
        await guess(live, message, "ben", "D", "takes no more guesses")
        message.components = message.components[:1]
    components = list(message.components)
    await live.bot.redis.zadd(keys.QUIZZES, {str(LAB): 1})  # its time is over, and the bot has not noticed yet
    await guess(live, message, "ben", "B", "takes no more guesses")
    await ended(live, message)
    live.world.get_message(LAB, message.id).components = components
    await guess(live, message, "ben", "B", "takes no more guesses")
    assert scores(worker) == {}


async def test_forget_me_takes_guesses_and_scores_and_export_data_tells_them(live: Live, worker: StandIn) -> None:
    message = await begun(live, worker)
    await guess(live, message, "ben", "B")
    worker.redis.hset(keys.quiz_scores(GUILD_ID), mapping={str(BEN): "3:4", str(DORA): "1:2"})
    ben = await live.bot.fetch_user(BEN)
    files, _ = await export(live.channels.member_data, ben)
    (server,) = json.loads(files[0].fp.read())["servers"]
    assert server["your_guesses_in_quizzes"] == "3:4"
    await live.channels.member_data.forget_requests(BEN, [GUILD_ID])
    assert scores(worker) == {DORA: "1:2"}
    assert "Nobody guessed" in await ended(live, message)


async def test_a_quiz_ends_where_its_channel_was_deleted(live: Live, worker: StandIn) -> None:
    await guess(live, await begun(live, worker), "ben", "B")
    live.remove_channel(LAB)
    await end(live)
    assert not worker.redis.exists(keys.QUIZZES)
    assert scores(worker) == {}


@pytest.mark.parametrize("field", ["job", "drawn"])
async def test_a_damaged_quiz_ends_in_time(live: Live, worker: StandIn, field: str) -> None:
    message = await begun(live, worker)
    await guess(live, message, "ben", "B")
    worker.redis.hset(keys.quiz(LAB), field, "{")
    await guess(live, message, "ada", "A", "takes no more guesses" if field == "job" else "You guessed")
    await end(live)
    assert scores(worker) == {}
    await asked(live, worker)  # another one can begin


async def test_tables_are_bounded(live: Live, worker: StandIn) -> None:
    live.patch.setattr(service, "MOST_SCORES", 1)
    live.patch.setattr(service, "MOST_GUESSES", 6)  # of which five are no guesses
    worker.redis.hset(keys.quiz_scores(GUILD_ID), str(BEN), "3:4")
    message = await begun(live, worker)
    await guess(live, message, "ada", "B")
    await guess(live, message, "ben", "B", "takes no more guesses")
    live.patch.setattr(service, "MOST_GUESSES", 9)
    await guess(live, message, "ben", "B")
    await ended(live, message)
    assert scores(worker) == {BEN: "4:5"}
    assert worker.redis.ttl(keys.quiz_scores(GUILD_ID)) > 0


async def test_one_at_a_time_in_a_channel(live: Live, worker: StandIn) -> None:
    message = await begun(live, worker)
    assert "A quiz is already running in this channel" in await live.ask("!quiz")
    # As when two people asked at once.
    place = (await live.job(f"q-{message.reference['message_id']}", QuizJob)).place  # type: ignore[index]
    other = QuizJob(job_id="q-2", place=place, model={"model_id": "m1", "name": "tides"}, passages=3, seconds=60)
    event = Quizzed(passages=PASSAGES, real=0)
    await live.core.delivery.post(other, event, live.bot.get_partial_messageable(LAB).send)
    assert len(live.shown("Which one is real?")) == 1
    await ended(live, message)
    await live.core.delivery.post(other, event, live.bot.get_partial_messageable(LAB).send)
    assert len(live.shown("Which one is real?")) == 1


async def test_a_model_that_may_no_longer_be_used_takes_no_guess_and_has_no_answer(live: Live, worker: StandIn) -> None:
    message = await begun(live, worker)
    await guess(live, message, "ben", "B")
    await live.models.registry.remove(record(guild_id=GUILD_ID))
    await guess(live, message, "ada", "B", "can no longer be used")
    said = await ended(live, message)
    assert "This quiz has no answer" in said
    assert not any(passage in said for passage in PASSAGES)
    assert scores(worker) == {}
