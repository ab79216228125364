"""Lines of supervisord's log become events."""

from __future__ import annotations

import pytest

from launcher.supervisord import Ended, Event, Overran, Spawned, parse_line

AT = "2026-01-31 12:00:00,123"


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (f"{AT} INFO spawned: 'bot' with pid 12", Spawned("bot", 12)),
        (f"{AT} WARN exited: bot (exit status 78; not expected)", Ended("bot", "exit status 78", 78, False)),
        (f"{AT} INFO exited: bot (exit status 78; expected)", Ended("bot", "exit status 78", 78, False)),
        (
            f"{AT} WARN exited: redis (terminated by SIGKILL; not expected)",
            Ended("redis", "terminated by SIGKILL", None, False),
        ),
        (
            f"{AT} WARN exited: train (terminated by SIGSEGV (core dumped); not expected)",
            Ended("train", "terminated by SIGSEGV (core dumped)", None, False),
        ),
        (f"{AT} WARN stopped: train (exit status 0)", Ended("train", "exit status 0", 0, True)),
        (f"{AT} INFO stopped: train (terminated by SIGTERM)", Ended("train", "terminated by SIGTERM", None, True)),
        (f"{AT} INFO spawned: 'train-2' with pid 13", Spawned("train-2", 13)),
        (f"{AT} WARN stopped: train-2 (exit status 0)", Ended("train-2", "exit status 0", 0, True)),
        (f"{AT} WARN killing 'train-2' (78) with SIGKILL", Overran("train-2")),
        (f"{AT} WARN killing 'train' (77) with SIGKILL", Overran("train")),
        (
            f"{AT} INFO success: bot entered RUNNING state, process has stayed up for > than 15 seconds (startsecs)",
            None,
        ),
        ("Traceback (most recent call last):", None),
    ],
)
def test_a_line_is_read(line: str, event: Event | None) -> None:
    assert parse_line(line) == event
