"""Whatever is said, by whoever, and whoever agrees or withdraws: what a worker reads is theirs who agree now.

Channels of random messages are read by the real bot from the local Discord, and what lies in Redis as a worker does it.
"""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from galvanic.read.cleaning import clean, leads_somewhere
from playground.places import GUILD_ID, USER_IDS, OldMessage
from shared import keys
from shared.jobs import AUTHOR_BYTES, TrainJob
from shared.settings import Settings
from tests.bot.channels import until, worked_off
from tests.bot.ids import ADA
from tests.bot.live import Live
from tests.galvanic.test_cleaning import EMBEDDED

LEAST_CHARS = 100
PEOPLE = ("ada", "ben", "cleo", "dora")
_NUMBERS = itertools.count()
_THINGS = st.one_of(*EMBEDDED.values())
_SAID = "well yes no the kettle hums again tonight, look what happened to my boat; ha!"
_WORDS = st.sampled_from(_SAID.split())
# Each word that somebody says has their mark in it: "kettle" of Ada's is "adaXkettle". A message with a thing in it is
# left out whole, so few have one.
_MESSAGE = st.tuples(
    st.sampled_from(PEOPLE), st.lists(_WORDS, min_size=2, max_size=8), st.sampled_from([False] * 4 + [True]), _THINGS
).map(lambda drawn: (drawn[0], [*drawn[1], *([drawn[3]] if drawn[2] else [])]))
MESSAGES = st.lists(_MESSAGE, min_size=10, max_size=60)


@pytest.fixture(name="settings")
def _settings(redis_url: str, opted_in: None, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for module in ("reading", "withdrawals"):
        monkeypatch.setattr(f"bot.channels.{module}.LEAST_CHARS", LEAST_CHARS)
    for whose in ("USER", "SERVER"):
        monkeypatch.setenv(f"TRAIN_JOBS_PER_{whose}", "1000")
    return Settings()


def said(person: str, words: Sequence[str]) -> str:
    return f"{person}X{f' {person}X'.join(words)}"


def seeded(live: Live, messages: Sequence[tuple[str, list[str]]]) -> int:
    """A channel with these messages; its id."""
    channel = live.world.create_channel(GUILD_ID, f"room-{next(_NUMBERS)}")
    first = datetime.now(UTC) - timedelta(days=1)
    live.world.add_old_messages(
        channel.id,
        (
            OldMessage(USER_IDS[person], said(person, words), first + timedelta(seconds=n))
            for n, (person, words) in enumerate(messages)
        ),
    )
    return int(channel.id)


async def learned(live: Live, channel_id: int) -> TrainJob | None:
    """The training that follows; None when too little was found."""
    sent = live.send(f"!train <#{channel_id}>", channel=channel_id)
    job_id = f"t-{sent.id}"

    async def is_over() -> bool:
        refused = ("Could not learn", "No member of this server has agreed")
        ended = any(live.showing(words, channel=channel_id) for words in refused)
        stored = await live.core.jobs.load(job_id)
        return ended or (stored is not None and isinstance(stored.job, TrainJob) and not stored.job.is_unread)

    await until(is_over)
    stored = await live.core.jobs.load(job_id)
    return stored.job if stored is not None and isinstance(stored.job, TrainJob) else None


async def as_read(live: Live, job: TrainJob) -> str:
    """Return what a worker reads; nothing if all of it is gone. Its numbers tell whose each line is, and no more."""
    found = await live.core.jobs.channel_text(job.job_id)
    if found is None:
        return ""
    text, authors = found
    numbers = [authors[at : at + AUTHOR_BYTES] for at in range(0, len(authors), AUTHOR_BYTES)]
    lines = list(zip(text.splitlines(), numbers, strict=True))
    whose = {(person, number) for person in PEOPLE for line, number in lines if f"{person}X" in line}
    assert len(whose) == len(dict(whose)) == len({number for _, number in whose})
    return text


def assert_only(text: str, agreed: set[str]) -> None:
    """See that only these people's words are in a text, and nothing that leads somewhere."""
    for person in PEOPLE:
        assert person in agreed or f"{person}X" not in text
    assert not [line for line in text.splitlines() if leads_somewhere(line)]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(messages=MESSAGES, agreed=st.sets(st.sampled_from(PEOPLE)), withdrawn=st.sets(st.sampled_from(PEOPLE)))
async def test_a_worker_reads_only_what_was_agreed(
    live: Live, messages: list[tuple[str, list[str]]], agreed: set[str], withdrawn: set[str]
) -> None:
    bot = live.bot
    channel_id = seeded(live, messages)
    await live.until(lambda: bot.get_channel(channel_id), "the channel to be known")
    await bot.redis.delete(keys.consent(GUILD_ID))  # what the last example left
    await live.consents.allow(GUILD_ID, channel_id, ADA)
    for person in agreed:
        await live.consents.agree(GUILD_ID, USER_IDS[person])
    job = await learned(live, channel_id)
    if job is None:
        return
    text = await as_read(live, job)
    lines = [clean(said(person, words)) for person, words in messages if person in agreed]
    assert text or sum(len(line) + 1 for line in lines if line) < LEAST_CHARS
    assert_only(text, agreed)
    for person in withdrawn:
        await live.channels.withdrawals.withdraw(GUILD_ID, USER_IDS[person], why="test")
    await worked_off(live.core.chores)
    assert_only(await as_read(live, job), agreed - withdrawn)
