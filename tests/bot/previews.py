"""Chats that are attached, shown, and learned."""

from typing import Any

from simcord.backend.models import Message

from bot.servers.access import Viewer
from playground.places import CHANNEL_IDS, GUILD_ID, USER_IDS
from shared import keys
from shared.corpora.corpus import unpack
from shared.events import Failed
from shared.jobs import TrainJob
from shared.models import ModelRecord
from tests.bot.channels import model_of, queued, until
from tests.bot.live import Live, text_of
from tests.exports import package, telegram

PEOPLE = ("Vera", "Paul", "Iris")
ADA, BEN, CLEO = (USER_IDS[name] for name in ("ada", "ben", "cleo"))
LAB = CHANNEL_IDS["lab"]


async def shown(live: Live, *people: str, typed: str = "!train", **options: Any) -> Message:
    """The preview of a chat that Ada attaches."""
    sent = live.send(typed, files={"chat.json": telegram(*(people or PEOPLE), **options)})
    message = await live.answered(sent)
    assert "Lines as they are learned" in text_of(message), text_of(message)
    return message


async def jobs(live: Live) -> list[str]:
    """The ids of trainings that are not over."""
    job_ids: Any = await live.bot.redis.hkeys(keys.ACTIVE)
    return [job_id.decode() for job_id in job_ids]


async def text(live: Live, job_id: str) -> str:
    """The text that a training learns."""
    packed: Any = await live.bot.redis.get(keys.job_text(job_id))
    return unpack(packed)


async def pressed(live: Live, preview: Message, person: str = "ada") -> str:
    """Press Train, and return the id of the training."""
    before = set(await jobs(live))

    async def new() -> set[str]:
        return set(await jobs(live)) - before

    live.press(person, preview, "Train")
    await until(new)
    (job_id,) = await new()
    return job_id


async def trained(live: Live, preview: Message) -> str:
    """Press Train, and return the text that the training learns."""
    return await text(live, await pressed(live, preview))


async def entered(live: Live, preview: Message, person: str = "ada") -> TrainJob:
    """Press Train, and return the training once its text is there."""
    return await queued(live, int((await pressed(live, preview, person)).removeprefix("t-")))


async def own_model(live: Live) -> tuple[TrainJob, ModelRecord]:
    """Ben's training on his package, and the model that it makes."""
    preview = await live.answered(live.send("!train", person="ben", files={"package.zip": package(BEN)}))
    assert "These are your own words" in text_of(preview)
    job = await entered(live, preview, "ben")
    assert (await text(live, job.job_id)).count("I said") == 100
    model = model_of(live, "bens", *job.readings, corpus=job.corpus, owner_id=BEN)
    await live.core.jobs.give_up(job, Failed(problem="It is over."))
    return job, model


async def usable(live: Live, user_id: int) -> list[ModelRecord]:
    return await live.models.registry.usable(Viewer(GUILD_ID, [LAB], user_id))
