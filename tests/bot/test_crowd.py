"""How many may wait for a text at once, and what the others hear."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot import crowd as crowd_module
from bot.crowd import Crowd
from shared.errors import UserError
from shared.settings import Settings

A, B, C = 101, 102, 103


def make(folder: Path, **options: int) -> Crowd:
    return Crowd(Settings(data_dir=folder, _env_file=None, **{"generate_jobs": 20, **options}))  # type: ignore[arg-type]


@contextlib.contextmanager
def filled(crowd: Crowd, **wanted: int) -> Iterator[dict[str, int]]:
    """So many of each server ask at the same time, in turns; how many of each have got a place."""
    got = dict.fromkeys(wanted, 0)
    with contextlib.ExitStack() as places:
        for turn in range(max(wanted.values())):
            for name, number in wanted.items():
                if turn < number:
                    with contextlib.suppress(UserError):
                        places.enter_context(crowd.place(ord(name)))
                        got[name] += 1
        yield got


def test_places_are_limited_and_come_back(tmp_path: Path) -> None:
    crowd = make(tmp_path)
    with filled(crowd, a=30) as got:
        assert got == {"a": 20}
        with pytest.raises(UserError, match="20 are waited for") as refused, crowd.place(ord("b")):
            pass
        assert refused.value.problem.startswith("More people are asking")
        assert refused.value.remedy == "Try again in 5 s."
    assert crowd.waiting == 0
    with filled(crowd, b=1) as got:
        assert got == {"b": 1}


def test_a_server_leaves_room_for_others(tmp_path: Path) -> None:
    crowd = make(tmp_path, generate_jobs_per_server=15)
    with filled(crowd, a=30) as got:
        assert got == {"a": 15}
        with pytest.raises(UserError, match=r"This server is asking.*15 are waited for"), crowd.place(ord("a")):
            pass
        with filled(crowd, b=9) as other:
            assert other == {"b": 5}


def test_servers_that_ask_at_once_get_their_share(tmp_path: Path) -> None:
    with filled(make(tmp_path), a=40, b=40, c=2, d=40) as got:
        assert got["c"] == 2
        assert max(got.values()) - min(got["a"], got["b"], got["d"]) <= 1
        assert sum(got.values()) <= 20


def test_a_failed_request_gives_its_place_back(tmp_path: Path) -> None:
    crowd = make(tmp_path)
    with pytest.raises(ValueError, match="broken"), crowd.place(A):
        raise ValueError("broken")
    assert crowd.waiting == 0


def test_no_more_are_let_in_than_can_be_answered_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker writes a text in two seconds: with half of 60 s for a wait, 15 may wait."""
    now = 0.0
    monkeypatch.setattr(crowd_module.time, "monotonic", lambda: now)
    crowd = make(tmp_path, generate_jobs=1_000, generate_jobs_per_server=1_000)
    with filled(crowd, a=100) as got:
        assert got == {"a": 100}
        for _ in range(100):
            now += 2
            crowd.answered()
        with pytest.raises(UserError, match="100 are waited for") as refused, crowd.place(B):
            pass
        assert refused.value.remedy == "Try again in 3 min 20 s."
    with filled(crowd, a=100) as got:
        assert got == {"a": 16}
    with filled(crowd, a=9):
        for _ in range(100):
            now += 0.01
            crowd.answered()
    with filled(crowd, a=100) as got:
        assert got == {"a": 100}, "it goes faster now"
