"""What the benchmark's part `bot` is made of: its probe, its ear, its stand-in, and the product it starts."""

from __future__ import annotations

import asyncio
import io
import json
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.listener import Channels, Sent
from benchmarks.loop_probe import Probe
from benchmarks.measure import percentile
from benchmarks.parts.bot import TEXT, card_of, largest
from benchmarks.product import StartError, started
from benchmarks.standin import StandIn
from tests.driver.client import PlaygroundClient, text_of
from tests.worker.texts import babble

pytestmark = pytest.mark.slow


def test_a_percentile_lies_between_the_values() -> None:
    assert percentile([float(number) for number in range(101)], 95) == 95
    assert percentile([1.0, 2.0], 95) == pytest.approx(1.95)


async def test_the_probe_finds_what_blocks_the_loop() -> None:
    out = io.StringIO()
    run = asyncio.Handle._run  # type: ignore[attr-defined]
    probe = asyncio.create_task(Probe(out).run())

    async def sits_on_the_loop() -> None:
        time.sleep(0.1)  # noqa: ASYNC251 - that is what is to be found

    await asyncio.sleep(0.05)
    await asyncio.create_task(sits_on_the_loop())
    await asyncio.sleep(1.2)  # it writes a line each second
    probe.cancel()
    await asyncio.wait([probe])

    (line, *_) = map(json.loads, out.getvalue().splitlines())
    assert line["pause"] >= 90
    assert line["callback"] >= 100
    assert any("sits_on_the_loop" in name for name in line["long"])
    assert line["callback_cpu"] < line["callback"]
    assert 10 < line["peak_mb"] < 100_000
    assert asyncio.Handle._run is run  # type: ignore[attr-defined]


def test_only_whole_seconds_of_the_time_asked_for_count(tmp_path: Path) -> None:
    lines = tmp_path / "probe.jsonl"
    lines.write_text("".join(json.dumps({"at": at, "pause": at}) + "\n" for at in (10.0, 11.0, 12.0, 13.0)), "utf-8")
    assert largest(lines, "pause", 10.5, 12.5) == 12
    assert largest(lines, "pause") == 13


def frame(
    message_id: str, text: str, *, edited: str | None = None, reply: str = "1", colour: int = 1, bot: bool = True
) -> dict[str, Any]:
    return {
        "id": message_id,
        "author": {"bot": bot},
        "timestamp": "2026-01-01T00:00:00+00:00",
        "edited": edited,
        "html": "",
        "embeds": [{"html": text, "colour": colour}],
        "reply": {"id": reply},
    }


def test_an_answer_counts_from_when_its_text_is_there() -> None:
    seen = Channels("http://127.0.0.1:1")
    asked = Sent("1", 0.0)
    seen._take(frame("2", ""))
    assert not seen.answered(asked)
    seen._take(frame("2", "Yes.", edited="2026-01-01T00:00:01+00:00"))
    seen._take(frame("2", "Yes.", edited="2026-01-01T00:00:01+00:00"))
    seen._take(frame("3", "a refusal is none", reply="4", colour=0xDA373C))
    seen._take(frame("5", "somebody else's reply", reply="4", bot=False))
    assert seen.answered(asked)
    (reply,) = seen.replies(asked)
    assert [reply.written_at] == reply.edits
    assert not seen.answered(Sent("4", 0.0))
    assert len(seen.replies(Sent("4", 0.0))) == 1


@pytest.mark.e2e
@pytest.mark.process
async def test_cards_of_trainings_that_nobody_does_go_on_and_end(tmp_path: Path) -> None:
    (tmp_path / "corpora").mkdir()
    (tmp_path / "corpora" / f"{TEXT}.txt").write_text(babble(3_000), "utf-8")
    lines = tmp_path / "probe.jsonl"
    environment = {"CORPORA_DIR": str(tmp_path / "corpora"), "TRAIN_COOLDOWN_S": "0", "TRAIN_JOBS_PER_USER": "50"}
    with started(tmp_path / "data", environment) as product:
        product.start("redis")
        product.start("playground")
        bot = product.start("bot", probe=lines)
        assert 0 < bot.ready_at - bot.begun < 60
        idle = product.start_idle_probe(tmp_path / "idle.jsonl")
        client = PlaygroundClient(product.address)
        channel = client.create_channel("room")
        async with Channels(product.address) as seen:
            asked = [await seen.write(f"!train {TEXT} --name card-{number}", channel, "ben") for number in range(2)]
            jobs = [f"t-{sent.message_id}" for sent in asked]
            with product.redis() as redis:
                cards = [await card_of(redis, job) for job in jobs]
                with StandIn(product.settings, redis, jobs, babble(3_000)) as stand_in:

                    def edited() -> bool:
                        return all(card in seen.shown and len(seen.shown[card].edits) > 2 for card in cards)

                    assert await seen.wait(edited, 60)
                    assert all("Training" in seen.shown[card].text for card in cards)
                    assert stand_in.told > len(jobs)
            assert await seen.wait(lambda: all("Nothing was kept" in seen.shown[card].text for card in cards), 30)
        card = client.message(cards[0], channel=channel)
        assert card is not None
        assert "Cancelled" in text_of(card)
        processes = [psutil.Process(running.process.pid) for running in (bot, idle)]
    assert largest(lines, "pause") > 0
    assert 20 < largest(lines, "peak_mb") < 1_000
    assert largest(tmp_path / "idle.jsonl", "pause") > 0
    assert not any(process.is_running() for process in processes)


@pytest.mark.e2e
@pytest.mark.process
def test_a_part_that_does_not_come_up_is_told(tmp_path: Path) -> None:
    with started(tmp_path / "data", {"TRAIN_MINUTES": "never"}) as product:
        product.start("redis")
        with pytest.raises(StartError, match=r"bot ended with 78: .*TRAIN_MINUTES"):
            product.start("bot")
