"""From the request to the card: whatever fails in between, a card that is there is true."""

from dataclasses import replace
from typing import Any
from unittest.mock import AsyncMock

import pytest
import redis

from bot.servers.access import Actor
from bot.train import card as live_card
from bot.train.start import TrainRequest
from galvanic.errors import UserError
from galvanic.options import TrainOptions
from shared import keys
from shared.corpora.corpus import Corpus
from tests.bot.ids import LAB
from tests.bot.live import Live, text_of
from tests.bot.offline import context
from tests.bot.stand_in import lab
from tests.driver.faults import Fault
from tests.factories import corpus, train_job

POST = r"/channels/\d+/messages"


async def _lesson() -> TrainRequest:
    return TrainRequest(Corpus(corpus(), "a tide " * 300), TrainOptions())


async def _who(live: Live, person: str = "ada") -> Actor:
    return Actor.of(await context(live.bot, "!train tides", person=person))


def _cards(live: Live, words: str = "Queued") -> list[Any]:
    return [message for message in live.world.messages[LAB].values() if words in text_of(message)]


def _in_lab(live: Live) -> Any:
    channel = live.bot.get_channel(LAB)
    assert channel is not None
    return channel.send  # type: ignore[union-attr]


async def _noted(live: Live, job_id: str) -> tuple[int, int]:
    """Where Redis knows the card of a training to be, once it does."""
    while (stored := await live.core.jobs.load(job_id)) is None or stored.card is None:
        await live.handled()
    return stored.card


async def test_the_next_run_knows_where_the_card_is(live: Live) -> None:
    who = await _who(live)
    await live.trainings.begin(who, _lesson, _in_lab(live))
    (card,) = _cards(live, "Learning")
    job_id = f"t-{who.request_id}"
    await live.until(lambda: not live.core.delivery._asking, "the end of the request")
    assert await _noted(live, job_id) == (LAB, card.id)


async def test_a_training_whose_card_was_not_posted_is_over(live: Live, sync: redis.Redis) -> None:
    who = await _who(live)
    with pytest.raises(RuntimeError, match="no card"):
        await live.trainings.begin(who, _lesson, AsyncMock(side_effect=RuntimeError("no card")))
    await live.until(lambda: not sync.exists(keys.OUTBOX), "its end, which nobody is shown")
    assert sync.hgetall(keys.ACTIVE) == {}
    await live.trainings.begin(await _who(live), _lesson, _in_lab(live))  # the cooldown was given back
    assert len(_cards(live, "Learning")) == 1


async def test_a_training_that_is_refused_late_has_no_card(live: Live, sync: redis.Redis) -> None:
    async def meanwhile() -> TrainRequest:
        for number in range(live.bot.settings.train_jobs_per_user):
            job = train_job(job_id=f"t-{number}", place=lab())
            assert await live.core.jobs.submit_train(job, "text", (99, 99)) == "entered"
        return await _lesson()

    who = await _who(live)
    with pytest.raises(UserError, match="You already have"):
        await live.trainings.begin(who, meanwhile, _in_lab(live))
    assert _cards(live, f"t-{who.request_id}") == []
    assert sync.hlen(keys.ACTIVE) == live.bot.settings.train_jobs_per_user


async def test_a_bot_that_died_before_the_card_posts_it_at_its_next_start(live: Live) -> None:
    assert await live.core.jobs.submit_train(train_job(place=lab()), "text", (9, 9)) == "entered"
    await live.start_again()
    card = await live.until(lambda: live.showing("job t-1"), "the card")
    assert await _noted(live, "t-1") == (LAB, card.id)


async def test_a_bot_that_died_between_the_card_and_its_note_shows_one_card(live: Live) -> None:
    who = await _who(live)
    posted: list[Any] = []

    async def dies(**options: Any) -> None:
        posted.append(await _in_lab(live)(**options))
        raise SystemExit  # nothing is tidied up

    with pytest.raises(SystemExit):
        await live.trainings.begin(who, _lesson, dies)
    await live.start_again()
    job_id = f"t-{who.request_id}"
    assert await _noted(live, job_id) == (LAB, posted[0].id)
    assert len(_cards(live, "Learning")) == 1


async def test_a_request_that_discord_delivers_twice_is_one_training_and_one_answer(live: Live) -> None:
    live.bot.settings.train_cooldown_s = 600
    who = await _who(live)

    async def slowly() -> TrainRequest:
        await live.trainings.begin(who, _lesson, _in_lab(live))  # the second delivery
        return await _lesson()

    await live.trainings.begin(who, slowly, _in_lab(live))
    await live.handled()
    assert len(_cards(live, "Learning")) == 1
    assert not live.shown("❌")


@pytest.mark.parametrize(
    ("fault", "by_message"),
    [
        (Fault("POST", POST, 503), True),
        (Fault("POST", POST, 503), False),
        (Fault("POST", POST, 0, late=True), True),  # the nonce tells that it is there
    ],
)
async def test_a_card_that_discord_does_not_take_now_comes_later(live: Live, fault: Fault, by_message: bool) -> None:
    live.patch.setattr(live_card, "RETRY_S", 0.05)
    live.faults.add(replace(fault))
    who = await _who(live)
    if by_message:
        await live.trainings.begin(who, _lesson, _in_lab(live))
    else:
        with pytest.raises(UserError, match="goes on all the same"):
            await live.trainings.begin(replace(who, message_id=None), _lesson, _in_lab(live))
    job_id = f"t-{who.request_id}"
    noted = await _noted(live, job_id)
    (card,) = _cards(live, "Learning")
    assert noted == (LAB, card.id)
