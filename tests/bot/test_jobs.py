"""Who may have how many trainings and who ends which; without a name a command means the only one that there is."""

import pytest

from bot.train import start
from playground.places import GUILD_ID, USER_IDS
from shared import keys
from shared.events import Exported, Failed
from shared.jobs import MODEL_FILE, ExportJob
from tests.bot.channels import model_of
from tests.bot.ids import BEN, CELLAR, LAB, LIBRARY
from tests.bot.live import Live, text_of
from tests.bot.stand_in import StandIn, lab
from tests.factories import corpus, progress, train_job


async def entered(live: Live, number: int, person: str = "ada", channel_id: int = LAB) -> str:
    """Enter a training that waits; return its id."""
    text = corpus(sha256=f"{number:064}")
    job = train_job(job_id=f"t-{number}", place=lab(channel_id, person), corpus=text)
    assert await live.core.jobs.submit_train(job, "text")
    return job.job_id


async def over(live: Live, job_id: str) -> bool:
    return not await live.bot.redis.hexists(keys.ACTIVE, job_id)


@pytest.mark.parametrize("command", ["cancel", "finish"])
async def test_none_is_said(live: Live, command: str) -> None:
    await entered(live, 1, "ben")
    said = await live.ask(f"!{command}", person="cleo")
    assert "You have no training here" in said
    assert "`!train frankenstein` starts one" in said


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
    assert "`!cancel t-1`" in said
    assert "`!cancel t-1`" in await live.ask("!cancel tides")
    assert not await over(live, "t-1")


async def test_a_text_names_ones_own_training(live: Live) -> None:
    await entered(live, 1, "ben")
    await entered(live, 2)
    job = train_job(job_id="t-3", place=lab(LAB, "ada"), corpus=corpus(sha256=f"{3:064}", name="walrus"))
    assert await live.core.jobs.submit_train(job, "text")
    assert "You have no training of `walrus`" in await live.ask("!cancel walrus", person="ben")
    assert "Cancelled" in await live.ask("!cancel `Walrus`")
    assert [await over(live, f"t-{number}") for number in (1, 2, 3)] == [False, False, True]
    assert "Cancelled" in await live.ask('!cancel "the book of tides"')
    assert await over(live, "t-2")


async def test_the_one_that_runs_is_finished(live: Live) -> None:
    worker = StandIn(live.bot.settings)
    running = await entered(live, 1)
    worker.begin().publish(progress())
    await entered(live, 2)
    assert "I finish it as soon as its worker answers: the best so far is kept" in await live.ask("!finish")
    assert await live.core.jobs.control(running) == "finish"


async def test_one_that_is_paused_is_finished_later(live: Live) -> None:
    worker = StandIn(live.bot.settings)
    job_id = await entered(live, 1)
    events = worker.begin()
    events.publish(progress())
    events.requeue("stopped", "n2")
    assert "It is paused. I finish it as soon as it goes on" in await live.ask(f"!finish {job_id}")


async def test_only_its_owner_exports_the_channels_model(live: Live) -> None:
    assert "There is no model here yet" in await live.ask("!model export")
    await live.models.registry.use(LAB, model_of(live, "bens", owner_id=BEN))
    assert "isn't your model" in await live.ask("!model export", person="cleo")


@pytest.mark.parametrize(
    ("typed", "file"),
    [
        ("!model export", "bens.safetensors"),
        ("!model export --page", "bens.html"),
        ("!model export bens --page", "bens.html"),
    ],
)
async def test_a_model_is_exported_as_a_file_or_a_page(live: Live, typed: str, file: str) -> None:
    worker = StandIn(live.bot.settings)
    await live.models.registry.use(LAB, model_of(live, "bens", owner_id=BEN))
    sent = live.send(typed, person="ben")
    job = await live.job(await worker.asked(live), ExportJob)
    assert (job.model.name, job.page) == ("bens", file.endswith("html"))
    await live.bot.redis.set(keys.artifact(job.job_id, MODEL_FILE), b"a model")
    worker.tell(job.job_id, Exported(size=7))
    (attached,) = (await live.answered(sent)).attachments
    assert attached["filename"] == file


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


