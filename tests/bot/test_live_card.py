"""The card of a training in trouble: closed threads, missing permissions, deleted channels, an absent Redis."""

import asyncio
from typing import Any

import pytest

from bot.errors import ARCHIVED
from bot.train import card as live_card
from playground.places import GUILD_ID
from shared import keys
from shared.events import Cancelled, Event, Failed, Finished
from shared.jobs import TRAIN_QUEUE
from shared.settings import Settings
from tests.bot.ids import LAB
from tests.bot.live import Live, text_of
from tests.bot.stand_in import StandIn, lab
from tests.driver.faults import Fault
from tests.factories import corpus, finished, progress, record, train_job
from tests.registered import put
from worker.events import JobEvents

EDIT = r"/channels/\d+/messages/\d+"


@pytest.fixture
def worker(settings: Settings) -> StandIn:
    """Without a model."""
    return StandIn(settings)


async def waiting(live: Live, channel_id: int = LAB, source: str = "catalogue") -> None:
    """Have a training wait whose card is there."""
    await live.follow(train_job(job_id="t-77", place=lab(channel_id), corpus=corpus(source=source)))
    await live.until(lambda: live.showing("training t-77", channel=channel_id), "the card")


async def begun(live: Live, worker: StandIn, channel_id: int = LAB, source: str = "catalogue") -> JobEvents:
    """Begin a training whose card is there; what its worker tells of it."""
    await waiting(live, channel_id, source)
    return worker.begin()


async def test_it_says_that_the_channel_keeps_its_model(live: Live, worker: StandIn) -> None:
    worker.add_model(name="frankenstein")
    assert "Trainings here don't replace it" in await live.ask("!model use frankenstein --keep")
    assert "▶️ this channel's model, kept" in await live.ask("!models")
    learned = record(model_id="m2", guild_id=GUILD_ID, channel_id=LAB)
    (await begun(live, worker)).enter(finished(model=learned), GUILD_ID)
    put(worker.redis, learned)
    shown = await live.until(lambda: live.showing("This channel keeps `frankenstein`"), "the end")
    assert "--model tides" in text_of(shown)
    assert "now this channel's model" not in text_of(shown)
    assert worker.redis.hget(keys.channel(LAB), "model") == b"m1"
    live.press("ada", shown, "Use here")
    again = "made `tides` this channel's model. Trainings here replace it again."
    await live.until(lambda: live.showing(again), "the end of the keeping")
    await live.ask("!model use tides --keep")
    live.press("ada", shown, "Use here")
    await live.until(lambda: live.showing("made `tides` this channel's model. Trainings here don't"), "the same model")
    answer = await live.ask("!model use frankenstein")
    assert "Trainings here replace it again" in answer
    assert await live.bot.redis.hget(keys.channel(LAB), "keep") == b"0"


async def told(live: Live, worker: StandIn, words: str) -> str:
    """The one direct message to Ada, once the job is done with."""
    await live.until(lambda: not worker.waiting(), "the end of the job")
    (message,) = live.shown(words, channel=live.dm("ada"))
    return text_of(message)


async def test_the_end_of_a_training_in_an_archived_thread_goes_to_the_owner(live: Live, worker: StandIn) -> None:
    log = await begun(live, worker)
    live.faults.add(Fault("PATCH", EDIT, 400, ARCHIVED, times=1_000))
    log.publish(Failed(problem="The text is too short."))
    assert "was deleted" not in await told(live, worker, "The text is too short.")


@pytest.mark.parametrize(
    ("source", "asked", "end", "words"),
    [
        ("catalogue", b"finish", finished(), "The model is called `tides`"),
        ("upload", b"cancel", Cancelled(), "Nothing was kept"),
    ],
)
async def test_a_training_whose_channel_is_deleted_keeps_what_others_may_use_and_its_owner_is_told(
    live: Live, worker: StandIn, source: str, asked: bytes, end: Event, words: str
) -> None:
    channel = live.world.create_channel(GUILD_ID, "short-lived")
    log = await begun(live, worker, channel.id, source)
    live.remove_channel(channel.id)
    log.publish(progress(train_loss=1.5))
    await live.until(lambda: worker.redis.get(keys.job_control(log.job_id)) == asked, "the request to end")
    assert worker.waiting() == {log.job_id}, "it is not over"
    delivery = live.core.delivery  # the next run of the bot follows it, too
    await delivery.stop()
    delivery.stopped, delivery._seen = False, None
    delivery.start()
    await live.until(lambda: delivery.in_background, "the next run to follow it")
    log.publish(end)
    said = await told(live, worker, words)
    assert "was deleted" in said
    assert "this channel's model" not in said
    assert worker.redis.hgetall(keys.ACTIVE) == {}


async def test_a_waiting_training_whose_channel_is_deleted_is_over_with_one_word(live: Live, worker: StandIn) -> None:
    channel = live.world.create_channel(GUILD_ID, "short-lived")
    await waiting(live, channel.id)
    live.remove_channel(channel.id)
    worker.redis.delete(keys.workers(TRAIN_QUEUE))  # its card is to say that no worker is there
    await live.until(lambda: live.shown("was deleted", channel=live.dm("ada")), "the end")
    await live.until(lambda: not worker.waiting(), "the end of the job")
    assert "Nothing was kept" in text_of(*live.shown("was deleted", channel=live.dm("ada")))


