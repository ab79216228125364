"""The configuration files that the launcher writes for supervisord and for Redis."""

from __future__ import annotations

import itertools
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from launcher.parts import Part

GUARD = Path(__file__).with_name("guard.py")
EX_CONFIG = 78
"""Exit code (sysexits.h) of a part that no restart can help: its settings are wrong."""
_START_S = 15
"""A part that ends sooner counts as failing to start: supervisord waits 1, 2, 3 ... seconds before the next try."""
_LOG_BYTES = 5_000_000


def guarded(command: Iterable[str], death_signal: str, directory: Path, nice: int = 0) -> list[str]:
    """`command`, run in `directory` and made not to outlive its parent (see `launcher.guard`)."""
    return [sys.executable, "-I", "-S", str(GUARD), death_signal, str(nice), str(directory), *command]


def supervisor_config(parts: Iterable[Part], socket: Path, directory: Path) -> str:
    """Configure a supervisord that runs in a folder beside `logs`; `socket`: a plain path (see `sockets_folder`).

    Other paths are relative, because supervisord would read signs in a folder's name as comments and expansions. The
    launcher itself starts each part when those it needs are ready.
    """
    sections = [
        _section(
            "supervisord",
            nodaemon="true",
            silent="true",
            logfile="../logs/supervisord.log",
            logfile_maxbytes="0",  # the launcher follows it, so it must not be rotated away
            pidfile="supervisord.pid",
            childlogdir="../logs",
            minfds="256",
            minprocs="64",
        ),
        _section("unix_http_server", file=str(socket), chmod="0700"),
        _section(
            "rpcinterface:supervisor",
            **{"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
        ),
        _section("supervisorctl", serverurl=f"unix://{socket}"),
    ]
    parts = list(parts)
    for part in parts:
        sections.append(
            _section(
                f"program:{part.name}",
                command=_command(guarded(part.command, part.death_signal, directory, part.nice)),
                priority=str(int(part.stage)),
                autostart="false",
                autorestart="unexpected",
                exitcodes=str(EX_CONFIG),  # the only end after which it is left alone
                startsecs=str(_START_S),
                startretries="1000000",
                stopsignal="TERM",
                stopwaitsecs=str(part.stop_wait_s),
                stopasgroup="false",
                killasgroup="true",
                environment=_environment(part.environment),
                redirect_stderr="true",
                stdout_logfile=f"../logs/{part.name}.log",
                stdout_logfile_maxbytes=str(_LOG_BYTES),
                stdout_logfile_backups="3",
            )
        )
    for group, members in itertools.groupby(parts, key=lambda part: part.group):
        if group:
            named = list(members)
            programs = ",".join(part.name for part in named)
            sections.append(_section(f"group:{group}", programs=programs, priority=str(int(named[0].stage))))
    return "\n".join(sections)


def _section(name: str, **options: str) -> str:
    return "\n".join([f"[{name}]", *(f"{key}={value}" for key, value in options.items()), ""])


def _command(words: Iterable[str]) -> str:
    """Quoted for supervisord, which splits it like a shell, after expanding `%` and cutting off comments."""
    line = shlex.join(words)
    for sign in "#;":
        # A comment starts after a blank; two quoted strings side by side are still one word.
        line = line.replace(f" {sign}", f" ''{sign}")
    return line.replace("%", "%%")


def _environment(variables: Mapping[str, str]) -> str:
    """Variables as supervisord reads them, after expanding `%`; no quotation marks are in our own values."""
    return ",".join(f'{name}="{value}"' for name, value in variables.items()).replace("%", "%%")


def redis_config(socket: Path, folder: Path) -> str:
    options = {
        "port": "0",
        "unixsocket": _quote(socket),
        "unixsocketperm": "700",
        "dir": _quote(folder),
        "daemonize": "no",
        # The title would be written over the environment, by which a process is told whose it is.
        "set-proc-title": "no",
        "appendonly": "yes",
        "appendfsync": "everysec",
        # The append-only file holds everything; snapshots would write it all a second time.
        "save": '""',
        # Jobs and their events are no cache: refuse a write rather than forget something.
        "maxmemory-policy": "noeviction",
    }
    return "".join(f"{key} {value}\n" for key, value in options.items())


def _quote(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
