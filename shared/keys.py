"""Every Redis key of the project, so that two parts cannot disagree and a reader can see them all.

Celery's own keys (`train`, `generate`, `unacked*`, `_kombu.*`) are not here.

What belongs to one job expires: `job:ID:lease` after `lifecycle.LEASE_S`, texts and the files of a request as the
settings say, the rest `JOB_TTL_S` after the job's last event. Cooldowns expire, too. What lists all jobs or workers is
trimmed, or loses each with its end. What belongs to a model, a server or a channel stays until somebody deletes it, and
`jobs:served` keeps two numbers for each server.
"""

from __future__ import annotations

JOB_TTL_S = 30 * 24 * 3600  # a job, its events and its files are kept for a month after its last event

NOTIFICATIONS = "events"
"""Stream, trimmed: `{job: id}` for each change of a job, `{worker: name}` when a worker's state changes."""

OUTBOX = "jobs:undelivered"
"""Set: ids of jobs whose result the bot has not shown yet; it delivers them after a restart. No deletions."""

ACTIVE = "jobs:active"
"""Hash of the trainings that are not over: job id -> `guild:user`. What quotas count and `jobs` lists."""

SERVED = "jobs:served"
"""Hash: guild id -> `start tag:order` of its training that was sent last (`bot.jobs.fairness.Served`)."""

HISTORY = "jobs:history"
"""List of how long trainings took (JSON, newest first, trimmed), to estimate the next ones by."""

DELETING = "models:deleting"
"""Hash: id of a model that is in no registry any more -> the DeleteJob (JSON) that removes its files. The worker that
has removed them takes it out."""

STALE = "models:stale"
"""Hash: id of a model that learned words which were withdrawn since -> seconds since the epoch when that was found."""

WITHDRAWALS = "withdrawals:open"
"""Hash: `guild:user` of a member who withdrew -> ids (JSON) of models with their words; told when none is left."""

PROBE = "probe"
"""String: written to see whether Redis takes anything."""

TRANSCRIPTS = "transcripts"
"""Hash: id of a transcript that is not forgotten yet -> id of its guild."""

READINGS_ENDED = "transcripts:ended"
"""Hash: id of a transcript that was forgotten because its reading ended -> how (JSON, `bot.channels.importer`), until
its card shows it."""


def job(job_id: str) -> str:
    """Hash of what is known of a job beside its events (`shared.lifecycle`).

    `job`: the job itself (JSON). `key`: idempotency key of the call that entered it,
    `entered_at`: when, in seconds since the epoch. `card`: `channel:message` that
    shows it. `state`: `waiting`, `sent`, `begun` or `over`. `attempt`: number of the newest one; `nonce`: random, of
    that one. `worker`: who has begun it; `holder`: random, of its process. `deaths`: attempts in a row that ended
    without a word and without headway, the running one counted. `progress`: entry of the newest progress. `model_id`:
    of the model that it makes. Of trainings also `arrived`, the virtual time when it was entered, and `start_tag`, once
    it was sent.
    """
    return f"job:{job_id}"


def job_pattern() -> str:
    """Matches `job` of every job, and the other keys of jobs, which are no hashes."""
    return "job:*"


def job_events(job_id: str) -> str:
    """Stream of the job's events, field `event` (JSON). Of progress only the newest is kept.

    The last one also has the field `last`, so that whoever does not know its kind still knows that it is the end.
    """
    return f"job:{job_id}:events"


def job_lease(job_id: str) -> str:
    """String: `attempt:nonce` of the attempt that has the job; expires unless its worker renews it (`lifecycle`)."""
    return f"job:{job_id}:lease"


def job_control(job_id: str) -> str:
    """String: `cancel` or `finish`, set by the bot, polled by the worker."""
    return f"job:{job_id}:control"


def artifact(job_id: str, name: str) -> str:
    """String: bytes of a file of the job's result, or of its request (an import)."""
    return f"job:{job_id}:file:{name}"


def corpus(sha256: str) -> str:
    """String: the text, UTF-8, zlib-compressed, expiring."""
    return f"corpus:{sha256}"


