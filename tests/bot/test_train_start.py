"""From the request to the card: whatever fails in between, a card that is there is true."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from bot.servers.access import Actor
from bot.train.start import TrainRequest
from galvanic.errors import UserError
from galvanic.options import TrainOptions
from shared import keys
from shared.corpora.corpus import Corpus
from shared.jobs import TrainJob
from tests.bot.channels import model_of
from tests.bot.ids import LAB
from tests.bot.live import Live, text_of
from tests.bot.offline import context
from tests.bot.previews import text
from tests.bot.stand_in import lab
from tests.driver.faults import Fault
from tests.factories import corpus, train_job

POST = r"/channels/\d+/messages"


async def _lesson() -> TrainRequest:
    return TrainRequest(Corpus(corpus(), "a tide " * 300), TrainOptions())


async def _who(live: Live) -> Actor:
    return Actor.of(await context(live.bot, "!train tides"))


def _cards(live: Live, words: str = "Queued") -> list[Any]:
    return [message for message in live.world.messages[LAB].values() if words in text_of(message)]


async def _noted(live: Live, job_id: str) -> tuple[int, int]:
    """Where Redis knows the card of a training to be, once it does."""
    while (stored := await live.core.jobs.load(job_id)) is None or stored.card is None:
        await live.handled()
    return stored.card


async def test_the_next_run_knows_where_the_card_is(live: Live) -> None:
    who = await _who(live)
    await live.trainings.begin(who, _lesson)
    noted = await _noted(live, f"t-{who.request_id}")
    (card,) = _cards(live, "Learning")
    assert noted == (LAB, card.id)


async def test_a_bot_that_died_between_the_card_and_its_note_shows_one_card(live: Live) -> None:
    who, note = await _who(live), live.core.jobs.set_card

    async def fails(*_: Any) -> None:
        raise redis.ConnectionError

    live.patch.setattr(live.core.jobs, "set_card", fails)
    await live.trainings.begin(who, _lesson)
    await live.until(lambda: _cards(live, "Learning"), "the card")
    delivery = live.core.delivery
    await delivery.stop()
    live.patch.setattr(live.core.jobs, "set_card", note)
    delivery.stopped, delivery._seen = False, None
    delivery.start()
    (card,) = _cards(live, "Learning")
    assert await _noted(live, f"t-{who.request_id}") == (LAB, card.id)


async def test_a_training_that_is_refused_late_has_no_card(live: Live, sync: redis.Redis) -> None:
    async def meanwhile() -> TrainRequest:
        for number in range(live.bot.settings.train_jobs_per_user):
            job = train_job(job_id=f"t-{number}", place=lab())
            assert await live.core.jobs.submit_train(job, "text")
        return await _lesson()

    who = await _who(live)
    with pytest.raises(UserError, match="You already have"):
        await live.trainings.begin(who, meanwhile)
    assert _cards(live, f"t-{who.request_id}") == []
    assert sync.hlen(keys.ACTIVE) == live.bot.settings.train_jobs_per_user


async def test_two_at_once_cannot_both_pass_a_quota(live: Live, sync: redis.Redis) -> None:
    live.bot.settings.train_jobs_per_user = 3
    who = await _who(live)
    begun = [live.trainings.begin(replace(who, request_id=number), _lesson) for number in range(1, 9)]
    outcomes = await asyncio.gather(*begun, return_exceptions=True)
    assert outcomes.count(True) == sync.hlen(keys.ACTIVE) == 3
    refused = [outcome.problem for outcome in outcomes if isinstance(outcome, UserError)]
    assert refused == ["You already have 3 trainings waiting or running here, the most one person may have."] * 5


async def test_a_bot_that_died_before_the_card_posts_it_at_its_next_start(live: Live) -> None:
    assert await live.core.jobs.submit_train(train_job(place=lab()), "text")
    await live.start_again()
    card = await live.until(lambda: live.showing("training t-1"), "the card")
    assert await _noted(live, "t-1") == (LAB, card.id)


async def test_a_request_that_discord_delivers_twice_is_one_training_and_one_answer(live: Live) -> None:
    live.bot.settings.train_cooldown_s, live.bot.settings.train_jobs_per_user = 600, 1
    who = await _who(live)

    async def slowly() -> TrainRequest:
        await live.trainings.begin(who, _lesson)  # the second delivery
        return await _lesson()

    await live.trainings.begin(who, slowly)
    await live.until(lambda: _cards(live, "Learning"), "the card")
    await live.handled()
    assert len(_cards(live, "Learning")) == 1
    assert not live.shown("❌")


@pytest.mark.parametrize(
    "fault",
    [Fault("POST", POST, 503), Fault("POST", POST, 0, late=True)],  # the nonce tells that it is there
)
async def test_a_card_that_discord_does_not_take_now_comes_later(live: Live, fault: Fault) -> None:
    live.faults.add(replace(fault))
    who = await _who(live)
    assert await live.trainings.begin(who, _lesson)
    noted = await _noted(live, f"t-{who.request_id}")
    (card,) = _cards(live, "Learning")
    assert noted == (LAB, card.id)


async def test_a_slash_command_is_told_where_the_card_is(live: Live) -> None:
    live.slash("ada", "train", source="python-docs")
    await live.until(lambda: live.showing("Your training has a card in this channel."), "the answer")
    await live.until(lambda: live.showing("Learning"), "the card")


async def test_a_model_learns_its_own_text_again_if_that_can_be_had(live: Live, tmp_path: Path) -> None:
    live.bot.settings.corpora_dir = tmp_path
    (tmp_path / "tides.txt").write_text("A tide, and another. " * 100, "utf-8")
    attached = live.send("!train", files={"waves.txt": b"A wave, and another. " * 100})
    await live.answered(attached)
    waves = await live.job(f"t-{attached.id}", TrainJob)
    await live.core.jobs.cancel(waves.job_id)
    for info, begins in ((waves.corpus, "A wave"), (corpus(source="corpora-dir"), "A tide")):
        model_of(live, info.name, corpus=info)
        sent = live.send(f"!train more --from {info.name}")
        await live.answered(sent)
        job = await live.job(f"t-{sent.id}", TrainJob)
        assert (job.corpus.name, job.corpus.source) == (info.name, info.source)
        assert (await text(live, job.job_id)).startswith(begins)
    for name, fields, problem, remedy in (
        ("lost", {"corpus": corpus()}, "I no longer have the file", "`!train --from lost`"),
        ("foreign", {"imported": True}, "`foreign` was imported", "`!train SOURCE --from foreign`"),
    ):
        model_of(live, name, **fields)
        refusal = await live.ask(f"!train more --from {name}", person="ben")
        assert problem in refusal
        assert remedy in refusal
