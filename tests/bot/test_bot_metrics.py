"""What the bot counts while people use it, how it says that it is not well, and what `status` shows to whom."""

from __future__ import annotations

import asyncio
import time

import pytest
import redis.asyncio
from prometheus_client import generate_latest

from bot.admin import metrics as numbers
from bot.admin.cog_general import trainings
from bot.admin.metrics import route_of
from bot.jobs.fairness import Estimate
from bot.jobs.snapshot import QueuedTraining, QueueSnapshot
from shared import keys
from tests.bot.live import Live
from tests.driver.faults import Fault
from tests.factories import progress, train_job

POST = r"/channels/\d+/messages"


def page_of(live: Live) -> str:
    return generate_latest(live.bot.metrics.registry).decode()


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/api/v10/channels/123/messages", "channels/messages"),
        ("/api/v10/channels/123/messages/456", "channels/messages"),
        ("/api/v10/channels/1/messages/2/reactions/%F0%9F/@me", "channels/reactions"),
        ("/api/v10/interactions/5/a-secret-token/callback", "interactions/callback"),
        ("/api/v10/webhooks/5/a-secret-token/messages/@original", "webhooks/messages"),
        ("/api/v10/users/@me", "users"),
        ("/attachments/1/2/diary-of-ada.txt", "attachments"),
        ("/elsewhere/diary-of-ada", "other"),
    ],
)
def test_of_an_address_only_its_class_is_kept(path: str, route: str) -> None:
    assert route_of(path) == route


async def test_commands_and_discords_answers_are_counted(live: Live) -> None:
    await live.ask("!help")
    await live.ask("!generate the sea")
    await live.ask("!frobnicate")

    def counted() -> bool:
        return all(
            f'galvanic_command_seconds_count{{command="{command}",outcome="{outcome}"}} 1.0' in page_of(live)
            for command, outcome in (("help", "done"), ("generate", "refused"), ("unknown", "refused"))
        )

    await live.until(counted, "the commands to be counted")
    assert "galvanic_discord_connected 1.0" in page_of(live)


@pytest.mark.parametrize(
    ("fault", "said", "status"),
    [
        (Fault("POST", POST, 429, retry_after=0.05), "learns to write", "429"),  # discord.py waits it out
        (Fault("POST", POST, 0), "having trouble", "none"),
    ],
)
async def test_discords_answers_are_counted(live: Live, fault: Fault, said: str, status: str) -> None:
    live.faults.add(fault)
    assert said in await live.ask("!help")
    labels = {"method": "POST", "route": "channels/messages", "status": status}
    registry = live.bot.metrics.registry
    assert registry.get_sample_value("galvanic_discord_requests_total", labels) == 1


async def test_the_loop_says_how_late_it_came_round(live: Live) -> None:
    live.patch.setattr(numbers, "LAG_EVERY_S", 0.01)
    watching = asyncio.create_task(live.bot.metrics.keep_watching_loop())
    await asyncio.sleep(0.05)
    time.sleep(0.3)  # noqa: ASYNC251 - this is what is to be seen
    await asyncio.sleep(0.05)
    watching.cancel()
    assert (live.bot.metrics.registry.get_sample_value("galvanic_event_loop_lag_seconds_sum") or 0) > 0.25


async def test_the_bot_says_what_is_wrong(live: Live) -> None:
    seen = live.bot.metrics

    async def problems(state: str) -> tuple[str, ...]:
        found = await asyncio.to_thread(seen.health)
        assert found.state == state
        return found.problems

    assert await problems("starting") == ("The bot has not logged in to Discord yet.",)
    seen.logged_in = seen.leads = True
    seen.turned_at = time.monotonic()
    assert not await problems("leader")
    seen.turned_at -= 60
    assert "busy with one thing for 60 s" in (await problems("leader"))[0]
    seen.turned_at = time.monotonic()
    live.bot.dispatch("disconnect")
    await live.until(lambda: not seen.connected, "the listener to hear of it")
    assert await problems("leader") == ("Discord's gateway is not connected.",)
    seen.leads = False
    assert not await problems("standby"), "a bot that stands by needs no gateway"


async def test_admins_see_the_short_form_and_others_only_whether_it_works(
    live: Live, client: redis.asyncio.Redis
) -> None:
    await client.zadd(keys.workers("train"), {"train@a:1": time.time() + 60, "train@b:2": time.time() + 60})
    await client.hset(keys.worker_info("train"), mapping={"train@a:1": "NVIDIA H100", "train@b:2": "NVIDIA H100"})
    live.bot.metrics.answered("generate", 0.31)
    ada = await live.ask("!status")
    for words in (
        "✅ 2 workers\nNVIDIA H100 (× 2)",
        "**Generating**: no worker is running",
        "2 servers",
        "None is running",
        "1.0 a minute\n0.31 s in the median",
        " GB free of ",
        "up for",
    ):
        assert words in ada
    assert not [name for guild in live.bot.guilds for name in (guild.name, str(guild.id)) if name in ada]
    ben = await live.ask("!status", person="ben")
    assert "worker running" in ben
    assert "H100" not in ben
    assert "free of" not in ben


def test_trainings_are_told_in_a_line_each() -> None:
    job, soon = train_job(), Estimate(130, True)
    assert trainings(QueueSnapshot(())) == "None is running or waiting."
    runs = QueuedTraining(job, None, None, None, ends=soon, progress=progress(done=0.425))
    reads = QueuedTraining(job, None, None, None)
    waits = [QueuedTraining(job, None, place, None, begins=soon) for place in range(2)]
    shown = trainings(QueueSnapshot((runs, reads, *waits)))
    assert "42 %, about 2 min left\n🧠 reading the text\n" in shown
    assert "2 wait, the next begins in about 2 min" in shown
    assert "and 4 more running" in trainings(QueueSnapshot((runs,) * 9))


async def test_the_pace_is_of_the_last_ten_minutes(live: Live) -> None:
    seen = live.bot.metrics
    assert seen.pace() == (0.0, None)
    for seconds in (1.0, 2.0, 9.0):
        seen.answered("generate", seconds)
    seen.began -= 120
    assert seen.pace() == (pytest.approx(1.5, rel=0.05), 2.0)
    seen.lately.extendleft([(time.monotonic() - 700, 5.0)] * 4)
    seen.began -= 3_600
    assert seen.pace() == (pytest.approx(0.3), 2.0)
