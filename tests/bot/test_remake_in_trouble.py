"""What goes wrong with one server, model or transcript keeps no other one from what was promised about it."""

from __future__ import annotations

from typing import Any
from unittest.mock import AsyncMock

import pytest

from bot.train import remake
from playground.places import GUILD_ID, USER_IDS
from shared import keys
from shared.models import ModelRecord
from shared.settings import Settings
from tests.bot.channels import agreed, look, model_of, names, until, worked_off
from tests.bot.live import Live
from tests.bot.test_remake import WITHIN_S, read, stale_since
from tests.transcripts import words

ADA, BEN = USER_IDS["ada"], USER_IDS["ben"]


@pytest.fixture
def settings(opted_in: None, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(remake, "_GATHER_S", 0.0)
    return Settings()


async def overdue(live: Live, name: str) -> ModelRecord:
    """A model of words that were withdrawn, at the end of its time."""
    await agreed(live, "ada")
    info = await read(live, ADA, BEN)
    model = model_of(live, name, info.ref(0))
    await live.bot.transcripts.note_withdrawn(info.transcript_id, [BEN])
    await stale_since(live, model, WITHIN_S + 1)
    return model


async def test_a_model_that_cannot_be_deleted_keeps_no_other(live: Live) -> None:
    await overdue(live, "first")
    await overdue(live, "second")
    remove = live.bot.registry.remove

    async def fails_for_first(model: ModelRecord, *args: Any) -> None:
        if model.name == "first":
            raise ValueError("no such luck")
        await remove(model, *args)

    live.patch.setattr(live.bot.registry, "remove", fails_for_first)
    await look(live)
    assert await names(live) == ["first"]


async def test_a_step_that_fails_keeps_models_no_longer(live: Live) -> None:
    await overdue(live, "sea")
    live.bot.remaking.before = (AsyncMock(side_effect=ValueError),)
    live.bot.remaking.wake()

    async def gone() -> bool:
        return await names(live) == []

    await until(gone)


async def test_words_go_also_when_another_transcript_cannot_be_read(live: Live) -> None:
    await agreed(live, "ada")
    infos = [await read(live, ADA, BEN) for _ in range(3)]
    broken, *others = infos
    await live.bot.redis.lset(keys.transcript_text(broken.transcript_id), 0, b"no page")
    await live.bot.withdrawals.resume()
    await worked_off(live.bot.chores)
    for info in others:
        assert await words(live.bot.transcripts, info.transcript_id) == [f"a line by {ADA}"]
    await live.bot.withdrawals.withdraw(GUILD_ID, [ADA], why="optout")
    await worked_off(live.bot.chores)
    for info in others:
        assert await words(live.bot.transcripts, info.transcript_id) == []
