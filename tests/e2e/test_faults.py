"""Parts die and come back; no training is lost and nothing is told twice."""

from __future__ import annotations

import signal

import psutil
import redis

from playground.client import Message, text_of
from tests.e2e.acts import training_of
from tests.e2e.system import System
from worker.lease import RENEW_S, UNACKED_INDEX


def cards_of(system: System, job_line: str) -> list[Message]:
    return [message for message in system.client.messages() if job_line in text_of(message)]


def test_the_card_goes_on_after_the_bot_is_killed(system: System) -> None:
    card = system.ask("!train harbour --epochs 300 --minutes 0.4 --name survivor")
    card = system.wait_for_card(card, "Training", "Epoch")
    (bot,) = system.part("-m", "bot")
    bot.kill()
    system.wait_for_card(card, "`survivor` is now this channel's model")
    assert len(cards_of(system, training_of(card))) == 1
    assert system.client.wait_for_bot().bot_online


def test_a_training_goes_on_after_its_worker_is_killed(system: System) -> None:
    card = system.ask("!train harbour --epochs 300 --minutes 0.4 --name phoenix")
    system.wait_for_card(card, "Sample after epoch")
    for process in system.part("-m", "worker", "serve", "train"):
        process.kill()
    finished = system.wait_for_card(card, "`phoenix` is now this channel's model", timeout=240)
    assert len(cards_of(system, training_of(finished))) == 1


def test_a_running_training_renews_its_delivery(system: System) -> None:
    """The lease (worker/lease.py) moves a score in a sorted set of kombu's own: proven on the pinned version."""
    client = redis.Redis.from_url((system.data / "run" / "redis.url").read_text().strip())
    card = system.ask("!train python-docs --minutes 5 --name leased")
    card = system.wait_for_card(card, "Training", "Epoch")
    (first,) = client.zrange(UNACKED_INDEX, 0, -1, withscores=True)
    system.client.wait_for(lambda: client.zscore(UNACKED_INDEX, first[0]) > first[1], 3 * RENEW_S, "a renewal")
    assert client.zcard(UNACKED_INDEX) == 1
    system.client.click_label(card, "Cancel")
    system.wait_for_card(card, "Cancelled", timeout=60)
    system.client.wait_for(lambda: client.zcard(UNACKED_INDEX) == 0, 60, "the acknowledgement")


def test_stopping_everything_saves_the_training_and_leaves_no_process(own_system: System) -> None:
    system = own_system
    card = system.ask("!train harbour --epochs 300 --minutes 0.5 --name sleeper")
    system.wait_for_card(card, "Sample after epoch")
    assert system.stop(signal.SIGINT) == 0
    assert system.processes() == []
    assert list((system.data / "checkpoints").iterdir())

    system.start()
    job = training_of(card)
    finished = system.client.wait_for(
        lambda: next((m for m in cards_of(system, job) if "is now this channel's model" in text_of(m)), None), 150
    )
    assert "`sleeper`" in text_of(finished)
    assert len(cards_of(system, job)) == 1
    answer = system.ask("!generate the fog --length 40")
    assert "**the fog**" in text_of(answer)


def test_killing_the_launcher_leaves_no_process(own_system: System) -> None:
    system = own_system
    assert system.process is not None
    system.process.kill()
    system.process.wait()
    _, alive = psutil.wait_procs(system.processes(), timeout=60)
    assert alive == []
    assert system.processes() == []