async def test_nobody_has_more_than_the_quotas_allow(live: Live) -> None:
    live.bot.settings.train_cooldown_s = 600
    live.bot.settings.train_jobs_per_user, live.bot.settings.train_jobs_per_server = 2, 3
    for number, person in enumerate(("ada", "ben", "ben")):
        await entered(live, number, person)
    refused = await live.ask("!train python-docs", person="ben")
    assert "You already have 2 trainings waiting or running here" in refused
    assert "`!jobs` lists them" in refused
    live.slash("dora", "train", source="python-docs")
    words = "This server already has 3 trainings waiting or running, the most it may have."
    await live.until(lambda: live.whispered("dora", words), "the same of the server")
    assert not live.shown("Learning"), "no card was left behind"
    assert not live.core.access._cooldowns, "what is refused costs nothing"
    assert "Learning" in await live.ask("!train python-docs", person="ben", channel="atrium")
    await live.ask("!cancel t-1", person="ben")
    live.core.access._cooldowns.clear()
    assert "Learning" in await live.ask("!train python-docs", person="ben")


async def test_a_full_store_takes_no_more_models(live: Live) -> None:
    model_of(live, "bulky", file_bytes=2_000_000_000)
    refused = await live.ask("!train python-docs")
    assert "take 2,000.0 MB, and 2,000 MB is the most" in refused
    assert "`!model delete NAME`" in refused


async def test_a_server_has_no_more_models_than_it_may_have(live: Live) -> None:
    live.patch.setattr(start, "MOST_MODELS", 1)
    model_of(live, "small", file_bytes=1)
    refused = await live.ask("!train python-docs")
    assert "has 1 model, and 1 is the most" in refused
    await live.remaking.trainings.require_quota(
        GUILD_ID, USER_IDS["ada"], replaces=True
    )  # it takes another one's place
    assert "`!model delete NAME`" in refused


async def test_those_who_may_end_a_training_that_waits(live: Live) -> None:
    for number, place in enumerate((LAB, CELLAR), 1):
        await live.follow(train_job(job_id=f"t-{number}", place=lab(place, "ben")))
    card = await live.until(lambda: live.showing("training t-1"), "the card")
    assert "isn't yours" in await live.ask("!finish t-1", person="cleo", channel="library")
    # Neither a moderator who can't see the channel nor another server learns that there is one.
    for where in ({"person": "dora"}, {"person": "ben", "channel": "atrium"}):
        assert "There is no training" in await live.ask("!cancel t-2", **where)
    assert "There is no training" in await live.ask("!finish t-12")
    assert "You have no training of `nonsense`" in await live.ask("!finish nonsense")

    async def offered(command: str, person: str, typed: str = "", where: int = LAB) -> list[str]:
        found = await live.acts.autocomplete(USER_IDS[person], where, command, "training", typed, {})
        return [choice["value"] for choice in found]

    assert sorted(await offered("cancel", "ben")) == ["t-1", "t-2"]
    assert await offered("finish", "dora") == ["t-1"]
    assert await offered("finish", "cleo", where=LIBRARY) == await offered("cancel", "ben", "zebra") == []
    for person, label, words in (
        ("cleo", "Cancel", "can't send messages"),  # she may only read there
        ("ben", "Finish now", "hasn't started"),
        ("cleo", "Samples", "no samples yet"),
        ("dora", "Cancel", "Cancelled"),
    ):
        await live.answered_privately(person, card, label, words)
    await live.until(lambda: "Nothing was kept" in text_of(card), "the end on the card")
    assert "already ended" in await live.ask("!cancel t-1", person="ben")
    live.slash("ben", "cancel", "cellar", training="t-2")
    await live.until(lambda: live.whispered("ben", "Cancelled before it started.", channel="cellar"), "the answer")
