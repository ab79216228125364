"""`cancel` and `finish` without a name mean the only training, `model export` the channel's model."""

import pytest

from playground.places import CHANNEL_IDS, USER_IDS
from shared import keys
from shared.events import Failed
from shared.jobs import ExportJob
from tests.bot.channels import model_of
from tests.bot.live import Live, text_of
from tests.bot.stand_in import StandIn, lab
from tests.factories import corpus, progress, train_job

LAB, CELLAR = CHANNEL_IDS["lab"], CHANNEL_IDS["cellar"]


async def entered(live: Live, number: int, person: str = "ada", channel_id: int = LAB) -> str:
    """A training that waits, or that `StandIn.claim` takes."""
    text = corpus(sha256=f"{number:064}")
    job = train_job(job_id=f"t-{number}", place=lab(channel_id, person), corpus=text)
    assert await live.core.jobs.submit_train(job, "text", (9, 9)) == "entered"
    return job.job_id


async def over(live: Live, job_id: str) -> bool:
    return not await live.bot.redis.hexists(keys.ACTIVE, job_id)


@pytest.mark.parametrize("command", ["cancel", "finish"])
async def test_none_is_said(live: Live, command: str) -> None:
    await entered(live, 1, "ben")
    said = await live.ask(f"!{command}", person="cleo")
    assert "You have no training waiting or running here" in said
    assert "`!jobs` lists" in said


async def test_the_only_one_is_cancelled(live: Live) -> None:
    bens, adas = await entered(live, 1, "ben"), await entered(live, 2)
    assert "Cancelled" in await live.ask("!cancel")
    assert await over(live, adas)
    assert not await over(live, bens)


async def test_of_several_one_has_to_be_named(live: Live) -> None:
    await entered(live, 1)
    await entered(live, 2, channel_id=CELLAR)
    said = await live.ask("!cancel")
    assert "You have 2 trainings" in said
    assert "`!cancel JOB`" in said
    assert not await over(live, "t-1")


async def test_the_one_that_runs_is_finished(live: Live) -> None:
    worker = StandIn(live.bot.settings)
    running = await entered(live, 1)
    worker.begin().publish(progress())
    await entered(live, 2)
    assert "Finishing" in await live.ask("!finish")
    assert await live.core.jobs.control(running) == "finish"


async def test_the_channels_model_is_exported(live: Live) -> None:
    worker = StandIn(live.bot.settings)
    assert "There is no model here yet" in await live.ask("!model export")
    await live.models.registry.use(LAB, model_of(live, "bens", owner_id=USER_IDS["ben"]))
    assert "isn't your model" in await live.ask("!model export", person="cleo")
    live.send("!model export", person="ben")
    job = await live.job(await worker.asked(live), ExportJob)
    assert job.model.name == "bens"


async def test_an_import_that_a_worker_refuses_has_its_cooldown(live: Live) -> None:
    worker = StandIn(live.bot.settings)
    live.bot.settings.train_cooldown_s = 600
    sent = live.send("!model import", files={"x.safetensors": b"no model"})
    worker.tell(await worker.asked(live), Failed(problem="model.safetensors is no model.", remedy="Export one."))
    assert "`x.safetensors` is no model" in text_of(await live.answered(sent))
    await live.until(lambda: not worker.waiting(), "the job to be over")
    again = live.send("!model import", files={"x.safetensors": b"no model"})
    assert "a bit fast" in text_of(await live.answered(again))


async def test_a_moderator_without_a_training_ends_nobodys(live: Live) -> None:
    bens = await entered(live, 1, "ben")
    assert "You have no training" in await live.ask("!cancel", person="dora")
    assert not await over(live, bens)
