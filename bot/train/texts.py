"""Finds the text of an earlier training for `train more`."""

from __future__ import annotations

from bot.channels.store import TranscriptStore
from bot.jobs.queue import JobQueue
from shared import corpora
from shared.errors import UserError
from shared.jobs import CorpusInfo
from shared.models import ModelRecord
from shared.settings import Settings


async def text_again(
    record: ModelRecord,
    queue: JobQueue,
    transcripts: TranscriptStore,
    settings: Settings,
    *,
    keep_licence: bool,
    prefix: str,
) -> corpora.Corpus | CorpusInfo:
    """The text that a model learned from.

    Redis keeps it for a while. After that, a text of the catalogue is fetched again, and may have changed since.

    Args:
        record: the model.
        queue: keeps texts of earlier trainings.
        transcripts: keeps channels' messages.
        settings: where texts come from.
        keep_licence: as the option of `train`.
        prefix: of the server's commands.

    Returns:
        The text; of a channel's messages, which stay where they are, only what is known of them.

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
    if info.source == "channel":
        return await _messages_again(record, info, transcripts, prefix=prefix)
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


async def _messages_again(
    record: ModelRecord, info: CorpusInfo, transcripts: TranscriptStore, *, prefix: str
) -> CorpusInfo:
    """What is known of the messages that a model learned from, as they are now.

    Raises:
        UserError: they are no longer kept; says how to have the channel read anew.
    """
    known = {ref.transcript_id: ref for ref in record.transcripts}  # what a model file claims is not among them
    ref = known.get(info.transcript.transcript_id) if info.transcript is not None else None
    transcript = await transcripts.load(ref.transcript_id) if ref is not None else None
    if transcript is None or transcript.info.guild_id != record.guild_id:
        raise UserError(
            f"I no longer have the messages that `{record.name}` learned from.",
            f"Have the channel read anew: `{prefix}train #CHANNEL`.",
        )
    if not await transcripts.has_text(transcript.transcript_id):
        raise UserError(
            f"I no longer have the messages that `{record.name}` learned from.",
            f"Have the channel read anew: `{prefix}train` <#{transcript.info.source_id}>.",
        )
    return info.model_copy(update={"transcript": transcript.info.ref(transcript.revision.now)})
