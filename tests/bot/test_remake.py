"""Models of channels are made again or deleted in time, and what nothing needs any more is dropped."""

import time
from typing import Any

import pytest

from bot.models.readings import ReadingNote
from bot.servers.access import Viewer
from galvanic.errors import UserError
from galvanic.options import STARTER, TrainOptions
from playground.places import GUILD_ID
from shared import keys
from shared.jobs import TrainJob
from shared.models import ModelRecord
from tests import factories, lives
from tests.bot.channels import agreed, being_read, look, model_of, names, next_run, queued as waiting, talked, text_of
from tests.bot.ids import ADA, BEN, CLEO, LAB, LIBRARY, TAVERN
from tests.bot.live import Live
from tests.bot.stand_in import StandIn, lab
from tests.readings import channel_reading, noted

HOUR_S, DAY_S = 3_600, 86_400
WITHIN_S = 24 * HOUR_S

pytestmark = pytest.mark.usefixtures("opted_in")


async def read(live: Live, *members: int, channel_id: int = LAB, **fields: Any) -> ReadingNote:
    """A reading with these members' words."""
    where = {"guild_id": GUILD_ID, "channel_id": channel_id}
    return await noted(live.models.registry.notes, *members, **{**where, **fields})


async def queued(live: Live) -> TrainJob:
    """The training for a model that is made again, once it waits in the queue."""
    followed = live.core.delivery.in_background
    job_id = await live.until(lambda: next(iter(followed), None), "the training")
    return await waiting(live, int(job_id.removeprefix("t-")))


async def withdrawn(live: Live, note: ReadingNote, seconds: float = 0.0) -> None:
    """Words of a reading were withdrawn, so many seconds ago."""
    await live.bot.redis.hset(keys.reading(note.reading_id), "withdrawn_at", str(time.time() - seconds))


async def test_a_model_of_withdrawn_words_is_made_again_without_them(live: Live) -> None:
    await talked(live, 300, "ada", "ben")
    note = await read(live, ADA, BEN, speakers=True)
    model = model_of(live, "sea", note, options=TrainOptions(recipe="word", epochs=3))
    await live.ask("!optout", person="ben")
    job = await queued(live)
    assert (job.replaces, job.options.name, job.options.recipe, job.options.epochs) == ("sea", "sea", "word", 3)
    assert (job.place.channel_id, job.place.user_id) == (LAB, ADA)
    assert job.reading is not None
    assert (job.reading.after, job.reading.speakers) == (0, True)
    learned = (await text_of(live, job.job_id)).splitlines()
    assert len(learned) == 100
    assert all(": ada says" in line for line in learned)
    assert await names(live) == ["sea"], "until the new one is there"
    assert await live.models.registry.gone_by(model) == pytest.approx(time.time() + WITHIN_S, abs=60)
    await live.until(lambda: live.showing(r"Learning \#lab"), "its card")

    model_of(live, "sea-2", *job.readings, replaces="sea", options=job.options)
    await look(live)
    (heir,) = await live.models.registry.all(GUILD_ID)
    assert (heir.model_id, heir.name, heir.replaces) == ("sea-2", "sea", None)
    assert await live.models.registry.notes.load(note.reading_id) is None, "nothing needs it any more"


async def test_of_several_models_one_is_read_for_at_a_time(live: Live) -> None:
    await live.remaking.stop()
    await live.readings.stop()
    await talked(live, 300, "ada", "ben")
    note = await read(live, ADA, BEN)
    for name in ("sea", "tides"):
        model_of(live, name, note)
    await withdrawn(live, note)
    await look(live)
    (first,) = await being_read(live)
    model_of(live, "of-two-channels", note, await read(live, ADA, channel_id=TAVERN))
    await look(live)
    assert await names(live) == ["sea", "tides"], "what can't be made again has nothing to wait for"
    await next_run(live)
    await waiting(live, int(first.job_id.removeprefix("t-")))
    await look(live)
    assert {job.replaces for job in await live.core.snapshots.trainings()} == {"sea", "tides"}


async def test_the_whole_chain_is_made_again_at_once(live: Live) -> None:
    """From its nearest ancestor that learned no messages, with all epochs since, from the chain's first message."""
    await talked(live, 300, "ada", "ben")
    first, second = await read(live, ADA, after=5, until=7), await read(live, ADA, BEN, after=7)
    model_of(live, "book", epochs=4)
    model_of(live, "sea", first, parent="book", epochs=7)
    model = model_of(live, "sea-2", second, first, parent="sea", epochs=9)
    request = await live.remaking.request(live.guild, model)
    assert request.reading is not None
    assert (request.parent and request.parent.name, request.options.epochs, request.reading.after) == ("book", 5, 5)
    alone = model_of(live, "alone", first, parent=STARTER, epochs=3, options=TrainOptions(minutes=2))
    request = await live.remaking.request(live.guild, alone)
    assert (request.parent, request.options.epochs, request.options.minutes) == (None, None, 2)
    long = model_of(live, "long", first, parent=STARTER, options=TrainOptions(epochs=9_999, minutes=9_999))
    options = (await live.remaking.request(live.guild, long)).options
    assert (options.epochs, options.minutes) == (500, 180), "the limits may have been lowered since"