def transcript(transcript_id: str) -> str:
    """Hash of a transcript (`shared.transcripts`): what is known of a channel's messages beside their words.

    `info`: TranscriptInfo (JSON). `revision`: grows with every change that takes words out. `withdrawn`: the revision
    at which a member last withdrew. `lines`, `chars`, `bytes` (UTF-8): what it holds. `left_out`: lines that were too
    many. While it is being read also `reading` (JSON, `bot.channels.reader`): how far that is, and what is to come of
    it; `card`: `channel:message` that shows it; and `cancelled`: `1` once somebody cancelled it. It lives as long as a
    model refers to it.
    """
    return f"transcript:{transcript_id}"


def transcript_text(transcript_id: str) -> str:
    r"""List of a transcript's pages: lines joined by `\n`, UTF-8, zlib-compressed; empty: nothing left. Expires."""
    return f"transcript:{transcript_id}:text"


def transcript_index(transcript_id: str) -> str:
    """List of the same pages: zlib-compressed JSON, `[message id, author id]` for each line, in a thread also the
    thread's id. Expires with the text.
    """
    return f"transcript:{transcript_id}:index"


def transcript_members(transcript_id: str) -> str:
    """Hash: id of a member whose words are in a transcript -> number of lines."""
    return f"transcript:{transcript_id}:members"


def transcript_names(transcript_id: str) -> str:
    """Hash: id of a member whose words are in a transcript -> the pseudonym that their lines begin with."""
    return f"transcript:{transcript_id}:names"


def transcript_gone(transcript_id: str) -> str:
    """Hash of what has yet to be taken out: `a:` and an author's id -> ``, `m:` and a message's id -> its new line (``:
    it was deleted), `t:` and the id of a deleted thread -> ``. No worker reads the text while it is there.
    """
    return f"transcript:{transcript_id}:gone"


def consent(guild_id: int) -> str:
    """Hash: id of a member -> what they said about learning from their messages (JSON, `bot.channels.consent`)."""
    return f"guild:{guild_id}:consent"


def consent_pattern() -> str:
    return "guild:*:consent"


def allowed_channels(guild_id: int) -> str:
    """Hash: id of a channel that an admin allows to learn from -> who did, and when (JSON, `bot.channels.consent`)."""
    return f"guild:{guild_id}:allowed"


def allowed_channels_pattern() -> str:
    return "guild:*:allowed"


def model(model_id: str) -> str:
    """String: a ModelRecord (JSON)."""
    return f"model:{model_id}"


def guild_models(guild_id: int) -> str:
    """Hash of a guild's models: name -> model id."""
    return f"guild:{guild_id}:models"


def channel(channel_id: int) -> str:
    """Hash of a channel's choices: `model` (id of its current model), `temperature`, `chat` (`1`: answers mentions)."""
    return f"channel:{channel_id}"


def guild_settings(guild_id: int) -> str:
    """String: what a server's admins have set (JSON, `bot.servers.settings.GuildSettings`)."""
    return f"guild:{guild_id}:settings"


def cooldown(what: str, guild_id: int, who: int) -> str:
    """String that lives as long as a person (or, for `chat`, a channel) must wait before the next `what`."""
    return f"cooldown:{what}:{guild_id}:{who}"


def worker_info(queue: str) -> str:
    """Hash: name of a worker -> what it runs on, in plain words."""
    return f"workers:{queue}:info"


def worker_states(queue: str) -> str:
    """Hash: name of a worker -> `free`, `busy JOB ATTEMPT` or `draining`."""
    return f"workers:{queue}:state"


def workers(queue: str) -> str:
    """Sorted set of the workers that serve a queue: name -> time at which its word expires."""
    return f"workers:{queue}"


def leader(application_id: int) -> str:
    """String: which of several bots with the same token leads; expires unless that bot renews it."""
    return f"bot:{application_id}:leader"


def greeted(guild_id: int) -> str:
    """String: the bot has greeted this server. Expires once the server counts as an old one."""
    return f"bot:greeted:{guild_id}"


def term(application_id: int) -> str:
    """String: the bot that led last, even if its lead has lapsed (see `bot.leader.Leader.step`)."""
    return f"bot:{application_id}:term"


def synced_commands(application_id: int | None) -> str:
    """String: hash of the slash commands that were last sent to Discord."""
    return f"bot:{application_id}:commands"
