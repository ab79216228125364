"""A worker's part, played by a test: it says that it is there, and tells what it likes."""

import json
import time
from typing import Any

import redis
from simcord.backend.models import Message

from playground.places import GUILD_ID, USER_IDS
from shared import keys
from shared.connect import connect
from shared.events import Compared, Event, Generated, Quizzed, Surprised
from shared.jobs import GENERATE_QUEUE, TRAIN_QUEUE, Place, TrainJob
from shared.settings import Settings
from tests import lives
from tests.bot.ids import ADA, LAB
from tests.bot.live import Live
from tests.factories import examples, generated, record
from tests.registered import register
from worker.events import JobEvents

TEXT = "and the gulls went home"
SHOWING_WORDS = (Generated, Compared, Surprised, Quizzed)


class StandIn:
    """A worker without a model."""

    def __init__(self, settings: Settings) -> None:
        self.redis: redis.Redis = connect(settings)
        for queue in (GENERATE_QUEUE, TRAIN_QUEUE):
            self.redis.zadd(keys.workers(queue), {"w": time.time() + 3_600})

    def add_model(self, **fields: Any) -> None:
        """A model that may be used in #lab, as its current one."""
        register(self.redis, record(guild_id=GUILD_ID, channel_id=LAB, owner_id=ADA, **fields))

    def waiting(self) -> set[str]:
        """Jobs whose end has not been shown."""
        members: Any = self.redis.smembers(keys.OUTBOX)
        return {member.decode() for member in members}

    async def asked(self, live: Live) -> str:
        """Id of a job that is waiting, once there is one."""
        return next(iter(await live.until(self.waiting, "a job")))

    def tell(self, job_id: str, *events: Event) -> None:
        """Publish events of a job."""
        log = lives.take(self.redis, job_id)
        for event in events:
            log.publish(event)

    def write(self, job_id: str, text: str = TEXT, **fields: Any) -> None:
        """Answer a request for a text."""
        self.tell(job_id, generated(text=text, **fields))

    def job(self, job_id: str) -> dict[str, Any]:
        """What was asked for."""
        known: Any = self.redis.get(keys.asked(job_id)) or self.redis.hget(keys.job(job_id), "job")
        job: dict[str, Any] = json.loads(known)
        return job

    async def answer(self, live: Live, text: str = TEXT, **fields: Any) -> dict[str, Any]:
        """Write the text that is waited for; its job, once that is over."""
        job_id = await self.asked(live)
        job = self.job(job_id)
        self.write(job_id, text, **{"seed": job["seed"], **fields})
        await live.until(lambda: job_id not in self.waiting(), "the end of the job")
        return job

    def begin(self) -> JobEvents:
        """Begin the training that was entered first."""
        job_ids: Any = self.redis.hkeys(keys.ACTIVE)
        return lives.take(self.redis, min(job_ids).decode())


async def bens_text(live: Live, worker: StandIn, text: str = TEXT, typed: str = "!generate the sea") -> Message:
    """What a model wrote for Ben."""
    sent = live.send(typed, person="ben")
    await worker.answer(live, text)
    return await live.answered(sent)


async def answers_that_say(live: Live, text: str) -> list[Message]:
    """Post an answer of each kind that shows a worker's words, with these; the messages."""
    for name in ("m1", "m2"):
        model = record(model_id=name, name=name, guild_id=GUILD_ID)
        register(connect(live.bot.settings), model)
    channel = live.bot.get_partial_messageable(LAB)
    before = len(live.world.messages[LAB])
    answers = [(job, end) for job, end in examples(lab(), text=text) if isinstance(end, SHOWING_WORDS)]
    for job, end in answers:
        assert not isinstance(job, TrainJob)
        await live.core.delivery.post(job, end, channel.send)
    messages = list(live.world.messages[LAB].values())[before:]
    assert len(messages) == len(answers)
    return messages


def lab(channel_id: int = LAB, person: str = "ada") -> Place:
    """Where somebody asks for something."""
    return Place(guild_id=GUILD_ID, channel_id=channel_id, user_id=USER_IDS[person])