@pytest.mark.parametrize("takes_messages", [True, False])
@pytest.mark.parametrize("end", [finished(), Failed(problem="The text is too short.", remedy="Take another.")])
async def test_an_end_that_discord_refuses_goes_to_the_owner(
    live: Live, worker: StandIn, end: Finished | Failed, takes_messages: bool
) -> None:
    log = await begun(live, worker)
    live.faults.add(Fault("PATCH", EDIT, 400, 50_035, times=1_000))
    if not takes_messages:
        live.faults.add(Fault("POST", rf"/channels/{live.dm('ada')}/messages", 403, 50_007, times=1_000))
    log.publish(end)
    await live.until(lambda: not worker.waiting(), "the end of the job")
    words = "called `tides`" if end.kind == "finished" else "The text is too short.\nTake another."
    messages = live.shown("training t-77", channel=live.dm("ada"))
    assert len(messages) == takes_messages
    assert not takes_messages or words in text_of(*messages)


@pytest.mark.parametrize("has_begun", [False, True])
async def test_a_training_whose_first_card_is_refused_ends_and_its_owner_is_told(
    live: Live, worker: StandIn, has_begun: bool
) -> None:
    live.faults.add(Fault("POST", rf"/channels/{LAB}/messages", 403, 50_001, times=1_000))
    job = train_job(job_id="t-77", place=lab(LAB))
    await live.core.jobs.submit_train(job, "text")
    if has_begun:
        worker.begin()
    live.core.delivery.follow(job, None)
    await live.until(lambda: not worker.waiting(), "the end of the job")
    model_id: Any = worker.redis.hget(keys.job("t-77"), "model_id")
    assert not worker.redis.exists(keys.ownership(model_id.decode())), "nobody owns a model that is never made"
    message = live.shown("training t-77", channel=live.dm("ada"))[0]
    assert "Discord doesn't let me show this training" in text_of(message)
    assert not await live.bot.redis.hlen(keys.ACTIVE)


async def test_a_training_is_kept_for_a_month_from_when_the_bot_was_last_on(live: Live, worker: StandIn) -> None:
    job = train_job(job_id="t-77", place=lab(LAB))
    await live.core.jobs.submit_train(job, "a tide " * 300)
    kept = [named(job.job_id) for named in (keys.job_text, keys.asked, keys.job, keys.job_events)]
    for key in kept:
        await live.bot.redis.expire(key, 60)
    live.core.delivery.follow(job, None)
    await live.until(lambda: all(worker.redis.ttl(key) > 24 * 3600 for key in kept), "a longer life")


async def test_an_old_card_goes_on_in_a_fresh_message(live: Live, worker: StandIn) -> None:
    log = await begun(live, worker)
    old = await live.until(lambda: live.showing("The Book of Tides"), "the card")
    live.patch.setattr(live_card, "FRESH_AFTER_S", 0)
    log.publish(progress(heldout_loss=1.04))
    await live.until(lambda: live.showing("1.50 bits"), "the fresh card")
    await live.until(lambda: len(live.shown("The Book of Tides")) == 1, "the old card to go")
    assert not [card for card in live.shown("The Book of Tides") if card.id == old.id]


async def test_a_long_limit_on_the_whole_bot_is_waited_out(live: Live, worker: StandIn) -> None:
    log = await begun(live, worker)
    live.faults.add(Fault("PATCH", EDIT, 429, retry_after=46, everywhere=True))
    log.publish(progress(heldout_loss=1.04))
    await live.until(lambda: not live.bot.http._global_over.is_set(), "the limit")
    loop = asyncio.get_running_loop()
    now = loop.time
    live.patch.setattr(loop, "time", lambda: now() + 45)
    await live.until(lambda: live.showing("1.50 bits"), "the card")


async def test_a_training_that_redis_has_lost_is_given_up(live: Live, worker: StandIn) -> None:
    live.patch.setattr(live_card, "UNKNOWN_AFTER_S", 0.05)
    await waiting(live)
    await live.until(lambda: live.showing("Queued"), "the card")
    worker.redis.flushdb()
    await live.until(lambda: live.showing("has lost this training"), "the end")
    await live.until(lambda: not live.core.delivery.in_background, "the end of the job")
    assert worker.redis.hgetall(keys.ACTIVE) == {}
    assert not [key for key in worker.redis.keys("job:*") if worker.redis.ttl(key) == -1]


async def test_a_new_model_becomes_the_channels_once(live: Live, worker: StandIn) -> None:
    log = await begun(live, worker)
    log.enter(finished(model=record(guild_id=GUILD_ID, channel_id=LAB)), GUILD_ID)
    await live.until(lambda: live.showing("is now this channel's model"), "the end")
    assert worker.redis.hget(keys.channel(LAB), "model") == b"m1"
    worker.redis.hset(keys.channel(LAB), "model", "another")
    job = train_job(job_id="t-77", place=lab())
    await live.models.registry.use_new(job, "m1")  # as a bot does that died before it had noted the end
    assert worker.redis.hget(keys.channel(LAB), "model") == b"another"
    again = train_job(job_id="t-78", place=lab(), replaces="old")
    await live.core.jobs.submit_train(again, "a text")
    await live.models.registry.use_new(again, "m1")
    assert worker.redis.hget(keys.channel(LAB), "model") == b"another", "it has the places of the old one"


@pytest.mark.parametrize("method", ["PATCH", "POST"])
async def test_a_404_that_is_not_discords_ends_no_training(live: Live, worker: StandIn, method: str) -> None:
    log = await begun(live, worker)
    if method == "POST":
        live.patch.setattr(live_card, "FRESH_AFTER_S", 0)
    fault = live.faults.add(Fault(method, rf"{EDIT}|/channels/\d+/messages", 404, times=3))
    log.publish(progress(heldout_loss=1.04))
    await live.until(lambda: fault.times == 0, "a card that is tried again")
    await live.until(lambda: live.showing("1.50 bits"), "the card")
    assert worker.redis.get(keys.job_control(log.job_id)) is None
    assert not live.shown("was deleted", channel=live.dm("ada"))
