"""Every Redis key of the project, so that two parts cannot disagree and a reader can see them all.

Celery's own keys (`train`, `generate`, `unacked*`, `_kombu.*`) are not here.

What belongs to one job expires: `job:ID:lease` after `lifecycle.LEASE_S`, its text with its end, the files of a request
as the settings say, the rest `JOB_TTL_S` after the job's last event. What lists all jobs or workers is trimmed, or
loses each with its end. What belongs to a model, a server or a channel stays until somebody deletes it.
"""

import re


class _Key(str):
    """A template for a key; calling it fills in the places between braces, in their order."""

    def __call__(self, *values: object) -> str:
        return re.sub(r"{\w+}", "{}", self).format(*values)


JOB_TTL_S = 30 * 24 * 3600  # a job, its events and its files are kept for a month after its last event
PREVIEW_TTL_S = 3600  # a chat that is shown before it is learned
UPLOAD_TTL_S = 24 * 3600  # an attached text, after its last training

# String: number of the data in this Redis (`shared.version`). The bot writes it into an empty one.
VERSION = "data:version"

# Stream, trimmed: `{job: id}` for each change of a job.
NOTIFICATIONS = "events"

# Set: ids of jobs whose result the bot has not shown yet; it delivers them after a restart. No deletions.
OUTBOX = "jobs:undelivered"

# Set: ids of jobs to be forgotten once they are answered (`bot.channels.member_data`).
FORGOTTEN = "withdrawals:requests"

# Sorted set: id of a job that a member asked for, or that has words of theirs -> when it was entered, seconds since the
# epoch. What is gone of them is taken out as they are read; it expires twice `JOB_TTL_S` after the last one.
requests = _Key("bot:requests:{user_id}")

# Hash of the trainings that are not over: job id -> guild id. What quotas count and `jobs` lists.
ACTIVE = "jobs:active"

# Set of the ids of models that are in no registry any more. The worker that has removed a model's files takes it out.
DELETING = "models:deleting"

# Hash: id of a channel whose model learns on by itself -> when (JSON, `bot.train.cog_learn.Schedule`). Dropped when it
# is turned off, soon after the channel was deleted, and when the bot leaves its server.
LEARNING = "models:learning"

# String: written to see whether Redis takes anything.
PROBE = "probe"

# Hash of what is known of a job beside its events (`shared.lifecycle`).
# `job`: the job itself (JSON). `first_nonce`: of attempt 1, by the call that entered the job; `entered_at`: when, in
# seconds since the epoch. `card`: `channel:message` that shows it. `state`: `reading`, `waiting`, `begun` or `over`.
# `attempt`: number of the newest one; `nonce`: random, of that one. `worker`: who has begun it; `holder`: random, of
# its process. `deaths`: attempts in a row that ended in trouble or without a word, and saved no new checkpoint, the
# running one counted. `progress`: entry of the newest progress. `model_id`: of the model that it makes. Of trainings
# also `in_use`, once its model was its channel's.
job = _Key("job:{job_id}:record")

# String: a job (JSON) as the bot knows it: with who asked, and whose words it has. The one in its hash, which workers
# read, is without them (`jobs.without_people`).
asked = _Key("bot:job:{job_id}")

# Stream of the job's events, field `event` (JSON). Of progress only the newest is kept.
# The last one also has the field `last`, so that whoever does not know its kind still knows that it is the end.
job_events = _Key("job:{job_id}:events")

# String: holder of the attempt that has a training; expires unless its worker renews it (`lifecycle`).
job_lease = _Key("job:{job_id}:lease")

# String: `cancel` or `finish`, set by the bot, polled by the worker.
job_control = _Key("job:{job_id}:control")

# String: bytes of a file of the job's result, or of its request (an import).
artifact = _Key("job:{job_id}:file:{name}")

# String: the text that a training learns, UTF-8, zlib-compressed. The script that ends the job deletes it.
job_text = _Key("job:{job_id}:text")

# String: a number of `shared.jobs.AUTHOR_BYTES` for each line of that text, equal for lines of one author. Only of
# a channel's text; it goes with the text.
job_authors = _Key("job:{job_id}:authors")

# String: a text that somebody attached in a server, as `job_text`, for a further training on it. Expires.
upload = _Key("bot:upload:{guild_id}:{sha256}")

# Hash: the chat that somebody attached last, until they say that it is to be learned. `id`: of the request; `about`:
# what is shown of it, and what was chosen (JSON, `bot.train.preview.Preview`); `0`, `1` and so on: its pages
# (`shared.corpora.lines`). Expires.
preview = _Key("bot:preview:{guild_id}:{user_id}")

# Sorted set: key of a preview in a server -> when it was shown, in seconds since the epoch. Expires.
previews = _Key("bot:previews:{guild_id}")