async def test_it_does_not_start_from_a_text_that_is_for_others(live: Live) -> None:
    """The ancestor was renamed, and a file of another channel was learned under its name."""
    await talked(live, 300, "ada", "ben")
    note = await read(live, ADA)
    model = model_of(live, "sea", note, parent="book", epochs=7)
    book = model_of(live, "book", channel_id=TAVERN, scope="channel", epochs=4)
    request = await live.remaking.request(live.guild, model)
    assert (request.parent, request.options.epochs) == (None, 7)
    await live.models.registry.amend(book, lambda one: one.model_copy(update={"shared_with": (LAB,)}))
    request = await live.remaking.request(live.guild, model)
    assert (request.parent and request.parent.name, request.options.epochs) == ("book", None)


async def test_the_new_model_takes_over_where_the_old_one_was_chosen(live: Live) -> None:
    note = await read(live, ADA, BEN)
    old = model_of(live, "sea", note, shared_with=(TAVERN,))
    other = model_of(live, "other", await read(live, ADA))
    await live.models.registry.use(LAB, old)
    await live.models.registry.use(LIBRARY, other)
    replaced: list[tuple[int, str, str]] = []

    async def follow(guild_id: int, old_id: str, new_id: str) -> None:
        replaced.append((guild_id, old_id, new_id))

    live.models.registry.replaced.append(follow)
    await live.models.registry.amend(old, lambda one: one.model_copy(update={"name": "ocean"}))
    await withdrawn(live, note)
    options = TrainOptions(name="sea")
    heir = model_of(live, "sea-2", await read(live, ADA), replaces="sea", options=options)
    await look(live)
    assert await names(live) == ["ocean", "other"], "its name of now"
    assert replaced == [(GUILD_ID, "sea", "sea-2")]
    (record,) = [one for one in await live.models.registry.all(GUILD_ID) if one.name == "ocean"]
    assert (record.model_id, record.shared_with) == (heir.model_id, (TAVERN,))
    assert (await live.core.servers.channel([LAB])).model == heir.model_id
    assert (await live.core.servers.channel([LIBRARY])).model == other.model_id


async def test_a_model_stays_until_a_training_that_waits_has_started_from_it(live: Live, worker: StandIn) -> None:
    old = model_of(live, "sea", await read(live, ADA))
    model_of(live, "sea-2", await read(live, ADA), replaces="sea", options=TrainOptions(name="sea"))
    job = await live.follow(factories.train_job(place=lab(), parent=old.ref))
    await look(live)
    assert {"sea", "sea-2"} < set(await names(live))
    lives.take(worker.redis, job.job_id).publish(factories.progress())
    await look(live)
    assert "sea-2" not in await names(live)
    assert await live.models.registry.record("sea") is None


async def test_who_withdraws_while_it_is_made_again_is_in_neither(live: Live) -> None:
    await agreed(live, "ada")
    old, new = await read(live, ADA, BEN), await read(live, ADA, CLEO)
    model_of(live, "sea", old)
    model_of(live, "sea-2", new, replaces="sea")
    for note in (old, new):
        await withdrawn(live, note)
    await look(live)
    assert await names(live) == ["sea"], "which gets another one"


async def test_a_model_that_somebody_deletes_does_not_come_back(live: Live) -> None:
    """Not by a training that is to replace it, by one that is over and waits for its turn, or by one that begins."""
    await talked(live, 300, "ada", "ben")
    model = model_of(live, "sea", await read(live, ADA, BEN))
    request = await live.remaking.request(live.guild, model)
    model_of(live, "tides", replaces="land")
    await live.ask("!optout", person="ben")
    job = await queued(live)
    model_of(live, "sea-2", *job.readings, replaces="sea")
    sent = live.send("!model delete sea")
    question = await live.until(lambda: live.answer(sent), "the question")
    live.press("ada", question, "Delete it")
    await live.until(lambda: live.showing("`sea` was deleted by"), "the deletion")
    assert await names(live) == ["tides"]
    snapshot = await live.core.snapshots.look(now=True)
    assert [one for one in snapshot.trainings if one.job.replaces] == []
    with pytest.raises(UserError, match="was deleted"):
        await live.trainings.begin_again(model, request, limited=True)


async def test_it_is_deleted_at_the_deadline(live: Live) -> None:
    """It could not be made again: there is too little."""
    await live.remaking.stop()
    await agreed(live, "ada")
    note = await read(live, ADA, BEN)
    model = model_of(live, "sea", note)
    await live.models.registry.use(LAB, model)
    await withdrawn(live, note, WITHIN_S - 90)
    await look(live)
    assert await names(live) == ["sea"]
    await withdrawn(live, note, WITHIN_S - 50)  # the next look would be too late
    await look(live)
    assert await names(live) == []
    assert await live.models.registry.current(Viewer(GUILD_ID, [LAB])) is None
    assert (
        live.showing("I deleted my model `sea`: a member's words in it were withdrawn. `!train #CHANNEL`") is not None
    )


