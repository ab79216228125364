"""Imported models of channels: the bot looks up what their files name before anybody can use them."""

import pytest

from bot.servers.access import Viewer
from playground.places import ANNEX_ID, GUILD_ID
from shared import keys
from shared.connect import connect
from shared.events import Imported
from shared.jobs import ImportJob
from shared.models import ModelRecord, Ownership
from tests.bot.ids import ADA, LAB
from tests.bot.live import Live
from tests.bot.stand_in import StandIn, lab
from tests.factories import record
from tests.readings import noted
from tests.registered import register

pytestmark = pytest.mark.usefixtures("opted_in")

JOB = ImportJob(job_id="i-1", place=lab(), file_name="a.safetensors")


async def imported(live: Live, *readings: str) -> ModelRecord | None:
    """What becomes of a model whose file names these readings."""
    facts = record(name="sea", imported=True, file_readings=readings).facts
    model = register(connect(live.bot.settings), ModelRecord.of(facts, Ownership.of(JOB)), current=False)
    assert await live.models.registry.usable(Viewer(GUILD_ID, [LAB], ADA)) == [], "not before the bot has looked"
    send = live.bot.get_partial_messageable(LAB).send
    await live.core.delivery.post(JOB, Imported(model=model.facts), send)
    return await live.models.registry.record(model.model_id)


async def test_a_model_of_known_readings_is_as_its_readings_say(live: Live) -> None:
    note = await noted(live.models.registry.notes, ADA, guild_id=GUILD_ID, channel_id=LAB)
    model = await imported(live, note.reading_id)
    assert model is not None
    assert (model.readings, model.checked) == ((note.ref,), True)
    assert await live.models.registry.usable(Viewer(GUILD_ID, [LAB])) == [model]
    await live.models.registry.notes.mark(note.reading_id, "withdrawn")
    assert await live.models.registry.is_withdrawn(model.readings), "as any other that learned it"


async def test_a_model_of_no_readings_can_be_used(live: Live) -> None:
    model = await imported(live)
    assert await live.models.registry.usable(Viewer(GUILD_ID, [LAB])) == [model]


async def test_an_import_is_shown_however_late(live: Live) -> None:
    client = connect(live.bot.settings)
    await live.core.jobs.submit(JOB)
    register(client, ModelRecord.of(record(name="sea", imported=True).facts, Ownership.of(JOB)), current=False)
    client.hset(keys.job(JOB.job_id), "entered_at", 1)
    StandIn(live.bot.settings).tell(JOB.job_id, Imported(model=record(name="sea", imported=True).facts))
    await live.core.delivery.take_up(JOB.job_id)
    await live.until(lambda: live.showing("sea"), "its card")
    assert [model.name for model in await live.models.registry.usable(Viewer(GUILD_ID, [LAB]))] == ["sea"]


@pytest.mark.parametrize(
    ("what", "problem"),
    [
        ("unknown", "that I know nothing of"),
        ("of another server", "that I know nothing of"),
        ("withdrawn", "were withdrawn after it was exported"),
    ],
)
async def test_a_file_that_may_not_be_used_is_refused_and_not_kept(live: Live, what: str, problem: str) -> None:
    guild_id = ANNEX_ID if what == "of another server" else GUILD_ID
    notes = live.models.registry.notes
    note = await noted(notes, ADA, guild_id=guild_id, channel_id=LAB)
    if what == "withdrawn":
        await notes.mark(note.reading_id, "withdrawn")
    names = [note.reading_id, *(["r-of-nobody"] if what == "unknown" else [])]
    assert await imported(live, *names) is None
    assert live.showing(problem)
    assert await live.models.registry.all(GUILD_ID) == []
