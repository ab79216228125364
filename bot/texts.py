"""Finds the text of an earlier training for `train more`."""

from __future__ import annotations

from bot.queue import JobQueue
from shared import corpora
from shared.errors import UserError
from shared.models import ModelRecord
from shared.settings import Settings


async def text_again(
    record: ModelRecord, queue: JobQueue, settings: Settings, *, keep_licence: bool, prefix: str
) -> corpora.Corpus:
    """The text that a model learned from.

    Redis keeps it for a while. After that, a text of the catalogue is fetched again, and may have changed since.

    Args:
        record: the model.
        queue: keeps texts of earlier trainings.
        settings: where texts come from.
        keep_licence: as the option of `train`.
        prefix: of the server's commands.

    Raises:
        UserError: it is not known or no longer kept, and how to name or attach it; or as `corpora.resolve`.
    """
    command = f"{prefix}train"
    info = record.corpus
    if info is None:
        raise UserError(
            f"`{record.name}` was trained by an older version, which didn't record its text.",
            f"Name the text: `{command} SOURCE --from {record.name}`, or attach the file to "
            f"`{command} --from {record.name}`.",
        )
    same = record.options is None or record.options.keep_licence == keep_licence
    text = await queue.text(info.sha256) if same else None
    if text is not None:
        return corpora.Corpus(info, text)
    if info.source in ("catalogue", "corpora-dir", "python-docs"):
        return await corpora.resolve(info.name, settings, keep_licence=keep_licence)
    raise UserError(
        f"I no longer have the file that `{record.name}` learned from: I keep files for "
        f"{settings.corpus_ttl_hours:g} hours.",
        f"Attach it again, with `{command} --from {record.name}`.",
    )
