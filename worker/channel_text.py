"""A channel's messages as the text of a training: reading them, and whether they may still be learned."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal, cast

import redis

from galvanic.errors import UserError
from galvanic.options import CorpusInfo, TranscriptRef
from galvanic.units import count
from shared import keys
from shared.corpora import LEAST_CHARS, unpacked_limit
from shared.jobs import TrainJob
from shared.settings import Settings
from shared.transcripts import BeingChanged, Revision, TranscriptInfo, is_being_purged, revision_of, write_text

PURGED_WITHIN_S = 120.0  # so long a training waits for withdrawn words to be taken out before it reads the others
LOOK_EVERY_S = 0.5

RestartReason = Literal["withdrawn", "changed"]


class StartOver(Exception):
    """A member withdrew words that this training has read, or they changed before it went on: it must learn anew."""

    def __init__(self, why: RestartReason = "withdrawn") -> None:
        super().__init__(why)
        self.why = why


def is_withdrawn(ref: TranscriptRef, revision: Revision | None) -> bool:
    """Whether words that were read may no longer be learned. `revision` None: the transcript is forgotten."""
    return revision is None or revision.withdraws(ref)


def require_standing(refs: tuple[TranscriptRef, ...], revisions: Mapping[str, Revision | None]) -> None:
    """Raises UserError if a member has withdrawn words which the model to start from has learned."""
    if any(is_withdrawn(ref, revisions.get(ref.transcript_id)) for ref in refs):
        raise stale_parent()


def stale_parent() -> UserError:
    return UserError(
        "The model to start from learned words that have since been withdrawn, so it isn't trained further.",
        "It is made again without them: start from that one, or train without it.",
    )


def revisions_now(client: redis.Redis, refs: tuple[TranscriptRef, ...]) -> dict[str, Revision]:
    """Where these transcripts stand; those that are forgotten are left out."""
    found = {ref.transcript_id: revision_of(client, ref.transcript_id) for ref in refs}
    return {transcript_id: revision for transcript_id, revision in found.items() if revision is not None}


def read_channel(
    settings: Settings, client: redis.Redis, job: TrainJob, path: Path, go_on: Callable[[], None]
) -> tuple[CorpusInfo, bytes | None]:
    """Write the messages that a job learns to `path`, once no words have to be taken out of them any more.

    `go_on` is called while it waits; it raises to stop. Returns what is known of the text as it was read, with its
    revision, and the numbers of its lines' authors (`shared.transcripts.write_text`).

    Raises UserError when they are no longer kept, are another server's, are being changed all the time, or what is left
    of them is too short or too long.
    """
    asked = job.corpus.transcript
    assert asked is not None
    info = info_of(client, asked.transcript_id)
    if info is None or info.guild_id != job.place.guild_id:
        raise UserError(
            "The channel's messages are no longer kept.", "Run the command again: I read the channel again."
        )
    revision, authors = _write(client, info, path, unpacked_limit(settings), go_on)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with path.open(encoding="utf-8", newline="") as lines:
        chars = sum(map(len, lines))
    if chars < LEAST_CHARS:
        raise UserError(
            f"What is left of the channel's messages is too short, because words were withdrawn: "
            f"{count(chars, 'character')}, and at least {LEAST_CHARS:,} are needed.",
            "Try again when more members have agreed, or more was said.",
        )
    learned = {"chars": chars, "sha256": digest, "hard_wrapped": False, "transcript": info.ref(revision)}
    return job.corpus.model_copy(update=learned), authors


def info_of(client: redis.Redis, transcript_id: str) -> TranscriptInfo | None:
    data = cast(bytes | None, client.hget(keys.transcript(transcript_id), "info"))
    return TranscriptInfo.model_validate_json(data) if data is not None else None


def _write(
    client: redis.Redis, info: TranscriptInfo, path: Path, max_bytes: int, go_on: Callable[[], None]
) -> tuple[int, bytes | None]:
    until = time.monotonic() + PURGED_WITHIN_S
    while True:
        if not is_being_purged(client, info.transcript_id):
            with suppress(BeingChanged):  # somebody withdrew just now: wait, as for those before
                return write_text(client, info.transcript_id, path, max_bytes)
        if time.monotonic() >= until:
            raise UserError(
                "Words that were withdrawn have yet to be taken out of the channel's messages.",
                "Run the command again in a few minutes.",
            )
        go_on()
        time.sleep(LOOK_EVERY_S)
