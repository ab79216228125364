"""Messages and events with sensible fields, for tests that care about one or two of them."""

from typing import Any

import pytest

from galvanic.options import CorpusInfo, TrainOptions
from galvanic.results import Measured
from galvanic.verdict import Verdict, kind_of
from shared.events import (
    Compared,
    ComparedText,
    Event,
    Exported,
    Finished,
    Generated,
    Imported,
    Pictured,
    Progress,
    Quizzed,
    Surprised,
)
from shared.jobs import (
    CompareJob,
    ExportJob,
    GenerateJob,
    ImportJob,
    Job,
    ModelRef,
    PictureJob,
    Place,
    QuizJob,
    SurpriseJob,
    TrainJob,
    Variant,
)
from shared.models import ModelRecord
from shared.settings import Settings, get_settings

GUILD, CHANNEL, USER = 900, 901, 902


def changed_settings(monkeypatch: pytest.MonkeyPatch, **variables: object) -> Settings:
    """The settings, with these variables in the environment from now on."""
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    get_settings.cache_clear()
    return get_settings()


def place(**changes: Any) -> Place:
    return Place(**{"guild_id": GUILD, "channel_id": CHANNEL, "user_id": USER, **changes})


def corpus(**changes: Any) -> CorpusInfo:
    fields = {"name": "tides", "title": "The Book of Tides", "source": "upload", "chars": 12_345, "sha256": "ab" * 32}
    return CorpusInfo(**{**fields, **changes})


def channel_corpus(reading_id: str | None, **changes: Any) -> CorpusInfo:
    """A channel's messages."""
    return corpus(**{"source": "channel", "sha256": "", "reading": reading_id, **changes})


def train_job(**changes: Any) -> TrainJob:
    fields = {"job_id": "t-1", "place": place(), "corpus": corpus(), "options": TrainOptions()}
    return TrainJob(**{**fields, **changes})


def generate_job(**changes: Any) -> GenerateJob:
    model = {"model_id": "m1", "model_name": "tides"}
    return GenerateJob(**{"job_id": "g-1", "place": place(), **model, "seed": "the sea", "length": 40, **changes})


def record(**changes: Any) -> ModelRecord:
    """A model; `changes` are fields of its record, or figures of its verdict."""
    where = {"guild_id": GUILD, "channel_id": CHANNEL, "owner_id": USER, "scope": "guild"}
    text = {"corpus_title": "The Book of Tides", "corpus_chars": 12_345}
    size = {"recipe": "char", "parameters": 1_000, "file_bytes": 4_000}
    figures = {"train_loss": 1.5, "heldout_loss": 1.75, "copy_share": None}
    figures |= {name: changes.pop(name) for name in figures if name in changes}
    judged = {"epochs": 3, "verdict": Verdict(**figures, kind=kind_of(Measured(**figures)))}
    return ModelRecord(**{"model_id": "m1", "name": "tides", **where, **text, **size, **judged, **changes})


def generated(**changes: Any) -> Generated:
    fields = {"seed": "the sea", "text": " was calm", "temperature": 0.8, "random_seed": 7, "seconds": 0.2}
    return Generated(**{**fields, **changes})


def comparison(*texts: str, where: Place | None = None, **changes: Any) -> tuple[CompareJob, Compared]:
    """A request to compare temperatures, and the answer with these texts; `changes` are of the answer."""
    steps = [round(0.2 * number, 1) for number in range(len(texts))]
    variants = tuple(Variant(model_id="m1", name="tides", temperature=step) for step in steps)
    told = [ComparedText(model_name="tides", temperature=at, text=text) for at, text in zip(steps, texts, strict=True)]
    job = CompareJob(job_id="k-1", place=where or place(), seed="the sea", length=40, variants=variants)
    return job, Compared(**{"seed": "the sea", "texts": tuple(told), "random_seed": 7, "seconds": 0.1, **changes})


def progress(**changes: Any) -> Progress:
    fields = {"epoch": 2, "epochs": 4, "step": 50, "steps": 100, "train_loss": 1.8, "heldout_loss": 1.9, "eta_s": 75}
    return Progress(**{"done": 0.375, **fields, **changes})


def finished(**changes: Any) -> Finished:
    fields = {"model": record(), "samples": ("one", "two", "three"), "seconds": 65.0}
    return Finished(**{**fields, **changes})


def examples(
    where: Place | None = None, models: tuple[str, str] = ("m1", "m2"), text: str = "is wet"
) -> list[tuple[Job, Event]]:
    """Return one job of each kind, with how it ends: what is tried with every kind of job is tried with these.

    `models`: their names, which are their ids, too. `text`: what the workers say of the first one.
    """
    at = {"place": where or place()}
    one, two = (ModelRef(model_id=name, name=name) for name in models)
    told = ((text, ""), ("", text))
    variants = tuple(Variant(model_id=model.model_id, name=model.name, temperature=1) for model in (two, one))
    texts = tuple(ComparedText(model_name=one.name, temperature=1, text=said, problem=why) for said, why in told)
    return [
        (train_job(**at), finished()),
        (generate_job(**at, model_id=one.model_id, model_name=one.name), generated(text=text, notes=(text,))),
        (
            CompareJob(job_id="k-1", **at, seed="the sea", length=40, variants=variants),
            Compared(seed="the sea", texts=texts, notes=(text,), random_seed=7, seconds=0.1),
        ),
        (
            SurpriseJob(job_id="s-1", **at, model=one, text="the sea"),
            Surprised(nats_per_char=1, chars=7, notes=(text,), seconds=0.1),
        ),
        (PictureJob(job_id="p-1", **at, model=one), Pictured(facts=(("Rights", text),))),
        (
            QuizJob(job_id="q-1", **at, model=one, passages=2, seconds=60),
            Quizzed(passages=(text, "is calm"), real=0),
        ),
        (ExportJob(job_id="x-1", **at, model=one, most_bytes=1_000_000), Exported(size=1)),
        (ImportJob(job_id="i-1", **at, file_name="a.safetensors"), Imported(model=record(imported=True))),
    ]
