"""Trainings on channels, on the bot's side: their text comes and goes with them, and readings are carried on."""

import json
from typing import Any

import pytest
import redis.asyncio
from redis.asyncio.client import Pipeline

from bot.channels.consent import Consents, ConsentStore
from bot.jobs.client import JobClient
from bot.train import embeds
from bot.train.state import TrainingState
from bot.write.changes import hotter
from playground.places import GUILD_ID
from shared import keys, lifecycle
from shared.corpora.corpus import pack
from shared.events import Cancelled, Event, Failed, Generated, Interrupted, Sample, Started
from shared.jobs import TrainJob
from tests import factories
from tests.bot.channels import members_of, model_of, note_of, queued, read, talked
from tests.bot.ids import ADA, BEN, LAB
from tests.bot.live import Live
from tests.bot.stand_in import StandIn
from tests.factories import CHANNEL, channel_corpus, generate_job, progress, train_job
from tests.readings import channel_reading, noted

pytestmark = pytest.mark.usefixtures("opted_in")


# ---------------------------------------------------------------------- the text


async def handed_over(queue: JobClient, job_id: str = "t-1") -> TrainJob:
    """A training whose channel was read."""
    reading = channel_reading(CHANNEL)
    job = train_job(job_id=job_id, corpus=channel_corpus(reading.reading_id, chars=0), reading=reading)
    assert await queue.submit_train(job, None)
    handed = job.model_copy(update={"corpus": channel_corpus(reading.reading_id, chars=7)})

    async def prepare(pipe: Pipeline) -> lifecycle.Script:
        pipe.multi()
        return lifecycle.text_read(handed, pack("a tide\n"), b"1111")

    assert await queue.text_read(job, prepare)
    return handed


@pytest.mark.parametrize("end", ["cancel", "give up", "roll back"])
async def test_the_text_goes_with_its_training(queue: JobClient, client: redis.asyncio.Redis, end: str) -> None:
    job, other = await handed_over(queue), await handed_over(queue, "t-2")
    assert await queue.channel_text(job.job_id) == ("a tide\n", b"1111")
    if end == "cancel":
        assert await queue.cancel(job.job_id) == "cancelled"
    elif end == "give up":
        assert await queue.give_up(job, Failed(problem="It failed."))
    else:
        await queue.roll_back(job.job_id)
    assert await queue.channel_text(job.job_id) is None
    assert not await client.exists(keys.job_text(job.job_id), keys.job_authors(job.job_id))
    assert await queue.channel_text(other.job_id) is not None


async def test_a_training_that_was_cancelled_meanwhile_gets_no_text(queue: JobClient) -> None:
    reading = channel_reading(CHANNEL)
    job = train_job(corpus=channel_corpus(reading.reading_id, chars=0), reading=reading)
    await queue.submit_train(job, None)

    async def prepare(pipe: Pipeline) -> lifecycle.Script:
        await queue.cancel(job.job_id)  # after the look at its state
        pipe.multi()
        pipe.set("note", "1")
        return lifecycle.text_read(job, pack("a tide\n"), b"1111")

    assert not await queue.text_read(job, prepare)
    assert await queue.channel_text(job.job_id) is None
    assert await queue._redis.get("note") is None, "all in one step, or nothing"


async def test_workers_are_told_nothing_of_a_reading_but_its_id(queue: JobClient, client: redis.asyncio.Redis) -> None:
    job = await handed_over(queue)
    job_json: Any = await client.hget(keys.job(job.job_id), "job")
    data = json.loads(job_json)
    assert data["corpus"]["reading"] == job.corpus.reading
    assert (data["reading"], data["parent_readings"]) == (None, [])
    stored = await queue.load(job.job_id)
    assert stored is not None
    assert isinstance(stored.job, TrainJob)
    assert stored.job.readings == job.readings != ()


# ---------------------------------------------------------------------- the note


async def test_the_note_says_what_was_read_and_whose_words(live: Live) -> None:
    job = await read(live)
    note = await note_of(live, job)
    assert job.reading is not None
    assert note.ref == job.reading.ref
    assert (note.guild_id, note.channel_id, note.source_id, note.after) == (GUILD_ID, LAB, LAB, 0)
    assert await members_of(live, job) == {ADA, BEN}
    assert not await live.bot.redis.exists(keys.reading_pages(note.reading_id), keys.reading_state(note.reading_id))


