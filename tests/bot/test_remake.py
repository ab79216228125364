"""Models whose words were withdrawn are made again or deleted in time, and what nothing needs any more is dropped."""

from __future__ import annotations

import time

import pytest

from bot.channels.store import Line
from bot.servers.access import Viewer
from galvanic.options import TrainOptions
from playground.places import CHANNEL_IDS, GUILD_ID, USER_IDS
from shared import keys
from shared.jobs import TrainJob
from shared.models import ModelRecord
from shared.transcripts import TranscriptInfo
from tests import factories
from tests.bot.channels import agreed, look, model_of, names, queued as waiting, talked
from tests.bot.live import Live, text_of
from tests.bot.stand_in import lab
from tests.transcripts import take_out, words, written

ADA, BEN, CLEO = (USER_IDS[name] for name in ("ada", "ben", "cleo"))
LAB, TAVERN, LIBRARY = (CHANNEL_IDS[name] for name in ("lab", "tavern", "library"))
HOUR_S, DAY_S = 3_600, 86_400
WITHIN_S = 72 * HOUR_S

pytestmark = pytest.mark.usefixtures("opted_in")


async def read(live: Live, *authors: int, channel_id: int = LAB) -> TranscriptInfo:
    """A transcript with a line of each author."""
    lines = [Line(1_000 + number, author, f"a line by {author}") for number, author in enumerate(authors)]
    return await written(live.channels.transcripts, lines, guild_id=GUILD_ID, channel_id=channel_id)


async def queued(live: Live) -> TrainJob:
    """The training for a model that is made again, once it waits in the queue."""
    followed = live.core.delivery.in_background
    job_id = await live.until(lambda: next(iter(followed), None), "the training")
    return await waiting(live, int(job_id.removeprefix("t-")))


async def stale_since(live: Live, model: ModelRecord, seconds: float) -> None:
    await live.bot.redis.hset(keys.STALE, model.model_id, str(time.time() - seconds))


async def test_a_model_of_withdrawn_words_is_made_again_without_them(live: Live) -> None:
    await talked(live, 300, "ada", "ben")
    info = await read(live, ADA, BEN)
    model = model_of(live, "sea", info.ref(0), options=TrainOptions(recipe="word", epochs=3))
    await live.ask("!optout", person="ben")
    job = await queued(live)
    assert (job.replaces, job.options.name, job.options.recipe, job.options.epochs) == ("sea", "sea", "word", 3)
    assert (job.place.channel_id, job.place.user_id) == (LAB, ADA)
    assert job.corpus.transcript is not None
    learned = await words(live.channels.transcripts, job.corpus.transcript.transcript_id)
    assert len(learned) == 100
    assert not [line for line in learned if not line.startswith("ada says")]
    assert await names(live) == ["sea"], "until the new one is there"
    assert await live.models.registry.gone_by(model) == pytest.approx(time.time() + WITHIN_S, abs=60)
    await live.until(lambda: live.showing(r"Learning \#lab"), "its card")

    model_of(live, "sea-2", job.corpus.transcript, replaces="sea", options=job.options)
    await look(live)
    (heir,) = await live.models.registry.all(GUILD_ID)
    assert (heir.model_id, heir.name, heir.replaces) == ("sea-2", "sea", None)
    assert not await live.bot.redis.hexists(keys.STALE, "sea")


async def test_the_new_model_takes_over_where_the_old_one_was_chosen(live: Live) -> None:
    info = await read(live, ADA, BEN)
    old = model_of(live, "sea", info.ref(0))
    other = model_of(live, "other", (await read(live, ADA)).ref(0))
    await live.models.registry.use(LAB, old)
    await live.models.registry.use(LIBRARY, other)
    replaced: list[tuple[int, str, str]] = []

    async def follow(guild_id: int, old_id: str, new_id: str) -> None:
        replaced.append((guild_id, old_id, new_id))

    live.models.registry.replaced.append(follow)
    await live.models.registry.amend("sea", lambda one: one.model_copy(update={"name": "ocean"}))
    now = await take_out(live.channels.transcripts, info.transcript_id, BEN)
    options = TrainOptions(name="sea")
    heir = model_of(live, "sea-2", info.ref(now), replaces="sea", options=options)
    await look(live)
    assert await names(live) == ["ocean", "other"], "its name of now"
    assert replaced == [(GUILD_ID, "sea", "sea-2")]
    assert (await live.core.servers.channel([LAB])).model == heir.model_id
    assert (await live.core.servers.channel([LIBRARY])).model == other.model_id


async def test_a_model_that_somebody_deletes_does_not_come_back(live: Live) -> None:
    """Neither by a training that is to replace it, nor by one that is over and waits for its turn."""
    await talked(live, 300, "ada", "ben")
    info = await read(live, ADA, BEN)
    model_of(live, "sea", info.ref(0))
    model_of(live, "tides", replaces="land")
    await live.ask("!optout", person="ben")
    job = await queued(live)
    assert job.corpus.transcript is not None
    model_of(live, "sea-2", job.corpus.transcript, replaces="sea")
    sent = live.send("!model delete sea")
    question = await live.until(lambda: live.answer(sent), "the question")
    live.press("ada", question, "Delete it")
    await live.until(lambda: live.showing("`sea` was deleted by"), "the deletion")
    assert await names(live) == ["tides"]
    snapshot = await live.core.snapshots.look(now=True)
    assert [one for one in snapshot.trainings if one.job.replaces] == []


