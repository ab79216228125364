"""What export, import and delete jobs do: models that leave the store, come into it, or go."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, cast

import redis

from shared import keys
from shared.corpora.corpus import slugify
from shared.errors import UserError
from shared.events import Deleted, Exported, Imported
from shared.jobs import MODEL_FILE, CorpusInfo, DeleteJob, ExportJob, ImportJob
from shared.models import ModelRecord
from shared.units import MEGABYTE
from worker.context import JobContext
from worker.model.facts import MOST_LICENCE, MOST_TITLE, one_line
from worker.store import folder_bytes

if TYPE_CHECKING:
    from worker.model.folder import Description

FILE_TTL_S = 10 * 60
"""How long a model's file lies in Redis: the bot fetches it at once."""
_FOREIGN = (
    "It was imported from a file: who trained it, and on what, is only what the file claims.",
    "Its texts may quote the text that it learned from.",
)


def export(job: ExportJob, context: JobContext) -> Exported:
    """Lay a model's file into Redis.

    Raises:
        UserError: the store has no such model, or its file is too large to be sent.
    """
    from worker.model.export import export_within

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / MODEL_FILE
        export_within(context.models.store.fetch(job.model.model_id), path, job.most_bytes)
        data = path.read_bytes()
    context.joblog.attach(MODEL_FILE, data, FILE_TTL_S)
    return Exported(size=len(data))


def import_(job: ImportJob, context: JobContext) -> Imported:
    """Check a model's file, and enter it into store and registry. The channel's current model stays what it is.

    Raises:
        UserError: the file is not there, too large, or no model.
    """
    most = int(context.settings.import_max_mb * MEGABYTE)
    file = keys.artifact(job.job_id, MODEL_FILE)
    if context.client.strlen(file) > most:
        context.client.delete(file)
        raise UserError(
            f"This file has more than {context.settings.import_max_mb:g} MB.",
            "Import a smaller model, or ask the bot's operator to raise IMPORT_MAX_MB.",
        )
    data = cast(bytes | None, context.client.get(file))
    if data is None:
        raise UserError("The file has expired: it waited too long for a worker.", "Run the command again.")
    try:
        record = _enter(job, data, most, context)
    except redis.RedisError:
        raise  # the job comes again, and needs its file
    except Exception:
        context.client.delete(file)  # a refused one must not fill Redis
        raise
    context.client.delete(file)
    return Imported(model=record, notes=_FOREIGN)


def _enter(job: ImportJob, data: bytes, most: int, context: JobContext) -> ModelRecord:
    """Check a model's file, save the model and register it."""
    from worker.model import folder as model_folder
    from worker.model.export import import_model
    from worker.model.limits import limits_for

    model_id = context.joblog.model_id()
    with tempfile.TemporaryDirectory() as temporary:
        # Messages name it; the bot puts the name there that it was uploaded with.
        path, folder = Path(temporary) / MODEL_FILE, Path(temporary) / "unpacked" / "model"
        path.write_bytes(data)
        import_model(path, folder, limits_for(most))
        description = model_folder.describe(folder)
        size = folder_bytes(folder)
        _require_room(job, size, context)
        context.models.store.save(folder, model_id)
    return context.joblog.register(_record(job, description, model_id, size), current=False)


def _require_room(job: ImportJob, size: int, context: JobContext) -> None:
    """Refuse what would take more than the server's models may: packed weights take four times their file.

    Raises:
        UserError: says how much it takes.
    """
    if job.disk_bytes is None:
        return
    client = context.client
    ids = cast(list[bytes], client.hvals(keys.guild_models(job.place.guild_id)))
    found = cast(list[bytes | None], client.mget([keys.model(one.decode()) for one in ids])) if ids else []
    taken = sum(ModelRecord.model_validate_json(data).stored_bytes for data in found if data is not None)
    if taken + size > job.disk_bytes:
        raise UserError(
            f"Unpacked, this model takes {size / MEGABYTE:,.1f} MB, and this server's models take "
            f"{taken / MEGABYTE:,.1f} of {job.disk_bytes / MEGABYTE:,.0f} MB already.",
            "Delete a model that is no longer needed, or ask a server admin.",
        )


def delete(job: DeleteJob, context: JobContext) -> Deleted:
    """Remove a model's files. Those that are gone already are no error.

    Raises:
        UserError: a registry still has the model.
    """
    if context.client.exists(keys.model(job.model_id)):
        raise UserError("This model is still in use.", "Delete it with `model delete` first.")
    context.models.drop(job.model_id)
    context.models.store.delete(job.model_id)
    return Deleted()


def _record(job: ImportJob, description: Description, model_id: str, size: int) -> ModelRecord:
    """The registry's record of an imported model. What the file says of itself may be anything."""
    training, corpus = description.training, description.corpus
    title = one_line(corpus.title, MOST_TITLE) or "an unnamed text"
    place = job.place
    return ModelRecord(
        model_id=model_id,
        name=slugify(job.name or "") or slugify(corpus.name) or slugify(title) or "imported",
        guild_id=place.guild_id,
        channel_id=place.channel_id,
        owner_id=place.user_id,
        scope="channel",
        recipe=description.recipe,
        corpus_title=title,
        corpus_chars=corpus.chars,
        parameters=description.network.parameters(),
        epochs=training.epochs_before + training.epochs,
        train_loss=training.train_loss,
        heldout_loss=training.heldout_loss,
        corpus=_corpus(corpus, title),
        options=description.options and description.options.model_copy(update={"name": None}),
        copy_share=training.copy_share,
        file_bytes=size,
        imported=True,
    )


def _corpus(corpus: CorpusInfo, title: str) -> CorpusInfo | None:
    """The text as far as it can be had again by its name; what somebody uploaded elsewhere is not for this server.

    Without its hash, which would fetch from Redis whatever text somebody wrote the hash of into the file.
    """
    if corpus.source in ("upload", "file"):
        return None
    name, licence = slugify(corpus.name), one_line(corpus.licence, MOST_LICENCE)
    return corpus.model_copy(update={"name": name, "title": title, "licence": licence, "sha256": ""}) if name else None
