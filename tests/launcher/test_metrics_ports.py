"""Each process has a port of its own for its metrics, and the person is told the addresses."""

from __future__ import annotations

import socket

import pytest

from launcher.parts import Part, Stage
from launcher.system import with_metrics_ports
from shared.errors import UserError
from shared.settings import Settings
from tests.e2e.system import free_port

PARTS = (
    Part("redis", ("redis",), Stage.REDIS),
    Part("bot", ("bot",), Stage.BOT),
    Part("traina", ("train",), Stage.TRAIN, environment={"CUDA_VISIBLE_DEVICES": "0,1"}),
    Part("trainb", ("train",), Stage.TRAIN),
    Part("generate", ("generate",), Stage.GENERATE),
)


def ports(parts: list[Part]) -> dict[str, str | None]:
    return {part.name: part.environment.get("METRICS_PORT") for part in parts}


def test_without_the_setting_nothing_is_changed() -> None:
    said: list[str] = []
    assert with_metrics_ports(PARTS, Settings(), said.append) == list(PARTS)
    assert said == []


def test_the_bot_has_the_port_that_was_set_and_the_workers_the_next_ones() -> None:
    said: list[str] = []
    given = with_metrics_ports(PARTS, Settings(metrics_port=29_464), said.append)
    assert ports(given) == {"redis": None, "bot": "29464", "generate": "29465", "traina": "29466", "trainb": "29467"}
    assert given[2].environment["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert len(said) == 1
    assert "bot http://127.0.0.1:29464/metrics, generate http://127.0.0.1:29465/metrics" in said[0]


def test_a_port_that_is_taken_is_said() -> None:
    said: list[str] = []
    port = free_port()
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen(1)
        with_metrics_ports(PARTS[:2], Settings(metrics_port=port), said.append)
    assert said == [f"metrics: bot http://127.0.0.1:{port}/metrics (taken by another program)"]


def test_ports_end_at_65535() -> None:
    with pytest.raises(UserError, match="leaves no room"):
        with_metrics_ports(PARTS, Settings(metrics_port=65_533), print)
