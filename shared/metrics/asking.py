"""The health command of a container: asks the `/health` of the service beside it."""

from __future__ import annotations

import http.client
import json
from typing import Any

from shared.settings import Settings

_WITHIN_S = 12.0
"""Docker gives the command 15 seconds, and the service finds out within a few how Redis is."""
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - what to ask where these are served


def ask_health(settings: Settings, service: str) -> tuple[bool, list[str]] | None:
    """Whether it is well, and what is wrong; None: it serves no `/health`, or another service does on this port."""
    if settings.metrics_port is None:
        return None
    host = _ANYWHERE.get(settings.metrics_host, settings.metrics_host)
    connection = http.client.HTTPConnection(host, settings.metrics_port, timeout=_WITHIN_S)
    try:
        connection.request("GET", "/health")
        told: Any = json.loads(connection.getresponse().read(100_000))
    except TimeoutError:
        return False, [f"It does not say how it is within {_WITHIN_S:g} seconds."]
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    if not isinstance(told, dict) or told.get("service") != service:
        return None
    return told.get("ok") is True, [str(problem) for problem in told.get("problems", ())]
