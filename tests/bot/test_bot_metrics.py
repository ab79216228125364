"""What the bot counts while people use it, how it says that it is not well, and what `status` shows to whom."""

from __future__ import annotations

import asyncio
import time

import pytest
import redis.asyncio
from prometheus_client import CollectorRegistry, generate_latest

from bot.admin import metrics as numbers
from bot.admin.metrics import BotHealth, Lately, route_of
from bot.admin.status import Running, Status, StatusReport, size, status
from bot.jobs.fairness import Estimate
from shared import keys
from tests.bot.live import Live
from tests.driver.faults import Fault
from tests.e2e.system import free_port

WELL = Status(
    workers={"train": (("NVIDIA H100", 2), ("2 cores of AMD EPYC", 1)), "generate": (("2 cores of AMD EPYC", 1),)},
    running=(Running(0.425, Estimate(130, True)), Running(None, None)),
    waiting=2,
    next_begins=Estimate(130, True),
    texts_a_minute=12.25,
    median_s=0.31,
    texts_awaited=0,
    latency_s=0.042,
    redis_bytes=3_200_000,
    redis_limit=None,
    disk_free=78_000_000_000,
    disk_size=270_000_000_000,
    guilds=3,
    up_s=7_300,
    version="0.1.0",
)


def registry_of(live: Live) -> CollectorRegistry:
    return live.bot.metrics.registry(live.bot.settings, live.bot, live.bot.admission)


def series(live: Live, name: str) -> float | None:
    return registry_of(live).get_sample_value(name)


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
        page = generate_latest(registry_of(live)).decode()
        return all(
            f'galvanic_command_seconds_count{{command="{command}",outcome="{outcome}"}} 1.0' in page
            for command, outcome in (("help", "done"), ("generate", "refused"), ("unknown", "refused"))
        )

    await live.until(counted, "the commands to be counted")
    page = generate_latest(registry_of(live)).decode()
    assert 'galvanic_discord_requests_total{method="POST",route="channels/messages",status="200"}' in page
    assert "galvanic_discord_connected 1.0" in page


async def test_a_429_is_counted_although_discord_py_waits_it_out(live: Live) -> None:
    live.faults.add(Fault("POST", r"/channels/\d+/messages", 429, retry_after=0.05))
    assert "learns to write" in await live.ask("!help")
    labels = {"method": "POST", "route": "channels/messages", "status": "429"}
    registry = registry_of(live)
    assert registry.get_sample_value("galvanic_discord_requests_total", labels) == 1


async def test_an_answer_that_never_came_is_counted(live: Live) -> None:
    live.faults.add(Fault("POST", r"/channels/\d+/messages", 0))
    assert "having trouble" in await live.ask("!help")
    labels = {"method": "POST", "route": "channels/messages", "status": "none"}
    registry = registry_of(live)
    assert registry.get_sample_value("galvanic_discord_requests_total", labels) == 1


async def test_the_loop_says_how_late_it_came_round(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers, "LAG_EVERY_S", 0.01)
    watching = asyncio.create_task(live.bot.metrics.keep_watching_loop())
    await asyncio.sleep(0.05)
    time.sleep(0.3)  # noqa: ASYNC251 - this is what is to be seen
    await asyncio.sleep(0.05)
    watching.cancel()
    assert (series(live, "galvanic_event_loop_lag_seconds_sum") or 0) > 0.25


async def test_the_bot_says_what_is_wrong(live: Live) -> None:
    bot = live.bot
    health, seen = BotHealth(bot.metrics, bot.settings), bot.metrics
    assert (await asyncio.to_thread(health.look)).problems == ("The bot has not logged in to Discord yet.",)
    seen.logged_in = seen.leads = True
    seen.turned_at = time.monotonic()
    found = await asyncio.to_thread(health.look)
    assert (found.ok, found.state) == (True, "leader")
    seen.turned_at -= 60
    assert "busy with one thing for 60 s" in (await asyncio.to_thread(health.look)).problems[0]
    seen.turned_at = time.monotonic()
    bot.dispatch("disconnect")
    await live.until(lambda: not seen.connected, "the listener to hear of it")
    assert (await asyncio.to_thread(health.look)).problems == ("Discord's gateway is not connected.",)
    seen.leads = False
    found = await asyncio.to_thread(health.look)
    assert (found.ok, found.state) == (True, "standby"), "a bot that stands by needs no gateway"


async def test_the_pages_are_served_while_the_bot_runs(live: Live) -> None:
    live.bot.settings = live.bot.settings.model_copy(update={"metrics_port": free_port()})
    with live.bot.metrics.served(live.bot.settings, live.bot, live.bot.admission) as server:
        assert server is not None
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /health HTTP/1.0\r\n\r\n")
        assert b"503" in await reader.readline(), "it has not logged in"
        writer.close()


async def test_admins_see_the_short_form_and_others_only_whether_it_works(
    live: Live, client: redis.asyncio.Redis
) -> None:
    await client.zadd(keys.workers("train"), {"train@a:1": time.time() + 60, "train@b:2": time.time() + 60})
    await client.hset(keys.worker_info("train"), mapping={"train@a:1": "NVIDIA H100", "train@b:2": "NVIDIA H100"})
    ada = await live.ask("!status")
    for words in (
        "2 workers",
        "NVIDIA H100 (× 2)",
        "**Generating**: no worker is running",
        "None is running",
        "free of",
    ):
        assert words in ada
    ben = await live.ask("!status", person="ben")
    assert "worker running" in ben
    assert "H100" not in ben
    assert "free of" not in ben


async def test_the_facts_name_nobody(live: Live) -> None:
    bot = live.bot
    report = StatusReport(bot, bot.redis, bot.metrics, bot.outlook, bot.admission, bot.settings.data_dir)
    facts = await report.facts()
    assert not [name for guild in live.bot.guilds for name in (guild.name, str(guild.id)) if name in str(facts)]


def test_the_card_is_brief_and_says_all() -> None:
    embed = status(WELL)
    fields = {field.name: field.value for field in embed.fields}
    assert embed.description == "✅ Everything works."
    assert fields["Training"] == "✅ 3 workers\nNVIDIA H100 (× 2)\n2 cores of AMD EPYC"
    trainings = fields["Trainings"] or ""
    assert "42 %, about 2 min left" in trainings
    assert "reading the text" in trainings
    assert "2 wait, the next begins in about 2 min" in trainings
    assert fields["Texts"] == "12.2 a minute\n0.31 s in the median"
    assert fields["Redis"] == "✅ 3.2 MB"
    assert fields["Disk"] == "78 GB free of 270 GB"
    assert "up for 2 h 01 min" in (embed.footer.text or "")
    assert len(embed) < 1_000


@pytest.mark.parametrize(
    ("amount", "said"), [(900, "1 kB"), (3_240_000, "3.2 MB"), (42e6, "42 MB"), (1.5e12, "1,500 GB")]
)
def test_bytes_as_people_say_them(amount: float, said: str) -> None:
    assert size(int(amount)) == said


def test_the_pace_is_of_the_last_ten_minutes() -> None:
    lately = Lately()
    assert lately.summary(time.monotonic()) == (0.0, None)
    for seconds in (1.0, 2.0, 9.0):
        lately.add(seconds)
    assert lately.summary(time.monotonic() - 120) == (pytest.approx(1.5, rel=0.05), 2.0)
    lately._answers.extendleft([(time.monotonic() - 700, 5.0)] * 4)
    assert lately.summary(time.monotonic() - 3_600) == (pytest.approx(0.3), 2.0)