async def test_an_answer_between_the_last_page_and_the_hand_over_counts(live: Live) -> None:
    """The step fails, and is done again, as somebody answers after it has looked."""
    await talked(live, 300, "ada", "ben")
    looks = 0
    consents = ConsentStore.of

    async def answered(self: ConsentStore, guild_id: int, *args: Any, **options: Any) -> Consents:
        nonlocal looks
        found = await consents(self, guild_id, *args, **options)
        if len(args) == 2 and args[1] is not None:  # of the hand-over
            looks += 1
            if looks == 1:
                no = '{"state": "out", "at": 1.0, "since": 1}'
                await live.bot.redis.hset(keys.consent(GUILD_ID), str(BEN), no)
        return found

    live.patch.setattr(ConsentStore, "of", answered)
    job = await queued(live, live.send("!train #lab").id)
    assert looks == 2
    assert await members_of(live, job) == {ADA}
    found = await live.core.jobs.channel_text(job.job_id)
    assert found is not None
    assert "ben" not in found[0]


# ---------------------------------------------------------------------- further trainings


async def finished(live: Live, job: TrainJob, name: str, **fields: object) -> None:
    """The training ends with a model."""
    model = model_of(live, name, *job.readings, corpus=job.corpus, **fields)
    StandIn(live.bot.settings).tell(job.job_id, factories.finished(model=model))


async def test_new_messages_are_read_and_the_readings_are_carried_on(live: Live) -> None:
    job = await read(live)
    note = await note_of(live, job)
    await finished(live, job, "sea")
    card = await live.until(lambda: live.showing("Learned"), "the end")
    for number in range(60):
        live.send(f"ada says the new word number {number}")
    live.press("ada", card, "Learn new messages")
    await live.until(lambda: live.showing("newer messages"), "the next card")
    (training,) = (await live.core.snapshots.look(now=True)).trainings
    newer = await queued(live, int(training.job.job_id.removeprefix("t-")))
    assert newer.reading is not None
    assert (newer.reading.after, newer.parent and newer.parent.name) == (note.until, "sea")
    assert newer.readings == (newer.reading.ref, *job.readings)
    found = await live.core.jobs.channel_text(newer.job_id)
    assert found is not None
    assert found[0].splitlines()[0] == "ada says the new word number 0"


async def test_more_of_a_channel_reads_it_again_and_goes_on_from_the_model(live: Live) -> None:
    job = await read(live, typed="!train #lab --speakers")
    await live.core.jobs.cancel(job.job_id)
    await live.models.registry.use(LAB, model_of(live, "sea", *job.readings, corpus=job.corpus))
    again = await queued(live, live.send("!train more").id)
    assert again.reading is not None
    assert (again.reading.after, again.reading.speakers, again.parent and again.parent.name) == (0, True, "sea")
    assert again.readings == (again.reading.ref, *job.readings)


async def test_a_model_that_learned_withdrawn_words_is_not_trained_further(live: Live) -> None:
    job = await read(live)
    await live.core.jobs.cancel(job.job_id)
    await live.models.registry.use(LAB, model_of(live, "sea", *job.readings, corpus=job.corpus))
    await live.consents.disallow(GUILD_ID, LAB, ADA)  # so that it is not made again meanwhile
    await live.channels.withdrawals.withdraw(GUILD_ID, BEN, why="test")
    for typed in ("!train more", "!train python-docs --from sea"):
        assert "have since been withdrawn" in await live.ask(typed)


async def test_a_training_on_a_book_from_a_channels_model_carries_the_readings_on(live: Live) -> None:
    note = await noted(live.models.registry.notes, ADA, guild_id=GUILD_ID, channel_id=LAB)
    model_of(live, "sea", note)
    sent = live.send("!train python-docs --from sea")
    await live.until(lambda: live.showing("Python"), "the card")
    job = await live.job(f"t-{sent.id}", TrainJob)
    assert (job.reading, job.readings) == (None, (note.ref,))


# ---------------------------------------------------------------------- cards


def view_of(*events: Event) -> TrainingState:
    return TrainingState.of(events)


def test_a_card_tells_that_a_member_withdrew_and_forgets_what_was_there() -> None:
    begun = (Started(worker="w"), progress(), Sample(epoch=1, text="their words"))
    view = view_of(*begun, Interrupted(text_changed=True))
    assert (view.state, view.progress, view.samples) == ("interrupted", None, ())
    view = view.after(Started(worker="w"))
    said = embeds.training(train_job(), view, embeds.CardContext()).to_dict()
    assert "A member withdrew: I begin again without their words." in said["description"]
    assert "their words" not in str(said["fields"])
    for later in (progress(), Started(worker="w", resumed=True)):  # it stays true
        view = view.after(later)
        embed = embeds.training(train_job(), view, embeds.CardContext())
        assert "A member withdrew" in (embed.description or "")
    view = view.after(Cancelled())
    assert "withdrew" not in str(embeds.training(train_job(), view, embeds.CardContext()).to_dict())


def test_a_blank_beginning_stays_one_at_another_temperature() -> None:
    job = generate_job(from_line=True, seed="")
    answer = Generated(seed="\n", text="a tide", temperature=0.8, random_seed=7, seconds=0.1)
    changed = hotter(job, answer, 0.2)
    assert (changed.from_line, changed.random_seed) == (True, 7)
