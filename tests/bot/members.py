"""Members and what is stored of them: readings of their words, and their requests."""

from bot.models.readings import ReadingNote
from playground.places import GUILD_ID
from shared import keys
from shared.lifecycle import enter
from shared.models import ModelRecord
from tests import factories
from tests.bot import channels
from tests.bot.ids import BEN, DORA, LAB, TAVERN
from tests.bot.live import Live
from tests.readings import noted


async def stored(live: Live, *people: int, channel_id: int = TAVERN) -> ReadingNote:
    """A reading with words of these, who agreed."""
    for who in people:
        await live.consents.agree(GUILD_ID, who)
    return await noted(live.models.registry.notes, *people, guild_id=GUILD_ID, channel_id=channel_id)


async def has_withdrawn(live: Live, note: ReadingNote) -> bool:
    """Whether words of a reading were withdrawn."""
    return await live.models.registry.is_withdrawn([note.ref])


def model_of(live: Live, note: ReadingNote, name: str = "chatter", channel_id: int = TAVERN) -> ModelRecord:
    """A model that learned a reading; its id is its name."""
    return channels.model_of(live, name, note, channel_id=channel_id)


async def answer_of(live: Live, who: int, guild_id: int = GUILD_ID) -> str | None:
    """Whether somebody said yes or no to being learned from, if anything."""
    answer = await live.consents.answer(guild_id, who)
    return None if answer is None else answer.state


async def asked_for(live: Live, job_id: str, who: int, seed: str) -> None:
    """A request of somebody's that was answered."""
    place = factories.place(guild_id=GUILD_ID, channel_id=LAB, user_id=who)
    job = factories.generate_job(job_id=job_id, place=place, seed=seed, blocked=("blocklisted",))
    assert await live.core.jobs.run(enter(job, "n")) == b"entered"
    await live.bot.redis.srem(keys.OUTBOX, job_id)


async def ben_and_dora(live: Live) -> ReadingNote:
    """Both have words in a reading, of which there is a model, and asked for a text (`g-1`, `g-2`); its note."""
    note = await stored(live, BEN, DORA)
    model_of(live, note)
    await asked_for(live, "g-1", BEN, "a seed of ben")
    await asked_for(live, "g-2", DORA, "a seed of dora")
    return note
