"""A newer version goes on with what an older one was doing when it was backed up.

`tests/fixtures/upgrade.zip` is a backup that version 0.1.0 of November 2026 made of an installation with a model, a
training that ran and one that waited. `python -m tests.e2e.test_upgrade FILE` makes such a one of the version of now.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

from shared import keys
from shared.events import parse_event
from tests.driver.client import text_of
from tests.e2e.acts import TINY, lasting
from tests.e2e.system import TRAIN_S, prepared

OLD = Path(__file__).parent.parent / "fixtures" / "upgrade.zip"


@pytest.mark.faults
@pytest.mark.whole
def test_what_the_version_before_was_doing_goes_on(tmp_path: Path) -> None:
    with prepared(tmp_path) as system:
        restored = system.launcher("restore", str(OLD))
        assert restored.returncode == 0, restored.stderr
        assert "2 trainings not over" in restored.stdout
        system.start()
        for name in ("elder", "younger"):
            words = f"`{name}` is now this channel's model"
            system.client.wait_for(
                lambda words=words: any(words in text_of(one) for one in system.client.messages()), TRAIN_S, words
            )
        assert "**the fog**" in text_of(system.ask("!generate the fog --length 40 --model keeper"))
        with system.redis as client:
            assert not client.hlen(keys.ACTIVE)
            system.client.wait_for(lambda: not client.scard(keys.OUTBOX), 30, "both ends to be noted")
            streams = [client.xrange(key) for key in client.scan_iter(match=keys.job_events("t-*"))]
        events = [[parse_event(fields[b"event"]) for _, fields in stream] for stream in streams]
        assert sorted([one.resumed for one in job if one.kind == "started"][-1] for job in events) == [False, True]
        assert [sum(one.kind == "finished" for one in job) for job in events] == [1, 1]


def record(file: Path) -> None:
    with tempfile.TemporaryDirectory() as folder, prepared(Path(folder)) as system:
        system.start()
        system.add_model("keeper")
        small = lasting(0.4).replace("--units 64", "--units 16")  # the file lies in the repository
        runs = system.ask(f"!train harbour {small} --name elder")
        waits = system.ask(f"!train harbour {TINY} --name younger")
        system.wait_for_card(runs, "Sample after epoch")
        system.wait_for_card(waits, "job t-")
        system.client.wait_for(lambda: list((system.data / "checkpoints").glob("*/checkpoint/*.safetensors")), 60)
        made = system.launcher("backup", str(file))
        print(made.stdout, made.stderr)


if __name__ == "__main__":
    record(Path(sys.argv[1]))
