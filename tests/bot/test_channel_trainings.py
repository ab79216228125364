"""Trainings on channels' messages, on the bot's side: whose words are learned again, and how long they are kept."""

from __future__ import annotations

import pytest
import redis
import redis.asyncio

from bot.channels.store import Line, TranscriptStore
from bot.jobs import client as jobs
from bot.jobs.client import JobClient
from bot.servers.access import Actor
from bot.train import card, embeds
from bot.train.start import TrainRequest
from bot.train.state import TrainingState
from bot.write.changes import hotter
from galvanic.errors import UserError
from galvanic.options import CorpusInfo, TrainOptions
from playground.places import CHANNEL_IDS, GUILD_ID
from shared import keys
from shared.events import Cancelled, Event, Generated, Sample, Started
from shared.jobs import TrainJob
from shared.models import ModelRecord
from shared.settings import Settings
from shared.transcripts import TranscriptInfo
from tests.bot.live import Live
from tests.bot.offline import TextAgain, context
from tests.bot.stand_in import lab
from tests.factories import CHANNEL, GUILD, channel_corpus, generate_job, progress, record, train_job
from tests.transcripts import expire, has_text, take_out, written

DAY_MS = 86_400_000


async def transcribed(store: TranscriptStore, guild_id: int = GUILD) -> TranscriptInfo:
    lines = [Line(1, 71, "a tide"), Line(2, 72, "another tide")]
    return await written(store, lines, guild_id=guild_id, channel_id=CHANNEL)


def told(info: TranscriptInfo, revision: int = 0) -> CorpusInfo:
    return channel_corpus(info.ref(revision))


def model_of(info: TranscriptInfo, **fields: object) -> ModelRecord:
    return record(corpus=told(info), transcripts=(info.ref(0),), **fields)


def job_of(info: TranscriptInfo, job_id: str = "t-1") -> TrainJob:
    return train_job(job_id=job_id, corpus=told(info))


async def left_ms(client: redis.asyncio.Redis, info: TranscriptInfo) -> list[int]:
    return [await client.pttl(name) for name in jobs.text_keys(told(info))]


async def test_messages_stay_where_they_are_and_are_kept_while_they_are_needed(
    queue: JobClient, store: TranscriptStore, client: redis.asyncio.Redis
) -> None:
    info = await transcribed(store)
    await expire(store, info.transcript_id, 60)
    assert await queue.submit_train(job_of(info), None, (3, 20)) == "entered"
    assert min(await left_ms(client, info)) > 6 * DAY_MS
    assert not await client.exists(keys.job_text("t-1"))
    await expire(store, info.transcript_id, 60)
    await queue.keep_text(job_of(info))
    assert min(await left_ms(client, info)) > 6 * DAY_MS


async def test_messages_are_let_go_when_the_last_training_on_them_is_over(
    settings: Settings, store: TranscriptStore, client: redis.asyncio.Redis
) -> None:
    queue = JobClient(settings.model_copy(update={"channel_corpus_days": 0}), client)
    info, other = await transcribed(store), await transcribed(store)
    for number in (1, 2):
        await queue.submit_train(job_of(info, f"t-{number}"), None, (3, 20))
    await queue.cancel("t-1")
    await queue.release_text(job_of(info, "t-1"))
    assert await has_text(store, info.transcript_id)
    await queue.cancel("t-2")
    await queue.release_text(job_of(info, "t-2"))
    assert not await has_text(store, info.transcript_id)
    assert not await client.exists(*jobs.text_keys(told(info)))
    assert await has_text(store, other.transcript_id)
    await queue.release_text(train_job())  # texts of other kinds just expire


async def test_a_training_that_ends_on_its_card_lets_its_messages_go(live: Live) -> None:
    live.patch.setattr(card, "LOOK_AGAIN_S", 0.05)
    live.bot.settings.channel_corpus_days = 0
    live.patch.setattr(card, "EDIT_EVERY_S", 0.05)
    info = await transcribed(live.channels.transcripts, GUILD_ID)
    job = await live.follow(train_job(place=lab(), corpus=told(info)))
    assert await has_text(live.channels.transcripts, info.transcript_id)
    await live.core.jobs.cancel(job.job_id)
    while await live.core.jobs.undelivered():
        await live.handled()
    assert not await has_text(live.channels.transcripts, info.transcript_id)


async def test_messages_are_learned_again_as_they_are_now(store: TranscriptStore, text_again: TextAgain) -> None:
    info = await transcribed(store)
    await take_out(store, info.transcript_id, messages={1: ""})
    assert await text_again(model_of(info)) == told(info, 1)


async def test_messages_that_are_no_longer_kept_have_to_be_read_anew(
    store: TranscriptStore, text_again: TextAgain
) -> None:
    info = await transcribed(store)
    await store.drop_text(info.transcript_id)
    with pytest.raises(UserError, match=rf"no longer have the messages.*`!train` <#{CHANNEL}>"):
        await text_again(model_of(info))
    await store.forget(info.transcript_id)
    with pytest.raises(UserError, match=r"no longer have the messages.*`!train #CHANNEL`"):
        await text_again(model_of(info))


async def test_a_model_file_cannot_name_messages_to_learn(store: TranscriptStore, text_again: TextAgain) -> None:
    info, foreign = await transcribed(store), await transcribed(store, GUILD + 1)
    claimed = record(corpus=told(info), imported=True)
    elsewhere = record(corpus=told(foreign), transcripts=(foreign.ref(0),))
    for model in (claimed, elsewhere, record(corpus=channel_corpus(None))):
        with pytest.raises(UserError, match="no longer have the messages"):
            await text_again(model)


async def test_a_model_that_learned_withdrawn_words_is_not_trained_further(live: Live) -> None:
    info = await transcribed(live.channels.transcripts, GUILD_ID)
    model = model_of(info)

    async def more() -> TrainRequest:
        return TrainRequest(told(info), TrainOptions(), model)

    who = Actor.of(await context(live.bot, "!train more", person="ada"))
    send = live.bot.get_partial_messageable(CHANNEL_IDS["lab"]).send
    await live.channels.transcripts.note_withdrawn(info.transcript_id, [71])
    with pytest.raises(UserError, match="have since been withdrawn"):
        await live.train.trainings.begin(who, more, send)
    assert not await live.core.jobs.undelivered()
    again = await transcribed(live.channels.transcripts, GUILD_ID)
    model = model_of(again)
    await live.train.trainings.begin(who, more, send)
    (job_id,) = await live.core.jobs.undelivered()
    assert (await live.job(job_id, TrainJob)).corpus == told(info)


def view_of(*events: Event) -> TrainingState:
    return TrainingState.of(events)


def test_a_card_tells_that_a_member_withdrew_and_forgets_what_was_there() -> None:
    begun = (Started(worker="w"), progress(), Sample(epoch=1, text="their words"))
    view = view_of(*begun, Started(worker="w", restart_reason="withdrawn"))
    assert (view.state, view.progress, view.samples, view.resumed) == ("reading", None, (), False)
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
