"""Gives each of our processes on this machine a port of its own for its metrics, from METRICS_PORT on."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import replace

from launcher.parts import Part, Stage
from shared.errors import UserError
from shared.settings import Settings

_SHOWN = (Stage.BOT, Stage.GENERATE, Stage.TRAIN)
_LAST_PORT = 65_535


def with_metrics_ports(parts: Sequence[Part], settings: Settings, say: Callable[[str], None]) -> tuple[Part, ...]:
    """The parts, each of ours with its METRICS_PORT: the bot has the one that was set, generate the next, then train.

    Args:
        parts: in the order in which they are started.
        settings: `metrics_port`; without one nothing is changed.
        say: gets the addresses in one line.

    Raises:
        UserError: there are not enough ports from this one on.
    """
    first = settings.metrics_port
    if first is None:
        return tuple(parts)
    shown = sorted((part for part in parts if part.stage in _SHOWN), key=lambda part: part.stage)
    if first + len(shown) - 1 > _LAST_PORT:
        raise UserError(
            f"METRICS_PORT={first} leaves no room: {len(shown)} processes need a port each.", "Choose a smaller one."
        )
    ports = {part.name: first + number for number, part in enumerate(shown)}
    host = settings.metrics_host
    told = [
        f"{name} http://{host}:{port}/metrics{'' if _is_free(host, port) else ' (taken by another program)'}"
        for name, port in ports.items()
    ]
    say(f"metrics: {', '.join(told)}")
    return tuple(
        replace(part, environment={**part.environment, "METRICS_PORT": str(ports[part.name])})
        if part.name in ports
        else part
        for part in parts
    )


def _is_free(host: str, port: int) -> bool:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError:
        return False
    return True