# Hash: id of a reading of a channel -> id of its guild. It goes, with all of the reading, when no model and no training
# names it.
READINGS = "bot:readings"

# Hash, a reading note: what was read of a channel for a training. `note`: ReadingNote (JSON, `bot.models.readings`).
# `withdrawn_at`: when the bot first heard that words in it were withdrawn; `outdated_at`: when it found it to be too
# old; both in seconds since the epoch.
reading = _Key("bot:reading:{reading_id}")

# Hash: id of a member whose words were read -> the number that stands for them in `job_authors`, and after a space the
# invented name that their lines begin with, if these have names.
reading_members = _Key("bot:reading:{reading_id}:members")

# List of the pages of a channel that is being read: zlib-compressed JSON, `[message id, author id, line]` for each
# line. It goes when the training has its text, and expires.
reading_pages = _Key("bot:reading:{reading_id}:pages")

# String: how far the reading is (JSON, `bot.channels.pages.ReadingState`). It goes with the pages.
reading_state = _Key("bot:reading:{reading_id}:state")

# Hash: id of a member -> what they said about learning from their messages (JSON, `bot.channels.consent`).
consent = _Key("guild:{guild_id}:consent")

# Hash: id of a channel that an admin allows to learn from -> who did, and when (JSON, `bot.channels.consent`).
allowed_channels = _Key("guild:{guild_id}:allowed")

# String: what a worker tells of a model, a ModelFacts (JSON).
model = _Key("model:{model_id}")

# String: whose a model is and who may use it, an Ownership (JSON), from the entry of the job that makes it. Without it
# nobody may use the model.
ownership = _Key("bot:model:{model_id}")

# Hash of a guild's models: name -> model id; of a private one `USER/name`, which no other model can be called.
guild_models = _Key("guild:{guild_id}:models")

# Sorted set: hash of a text that was uploaded in a guild -> when, seconds since the epoch. Expires with the last one.
uploads = _Key("guild:{guild_id}:uploads")

# Hash of a channel's choices: `model` (id of its current model), `keep` (`1`: trainings don't replace that one),
# `temperature`, `chat` (`1`: answers mentions). And of texts that nobody asks for, there and in its threads
# (`bot.talk`): `speak`: when, as an admin typed it; `quiet`: a moderator wants none before, seconds since the epoch;
# `spoke`: id of the last one, or of when `speak` was chosen; `heard`: people's messages since.
channel = _Key("channel:{channel_id}")

# Sorted set of a `channel` or `guild`: id of a job that wrote such a text there within the last hour -> when, seconds
# since the epoch. Expires.
spoken = _Key("bot:spoken:{what}:{who}")

# String: what a server's admins have set (JSON, `bot.servers.settings.GuildSettings`).
guild_settings = _Key("guild:{guild_id}:settings")

# Hash: what a persona of a server is called -> the persona (JSON, `bot.talk.store.Persona`).
personas = _Key("guild:{guild_id}:personas")

# Sorted set: id of a channel where a quiz runs -> when its answer is due, in seconds since the epoch.
QUIZZES = "bot:quizzes"

# Hash of the quiz that runs in a channel: `id` of its job; `job` (QuizJob) and `drawn` (Quizzed), both JSON; `real`,
# the right answer; `message`, which shows it; `g:` and a member's id -> their guess. It goes once it was answered, or,
# should the bot never come back, after a week.
quiz = _Key("bot:quiz:{channel_id}")

# Hash: id of a member -> `right:all` of their guesses in quizzes, of so many members at most. It expires a year after
# the server's last quiz.
quiz_scores = _Key("guild:{guild_id}:quiz")

# Sorted set, trimmed: `message:channel` -> reactions to a text. It expires 30 days after the last one.
best = _Key("guild:{guild_id}:best")

# Hash: name of a worker -> what it runs on, in plain words.
worker_info = _Key("workers:{queue}:info")

# Sorted set of the workers that serve a queue: name -> time at which its word expires.
workers = _Key("workers:{queue}")

# String: a random word of the bot that runs; expires unless that bot renews it (`bot.lock`).
BOT_LOCK = "bot:lock"

# String: when the bot joined this server, which it has greeted since. Expires once the server counts as an old one.
greeted = _Key("bot:greeted:{guild_id}")

# String: id of the job whose answer a message shows that has no controls to tell it, as in a chat; expires with it.
shown = _Key("bot:shown:{message_id}")

# Hash: guild_id -> id of the Discord application that is in it. One that it left goes a month later.
APPLICATIONS = "bot:applications"

# Hash: guild_id that the bot left -> when it first heard so, seconds since the epoch. A month later, its models go.
LEFT = "bot:left"

# String: hash of the slash commands that were last sent to Discord.
synced_commands = _Key("bot:{application_id}:commands")
