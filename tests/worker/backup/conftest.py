"""An installation to back up, and one whose backup is all that is left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.connect import connect
from shared.settings import Settings
from tests.worker.backup.installation import Installation, add_training


@pytest.fixture
def galvanic(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Installation]:
    """An installation without anything."""
    with connect(settings) as client:
        yield Installation(client, tmp_path, monkeypatch, capsys)


@pytest.fixture
def moved(galvanic: Installation) -> Installation:
    """An empty machine, and a backup of two models and of a training with a checkpoint."""
    galvanic.add_model("m1")
    galvanic.add_model("m2")
    add_training(galvanic.client, "t-1", claimed=True)
    galvanic.add_checkpoint("t-1", os.urandom(3_000))
    galvanic.back_up()
    galvanic.elsewhere()
    return galvanic
