"""Jobs of the generate worker, from the message to what is told, with a real Redis."""

from typing import Any, cast

import redis

from shared import keys
from shared.events import Event, Exported, Failed, Imported
from shared.jobs import (
    MODEL_FILE,
    CompareJob,
    ExportJob,
    GenerateJob,
    ImportJob,
    Job,
    ModelRef,
    PictureJob,
    Place,
    SurpriseJob,
)
from tests import lives
from worker.handlers import HANDLERS

PLACE = Place(guild_id=1, channel_id=2, user_id=3)


def run(client: redis.Redis, job: Job) -> Event:
    """Run a job that the bot has entered, as the worker does; its last event."""
    lives.enter(client, job)
    HANDLERS[job.kind].run(*lives.message(client, job.job_id))
    return lives.newest(client, job.job_id)


def generate_job(number: int = 0, **fields: Any) -> GenerateJob:
    model = {"model_id": "one", "model_name": "one"}
    text = {"seed": "the boat", "length": 40 + number, "random_seed": number}
    return GenerateJob(**{"job_id": f"g-{number}", "place": PLACE, **model, **text, **fields})


def compare_job(**fields: Any) -> CompareJob:
    return CompareJob(**{"job_id": "c-1", "place": PLACE, "seed": "the boat", "length": 60, **fields})


def surprise_job(text: str, model_id: str = "one") -> SurpriseJob:
    return SurpriseJob(job_id="s-1", place=PLACE, model=ModelRef(model_id=model_id, name=model_id), text=text)


def picture_job(name: str = "one") -> PictureJob:
    return PictureJob(job_id="p-1", place=PLACE, model=ModelRef(model_id="one", name=name))


def export_job(model_id: str = "one", most_bytes: int = 10 * 2**20, number: int = 1, **fields: Any) -> ExportJob:
    model = ModelRef(model_id=model_id, name=model_id)
    return ExportJob(job_id=f"e-{number}", place=PLACE, model=model, most_bytes=most_bytes, **fields)


def import_job(number: int = 1, **fields: Any) -> ImportJob:
    return ImportJob(**{"job_id": f"i-{number}", "place": PLACE, "file_name": "model.safetensors", **fields})


def exported(client: redis.Redis, most_bytes: int = 10 * 2**20, number: int = 1, **fields: Any) -> bytes:
    """The file of the model `one`."""
    job = export_job(most_bytes=most_bytes, number=number, **fields)
    answer = lives.expect(Exported, run(client, job))
    data = cast(bytes, client.get(keys.artifact(job.job_id, MODEL_FILE)))
    assert answer.size == len(data) <= most_bytes
    return data


def imported(client: redis.Redis, data: bytes, number: int = 1, **fields: Any) -> Imported | Failed:
    """What becomes of a file that somebody sent."""
    job = import_job(number, **fields)
    client.set(keys.artifact(job.job_id, MODEL_FILE), data, ex=600)
    answer = run(client, job)
    assert isinstance(answer, Imported | Failed)
    return answer
