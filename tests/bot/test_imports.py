"""Imported models: who can use them, and what earlier versions entered."""

import json

import pytest

from bot.servers.access import Viewer
from playground.places import GUILD_ID
from shared import keys
from shared.connect import connect
from shared.events import Imported
from shared.jobs import ImportJob, ReadingRef
from shared.models import ModelRecord, Ownership
from tests.bot.ids import ADA, LAB
from tests.bot.live import Live
from tests.bot.stand_in import lab
from tests.factories import record
from tests.readings import noted
from tests.registered import register

pytestmark = pytest.mark.usefixtures("opted_in")

JOB = ImportJob(job_id="i-1", place=lab(), file_name="a.safetensors")


def entered(live: Live, *file_readings: str, readings: tuple[ReadingRef, ...] = ()) -> ModelRecord:
    """An imported model, whose file names readings, as 1.0.0 entered it; the bot noted `readings`."""
    facts = record(name="sea", imported=True, file_readings=file_readings).facts
    model = ModelRecord.of(facts, Ownership.of(JOB)).model_copy(update={"readings": readings})
    return register(connect(live.bot.settings), model, current=False)


async def usable(live: Live) -> list[ModelRecord]:
    return await live.models.registry.usable(Viewer(GUILD_ID, [LAB], ADA))


async def test_an_import_can_be_used_before_it_is_shown(live: Live) -> None:
    model = entered(live)
    assert await usable(live) == [model]
    await live.core.delivery.post(JOB, Imported(model=model.facts), live.bot.get_partial_messageable(LAB).send)
    assert live.showing("Imported sea")


async def test_what_1_0_0_imported_of_messages_is_as_its_readings_say(live: Live) -> None:
    note = await noted(live.models.registry.notes, ADA, guild_id=GUILD_ID, channel_id=LAB)
    model = entered(live, note.reading_id, readings=(note.ref,))
    assert await usable(live) == [model]
    await live.models.registry.notes.mark(note.reading_id, "withdrawn")
    assert await live.models.registry.is_withdrawn(model.readings), "as any other that learned it"


async def test_what_1_0_0_imported_of_messages_and_did_not_look_up_stays_out_of_use(live: Live) -> None:
    note = await noted(live.models.registry.notes, ADA, guild_id=GUILD_ID, channel_id=LAB)
    model = entered(live, note.reading_id)
    ownership = {**model.ownership.model_dump(mode="json"), "checked": False}
    await live.bot.redis.set(keys.ownership(model.model_id), json.dumps(ownership))
    assert await live.models.registry.record(model.model_id) == model, "it can still be read"
    assert await usable(live) == []


async def test_what_a_worker_of_1_0_0_imports_of_messages_is_not_kept(live: Live) -> None:
    note = await noted(live.models.registry.notes, ADA, guild_id=GUILD_ID, channel_id=LAB)
    model = entered(live, note.reading_id)
    for _ in range(2):  # an answer may be tried again
        await live.core.delivery.post(JOB, Imported(model=model.facts), live.bot.get_partial_messageable(LAB).send)
    assert len(live.shown("can no longer be used")) == 2
    assert await live.models.registry.record(model.model_id) is None
    assert await live.bot.redis.smembers(keys.DELETING) == {model.model_id.encode()}