async def test_it_is_deleted_at_the_deadline_in_a_server_that_the_bot_does_not_see(live: Live) -> None:
    """As in one of another application, whose data lie in the same Redis."""
    theirs, registry = 7, live.models.registry
    note = await noted(registry.notes, ADA, guild_id=theirs, channel_id=8)
    old = await noted(registry.notes, ADA, guild_id=theirs, channel_id=8, read_at=time.time() - 29.5 * DAY_S)
    older = await noted(registry.notes, ADA, guild_id=theirs, channel_id=8, read_at=time.time() - 30.5 * DAY_S)
    for name, reading in (("sea", note), ("shore", old), ("cliff", older)):
        model_of(live, name, reading, guild_id=theirs)
    await live.remaking.delete_unseen()
    assert {model.name for model in await registry.all(theirs)} == {"sea", "shore"}
    assert [await registry.gone_by(model) for model in await registry.all(theirs)] == [None, None], "nothing is noted"
    await withdrawn(live, note, WITHIN_S + 1)
    await live.remaking.delete_unseen()
    assert {model.name for model in await registry.all(theirs)} == {"shore"}


@pytest.mark.parametrize("learned", ["two channels", "a file", "a book besides"])
async def test_what_cannot_be_made_again_is_deleted_at_once(live: Live, learned: str) -> None:
    await agreed(live, "ada")
    note = await read(live, ADA, BEN)
    more = [await read(live, ADA, channel_id=TAVERN)] if learned == "two channels" else []
    book = {"corpus": factories.corpus()} if learned == "a book besides" else {}
    model_of(live, "sea", note, *more, imported=learned == "a file", **book)
    await look(live)
    assert await names(live) == ["sea"]
    await withdrawn(live, note)
    await look(live)
    assert await names(live) == []


async def test_what_is_too_old_is_made_again(live: Live) -> None:
    await live.remaking.stop()
    await talked(live, 300, "ada", "ben")
    young = await read(live, ADA, read_at=time.time() - 29 * DAY_S + 600, channel_id=TAVERN)
    old = await read(live, ADA, read_at=time.time() - 29 * DAY_S - 1)
    model_of(live, "book")
    models = {name: model_of(live, name, note) for name, note in (("young", young), ("old", old))}
    assert await live.models.registry.renewed_by(models["young"]) == pytest.approx(time.time() + 600, abs=60)
    await look(live)
    assert (await queued(live)).replaces == "old"
    assert await names(live) == ["book", "old", "young"]
    assert await live.models.registry.gone_by(models["old"]) == pytest.approx(time.time() + WITHIN_S, abs=60)
    assert not await live.models.registry.is_withdrawn(models["old"].readings), "it can still be trained further"


async def test_what_is_too_old_and_cannot_be_made_again_in_time_is_deleted(live: Live) -> None:
    await live.remaking.stop()
    await agreed(live, "ada")
    old = await read(live, ADA, read_at=time.time() - 40 * DAY_S)
    model_of(live, "sea", old)
    await live.bot.redis.hset(keys.reading(old.reading_id), "outdated_at", str(time.time() - WITHIN_S))
    assert await live.models.registry.usable(Viewer(GUILD_ID, [LAB])) == []
    await look(live)
    assert await names(live) == []
    assert live.showing("I deleted my model `sea`: it was too old") is not None


async def test_readings_that_nothing_needs_are_forgotten(live: Live) -> None:
    await live.remaking.stop()  # else it may look between the next steps
    used, unused, waits = await read(live, ADA), await read(live, ADA), channel_reading(LAB)
    model_of(live, "sea", used)
    job = factories.train_job(place=lab(), corpus=factories.channel_corpus(waits.reading_id, chars=0), reading=waits)
    await live.core.jobs.submit_train(job, None)
    await noted(live.models.registry.notes, ADA, guild_id=GUILD_ID, **dict(waits))
    await look(live)
    assert set(await live.models.registry.notes.ids(GUILD_ID)) == {used.reading_id, waits.reading_id}
    assert not await live.bot.redis.keys(f"*{unused.reading_id}*")
    await live.core.jobs.cancel(job.job_id)
    await look(live)
    assert list(await live.models.registry.notes.ids()) == [used.reading_id]


async def test_where_it_was_turned_off_trainings_on_channels_end(live: Live) -> None:
    note = await read(live, ADA)
    parent: ModelRecord = model_of(live, "sea", note)
    goes_on = {"parent": parent.ref, "parent_readings": parent.readings}
    learns = {"corpus": factories.channel_corpus(note.reading_id), "reading": channel_reading(LAB)}
    trainings: list[dict[str, Any]] = [learns, goes_on, {}]
    for number, fields in enumerate(trainings):
        await live.follow(factories.train_job(job_id=f"t-{number}", place=lab(), **fields))
    live.bot.settings.channel_training = "off"
    live.bot.dispatch("words_withdrawn")
    words = "turned off learning from channels"
    await live.until(lambda: len(live.shown(words)) == 2, "the end of both")
    snapshot = await live.core.snapshots.look(now=True)
    assert [one.job.job_id for one in snapshot.trainings] == ["t-2"]
