"""What only the bot says: who asked for a job, whose its model is, and who may use that; against a real Redis."""

import json
from typing import cast

import pytest
import redis.asyncio
from redis.asyncio.client import Pipeline

from bot.jobs.client import JobClient
from bot.jobs.snapshot import Snapshots
from bot.models.registry import Registry
from bot.servers.access import Viewer
from bot.train.start import TrainRequest
from galvanic.options import CorpusInfo, TrainOptions
from shared import keys, lifecycle
from shared.events import Failed
from shared.jobs import ImportJob, Job, ReadingRef, without_people
from shared.models import ModelRecord, Ownership
from shared.settings import Settings
from tests import lives
from tests.factories import CHANNEL, GUILD, USER, channel_corpus, corpus, finished, place, record, train_job
from tests.readings import channel_reading
from tests.registered import register, stored

ELSEWHERE, THREAD = CHANNEL + 1, CHANNEL + 7
OWN = ReadingRef(reading_id="r-own", channel_id=CHANNEL, author_id=USER)


def import_job() -> ImportJob:
    return ImportJob(job_id="i-1", place=place(), file_name="a.safetensors")


async def test_a_worker_cannot_say_who_may_use_a_model(registry: Registry, sync: redis.Redis) -> None:
    entered = register(sync, record(scope="channel"))
    claimed = {"scope": "guild", "for_server": True, "shared_with": [ELSEWHERE], "owner_id": 7, "guild_id": GUILD + 1}
    sync.set(keys.model("m1"), json.dumps({**entered.facts.model_dump(mode="json"), **claimed}))
    assert await registry.usable(Viewer(GUILD, [CHANNEL])) == [entered]
    assert await registry.usable(Viewer(GUILD, [ELSEWHERE])) == []
    assert await registry.by_ids(Viewer(GUILD + 1, [CHANNEL]), ["m1"]) == []


async def test_a_worker_cannot_say_which_messages_a_model_learned(registry: Registry, sync: redis.Redis) -> None:
    entered = register(sync, record(readings=(OWN,), author_id=USER))
    claimed = {"author_id": 7, "readings": []}
    sync.set(keys.model("m1"), json.dumps({**entered.facts.model_dump(mode="json"), **claimed}))
    (model,) = await registry.all(GUILD)
    assert (model.authors, model.readings) == (frozenset({USER}), (OWN,))


async def test_a_worker_cannot_pass_one_model_for_another(registry: Registry, sync: redis.Redis) -> None:
    secret = register(sync, record(model_id="secret", name="secret", readings=(OWN,)))
    register(sync, record(model_id="own", name="own"))
    sync.set(keys.model("own"), secret.facts.model_copy(update={"name": "own"}).model_dump_json())
    assert [model.model_id for model in await registry.all(GUILD)] == ["secret"]
    assert await registry.record("own") is None


async def test_a_worker_cannot_have_the_bot_say_it_of_another_model(queue: JobClient, sync: redis.Redis) -> None:
    secret = register(sync, record(model_id="secret", readings=(OWN,)))
    reading = channel_reading(CHANNEL)
    job = train_job(corpus=channel_corpus(reading.reading_id, chars=0), reading=reading)
    lives.enter(sync, job)
    sync.hset(keys.job(job.job_id), "model_id", "secret")

    async def prepare(pipe: Pipeline) -> lifecycle.Script:
        pipe.multi()
        return lifecycle.text_read(job, b"text", b"1111")

    assert await queue.text_read(job, prepare)
    assert stored(sync, "secret") == secret


@pytest.mark.parametrize("model_id", [b"\xff", b"", b"../../x"])
async def test_a_worker_cannot_keep_an_end_from_being_noted(
    queue: JobClient, sync: redis.Redis, model_id: bytes
) -> None:
    lives.enter(sync, train_job())
    sync.hset(keys.job("t-1"), mapping={"state": "over", "model_id": model_id})
    await queue.delivered("t-1")
    assert not sync.sismember(keys.OUTBOX, "t-1")


async def test_nor_trainings_from_being_entered(
    queue: JobClient, client: redis.asyncio.Redis, sync: redis.Redis, settings: Settings
) -> None:
    sync.hset(keys.ACTIVE, mapping={"t-8": "abc", "t-9": str(GUILD), b"\xff": str(GUILD)})
    sync.set(keys.asked("t-9"), '{"version": 2}')
    assert await queue.submit_train(train_job(), "a text")
    assert [training.job.job_id for training in (await Snapshots(client, settings).look()).trainings] == ["t-1"]


async def test_what_a_worker_enters_on_its_own_is_nobodys(registry: Registry, sync: redis.Redis) -> None:
    entered = register(sync, record())
    sync.delete(keys.ownership("m1"))
    assert await registry.all(GUILD) == []
    assert await registry.record("m1") is None
    sync.set(keys.ownership("m1"), entered.ownership.model_dump_json())
    assert await registry.all(GUILD) == [entered]