async def test_it_is_deleted_at_the_deadline(live: Live) -> None:
    """It could not be made again: the channel may not be read any more."""
    info = await read(live, ADA, BEN)
    model = model_of(live, "sea", info.ref(0))
    await live.models.registry.use(LAB, model)
    await live.channels.withdrawals.withdraw(GUILD_ID, [BEN], why="optout")
    await look(live)
    assert await names(live) == ["sea"]
    await stale_since(live, model, WITHIN_S - 90)
    await look(live)
    assert await names(live) == ["sea"]
    await stale_since(live, model, WITHIN_S - 50)  # the next look would be too late
    await look(live)
    assert await names(live) == []
    assert (await live.models.registry.channel_models(Viewer(GUILD_ID, [LAB])))[1] is None
    assert not await live.bot.redis.hexists(keys.STALE, "sea")
    assert live.showing("I deleted my model `sea`: a member's words in it were withdrawn.") is not None


async def test_a_lifetime_ends(live: Live) -> None:
    live.bot.settings.channel_model_days = 30
    info = await read(live, ADA)
    old = model_of(live, "old", info.ref(0), created_at=time.time() - 30 * DAY_S - 1)
    young = model_of(live, "young", info.ref(0), created_at=time.time() - 30 * DAY_S + 600)
    model_of(live, "book", created_at=time.time() - 90 * DAY_S)
    await look(live)
    assert await names(live) == ["book", "young"]
    assert live.models.registry.expires(young) == pytest.approx(time.time() + 600, abs=60)
    assert live.showing("I deleted my model `old`: models of channels are kept only for a limited time.") is not None
    live.bot.settings.channel_model_days = None
    assert live.models.registry.expires(old) is None


async def test_transcripts_that_nothing_needs_are_forgotten(live: Live) -> None:
    await live.train.remaking.stop()  # else it may look between the next steps
    kept, used, unused = await read(live, ADA), await read(live, ADA), await read(live, ADA)
    reading = await written(live.channels.transcripts, [], reading=True, guild_id=GUILD_ID, channel_id=LAB)
    model_of(live, "sea", used.ref(0))
    for info in (used, unused):
        await live.channels.transcripts.drop_text(info.transcript_id)
    await look(live)
    there = {one.transcript_id for one in await live.channels.transcripts.all(GUILD_ID)}
    assert there == {kept.transcript_id, used.transcript_id, reading.transcript_id}
    assert not await live.bot.redis.keys(f"*{unused.transcript_id}*")


async def test_a_training_that_waits_needs_its_transcript(live: Live) -> None:
    info = await read(live, ADA)
    job = factories.train_job(place=lab(), corpus=factories.channel_corpus(info.ref(0)))
    await live.core.jobs.submit_train(job, None, (9, 9))
    await live.channels.transcripts.drop_text(info.transcript_id)
    await look(live)
    assert await live.channels.transcripts.load(info.transcript_id) is not None
    await live.core.jobs.cancel(job.job_id)
    await look(live)
    assert await live.channels.transcripts.load(info.transcript_id) is None


async def test_whoever_withdrew_is_told_when_all_is_done(live: Live) -> None:
    await agreed(live, "ada", "ben")
    info = await read(live, ADA, BEN)
    model = model_of(live, "sea", info.ref(0))
    await live.channels.consents.disallow(GUILD_ID, LAB, ADA)
    await live.ask("!optout", person="ben")
    await live.until(lambda: live.whispered("ben", "") or live.shown("", channel=live.dm("ben")), "an answer")
    await look(live)
    assert await live.channels.withdrawals.open() == {(GUILD_ID, BEN): ("sea",)}
    assert not live.showing("Done: every model", channel=live.dm("ben"))
    await stale_since(live, model, WITHIN_S)
    await look(live)
    said = await live.until(lambda: live.showing("Done: every model", channel=live.dm("ben")), "the end of it")
    assert "made again without them, or deleted" in text_of(said)
    assert await live.channels.withdrawals.open() == {}
    await look(live)
    assert len(live.shown("Done: every model", channel=live.dm("ben"))) == 1
    assert not live.showing("Done: every model", channel=live.dm("ada"))


async def test_where_it_was_turned_off_trainings_on_channels_end(live: Live) -> None:
    live.patch.setattr("bot.train.card.EDIT_EVERY_S", 0.05)
    info = await read(live, ADA)
    parent = model_of(live, "sea", info.ref(0))
    goes_on = {"parent": parent.ref, "parent_transcripts": parent.transcripts}
    for number, fields in enumerate([{"corpus": factories.channel_corpus(info.ref(0))}, goes_on, {}]):
        await live.follow(factories.train_job(job_id=f"t-{number}", place=lab(), **fields))
    live.bot.settings.channel_training = "off"
    live.bot.dispatch("words_withdrawn")
    words = "turned off learning from channels"
    await live.until(lambda: len(live.shown(words)) == 2, "the end of both")
    snapshot = await live.core.snapshots.look(now=True)
    assert [one.job.job_id for one in snapshot.trainings] == ["t-2"]
