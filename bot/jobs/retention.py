"""How long the words that a training learns stay in Redis: while it waits or runs, and for a while after.

For a channel's words only the bot decides that; a worker may extend only other texts (`worker.lease`).
"""

from __future__ import annotations

from typing import Final

from shared import keys
from shared.jobs import CorpusInfo, TrainJob
from shared.lifecycle import Script
from shared.settings import Settings

_DAY_S = 86_400

# Another training may have yet to read them. One that was to drop sooner is not kept longer.
# KEYS: pages, their index, active. ARGV: the transcript as a job names it, the job that is over, what a job's key
# begins with, milliseconds.
_RELEASE: Final = """
for _, id in ipairs(redis.call('HKEYS', KEYS[3])) do
  local other = id ~= ARGV[2] and redis.call('HGET', ARGV[3] .. id, 'job')
  if other and string.find(other, ARGV[1], 1, true) then return 0 end
end
for i = 1, 2 do
  local left = redis.call('PTTL', KEYS[i])
  if left == -1 or left > tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[i], ARGV[4]) end
end
return 1
"""


def text_keys(corpus: CorpusInfo) -> tuple[str, ...]:
    """The keys of a text's words, and of what expires with them."""
    if corpus.transcript is None:
        return (keys.corpus(corpus.sha256),)
    transcript_id = corpus.transcript.transcript_id
    return keys.transcript_text(transcript_id), keys.transcript_index(transcript_id)


def needed_s(corpus: CorpusInfo, settings: Settings) -> int:
    """Seconds that they are kept after each sign of life of a training that is not over: bot and worker may be down."""
    if corpus.transcript is None:
        return int(3_600 * settings.corpus_ttl_hours)
    return max(_DAY_S, int(_DAY_S * settings.channel_corpus_days))


def release(job: TrainJob, settings: Settings) -> Script | None:
    """Keep a channel's words for `channel_corpus_days` from the end of a training; with 0 they are dropped.

    The script does nothing while another training needs them. None: the text is of another kind, and just expires.
    """
    if job.corpus.transcript is None:
        return None
    names = (*text_keys(job.corpus), keys.ACTIVE)
    milliseconds = int(1_000 * _DAY_S * settings.channel_corpus_days)
    named = f'"transcript_id":"{job.corpus.transcript.transcript_id}"'
    return Script(_RELEASE, names, (named, job.job_id, keys.job(""), str(milliseconds)))
