"""Export and import jobs: models that leave the store or come into it."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, cast

import redis

from galvanic import model_file
from galvanic.errors import UserError
from galvanic.exports.page import MOST_BYTES, make_page
from galvanic.facts import MOST_LICENCE, MOST_TITLE, one_line
from galvanic.model_file import Description
from galvanic.options import CorpusInfo
from galvanic.read.text import slugify
from galvanic.units import MEGABYTE, count
from galvanic.verdict import verdict
from shared import keys
from shared.events import Exported, Imported
from shared.jobs import MODEL_FILE, ExportJob, ImportJob
from shared.models import MOST_MODELS, ModelFacts
from worker.events import Superseded
from worker.jobs import JobContext
from worker.warm import LOADING

if TYPE_CHECKING:
    from galvanic.generate import TextModel

FILE_TTL_S = 10 * 60  # of a model's file in Redis: the bot fetches it at once
_ONE_FILE = threading.Lock()  # one is checked or exported at a time: either takes several times its memory
MOST_S_A_SYMBOL = 0.015
"""Processor time that an imported model may take for a symbol: then a text of 4,000, the longest by default, is done in
`Settings.generate_timeout_s`. The tutorial's network takes 0.0025 on a core of 2023."""
_FOREIGN = (
    "It was imported from a file: who trained it, and on what, is only what the file claims.",
    "Its texts may quote the text that it learned from.",
)


def export(job: ExportJob, context: JobContext) -> Exported:
    """Lay a model's file or page into Redis. The file names the readings of channels that the model learned from.

    Raises UserError when the store has no such model, its file is too large to be sent, or it may be no page.
    """
    with tempfile.TemporaryDirectory() as temporary, context.models.store.reading(job.model.model_id) as path:
        target = Path(temporary) / MODEL_FILE
        with _ONE_FILE:
            if job.page:
                data = make_page(path, job.model.name, min(job.most_bytes, MOST_BYTES))
            else:
                model_file.export(path, target, job.most_bytes)
                data = target.read_bytes()
    context.job_events.attach(MODEL_FILE, data, FILE_TTL_S)
    return Exported(size=len(data))


def import_(job: ImportJob, context: JobContext) -> None:
    """Check a model's file, and enter it into store and registry.

    Raises UserError when the file is not there, too large, or no model; Superseded when the job is over, or another
    attempt has spoken.
    """
    file, model_id = keys.artifact(job.job_id, MODEL_FILE), context.job_events.model_id()
    try:
        facts = _save(job, file, model_id, context)
        context.job_events.enter(Imported(model=facts, notes=_FOREIGN), job.place.guild_id)
    except redis.RedisError:
        raise  # the job comes again, and needs its file
    except Superseded:
        if not context.client.exists(keys.model(model_id)):
            context.models.store.delete(model_id)  # the job has ended without it
        raise
    except Exception:
        context.client.delete(file)  # a refused one must not fill Redis
        raise
    context.client.delete(file)


def _save(job: ImportJob, file: str, model_id: str, context: JobContext) -> ModelFacts:
    """Check the model's file under a key of Redis, save the model, and describe it under the wished name."""
    from galvanic.generate import TextModel

    most = int(context.settings.import_max_mb * MEGABYTE)
    if context.client.strlen(file) > most:
        raise UserError(
            f"This file has more than {context.settings.import_max_mb:g} MB.",
            "Import a smaller model, or ask the bot's operator to raise IMPORT_MAX_MB.",
        )
    data = cast(bytes | None, context.client.get(file))
    if data is None:
        raise UserError("The file has expired: it waited too long for a worker.", "Run the command again.")
    with _ONE_FILE, tempfile.TemporaryDirectory() as temporary:
        # Error messages name this file; the bot puts the uploaded file's name in its place.
        path = Path(temporary) / MODEL_FILE
        path.write_bytes(data)
        with LOADING:
            model = TextModel(*model_file.load(path, most))
        description = model.description
        if description.readings:
            raise UserError(
                "This model learned from members' messages, so it can't be imported.",
                "Train one on them here. The file works with the command line.",
            )
        _require_quick(model)
        _require_room(job, len(data), context)
        context.models.store.save(path, model_id)
    return _facts(job, description, model_id, len(data))


def _require_quick(model: TextModel) -> None:
    """Check a model's pace. Raises UserError if others would wait too long while it writes."""
    seconds = model.seconds_per_symbol()
    if seconds > MOST_S_A_SYMBOL:
        raise UserError(
            f"This model takes {1_000 * seconds:,.0f} ms to write a character on this machine, and imports may take "
            f"{1_000 * MOST_S_A_SYMBOL:,.0f} ms, so that nobody waits long behind it.",
            "Import a model with fewer symbols, layers or units.",
        )


def _require_room(job: ImportJob, size: int, context: JobContext) -> None:
    """Check the room for a server's models. Raises UserError: with this one they would be too many or too large."""
    client, remedy = context.client, "Delete one that is no longer needed with `/model delete`, or ask a server admin."
    ids = cast(list[bytes], client.hvals(keys.guild_models(job.place.guild_id)))
    if len(ids) >= MOST_MODELS:
        raise UserError(f"This server has {count(len(ids), 'model')}, and {MOST_MODELS} is the most.", remedy)
    if job.disk_bytes is None:
        return
    records = cast(list[bytes | None], client.mget([keys.model(name.decode()) for name in ids])) if ids else []
    taken = sum(ModelFacts.model_validate_json(data).file_bytes for data in records if data is not None)
    if taken + size > job.disk_bytes:
        raise UserError(
            f"This model takes {size / MEGABYTE:,.1f} MB, and this server's models take "
            f"{taken / MEGABYTE:,.1f} of {job.disk_bytes / MEGABYTE:,.0f} MB already.",
            remedy,
        )


def _facts(job: ImportJob, description: Description, model_id: str, size: int) -> ModelFacts:
    """Describe an imported model. The file may claim anything of itself."""
    training, corpus = description.training, description.corpus
    title = one_line(corpus.title, MOST_TITLE) or "an unnamed text"
    return ModelFacts(
        model_id=model_id,
        name=job.name or slugify(corpus.name) or slugify(title) or "imported",
        recipe=description.recipe,
        corpus_title=title,
        corpus_chars=corpus.chars,
        parameters=description.network.parameters(),
        epochs=training.epochs_before + training.epochs,
        corpus=_corpus(corpus, title),
        options=description.options and description.options.model_copy(update={"name": None}),
        verdict=verdict(training, description.options),
        file_bytes=size,
        imported=True,
    )


def _corpus(corpus: CorpusInfo, title: str) -> CorpusInfo | None:
    """Return the text if it can be had again by its name; what somebody uploaded or said elsewhere is left out.

    Without its hash, which would fetch from Redis whatever text somebody wrote the hash of into the file.
    """
    if corpus.source in ("upload", "file", "channel"):
        return None
    name, licence = slugify(corpus.name), one_line(corpus.licence, MOST_LICENCE)
    believed = {"name": name, "title": title, "licence": licence, "sha256": "", "reading": None}
    return corpus.model_copy(update=believed) if name else None