async def test_sharing_and_renaming_write_both(registry: Registry, sync: redis.Redis) -> None:
    model = register(sync, record(scope="channel"))
    changed = await registry.amend(model, lambda model: model.model_copy(update={"name": "sea", "for_server": True}))
    assert stored(sync, "m1") == changed
    assert await registry.usable(Viewer(GUILD, [ELSEWHERE])) == [changed]
    assert await registry.remove(changed)
    assert not sync.exists(keys.model("m1"), keys.ownership("m1"))


@pytest.mark.parametrize("job", [train_job(), import_job()])
def test_workers_get_no_ids_of_people(sync: redis.Redis, job: Job) -> None:
    lives.enter(sync, job)
    data, active = sync.hget(keys.job(job.job_id), "job"), cast(dict[bytes, bytes], sync.hgetall(keys.ACTIVE))
    assert f'"user_id":{USER}' not in cast(bytes, data).decode()
    assert str(USER).encode() not in b"".join(active.values())
    assert f'"user_id":{USER}' in cast(bytes, sync.get(keys.asked(job.job_id))).decode()
    model_id = cast(bytes, sync.hget(keys.job(job.job_id), "model_id")).decode()
    ownership = Ownership.model_validate_json(cast(bytes, sync.get(keys.ownership(model_id))))
    assert (ownership.guild_id, ownership.channel_id, ownership.owner_id) == (GUILD, CHANNEL, USER)


def ownership_of(corpus: CorpusInfo, parent: ModelRecord | None = None, **where: int) -> Ownership:
    return Ownership.of(TrainRequest(corpus, TrainOptions(), parent).job("t-1", place(**where)))


def test_what_was_learned_from_an_upload_stays_where_it_was() -> None:
    upload = ownership_of(corpus(source="upload"))
    assert (upload.scope, upload.channel_id, upload.sources) == ("channel", CHANNEL, (CHANNEL,))
    parent = record(scope="channel", sources=upload.sources)
    # In a thread it is the thread's alone: that may be private, and what it learned there with it.
    child = ownership_of(corpus(source="catalogue"), parent, channel_id=THREAD, parent_channel_id=CHANNEL)
    assert (child.scope, child.channel_id, child.sources) == ("channel", THREAD, (CHANNEL,))
    assert ownership_of(corpus(source="catalogue")).scope == "guild"


def test_what_goes_on_from_another_members_upload_is_that_members() -> None:
    uploaded, public = (record(owner_id=7, sources=sources) for sources in ((CHANNEL,), ()))
    parents = (uploaded, public, record(owner_id=USER, sources=(CHANNEL,)))
    assert [ownership_of(corpus(source="catalogue"), parent).owner_id for parent in parents] == [7, USER, USER]
    job = TrainRequest(corpus(), TrainOptions(), uploaded).job("t-1", place())
    assert without_people(job).model_dump()["owner_id"] == 0


def test_which_messages_are_learned_is_known_before_a_worker_has_them() -> None:
    reading = channel_reading(CHANNEL, author_id=USER)
    request = TrainRequest(channel_corpus(reading.reading_id), TrainOptions(), record(readings=(OWN,)), reading)
    child = Ownership.of(request.job("t-1", place()))
    assert child.scope == "guild", "who could read the channel is asked at each use"
    assert child.readings == (reading.ref, OWN), "its own first"


async def test_a_job_that_makes_no_model_leaves_nothing_of_it(queue: JobClient, sync: redis.Redis) -> None:
    for number, takes_back in enumerate((True, False)):
        job = train_job(job_id=f"t-{number}")
        lives.enter(sync, job)
        model_id = cast(bytes, sync.hget(keys.job(job.job_id), "model_id")).decode()
        assert sync.exists(keys.ownership(model_id))
        if takes_back:
            await queue.roll_back(job.job_id)
        else:
            await queue.delivered(job.job_id)
            assert sync.exists(keys.ownership(model_id)), "it is not over"
            lives.end(sync, job.job_id, Failed(problem="The disk is full."))
            await queue.delivered(job.job_id)
        assert not sync.exists(keys.ownership(model_id))


@pytest.mark.parametrize("rolled_back", [False, True])
async def test_a_model_outlives_its_job(
    queue: JobClient, registry: Registry, sync: redis.Redis, rolled_back: bool
) -> None:
    lives.enter(sync, train_job(corpus=channel_corpus(None), replaces="old"))
    worker = lives.take(sync, "t-1")
    facts = record(model_id=worker.model_id()).facts
    worker.enter(finished(model=facts), GUILD)
    await (queue.roll_back("t-1") if rolled_back else queue.delivered("t-1"))
    (model,) = await registry.all(GUILD)
    assert isinstance(model, ModelRecord)
    assert (model.facts, model.owner_id, model.replaces) == (facts, USER, "old")
