"""Calls the control API; standard library only, blocking."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from playground.guard import CONTROL_HEADER
from shared.errors import UserError


class Caller:
    """Speaks for a person in a running playground.

    Args:
        url: its address, such as `http://127.0.0.1:8765`.
        person: who acts unless a call says otherwise.
        channel: where, unless a call says otherwise: a name, an id, or `dm` for direct messages with the bot.
        timeout: seconds that one request may take.
    """

    def __init__(self, url: str, *, person: str = "ada", channel: str = "lab", timeout: float = 10.0) -> None:
        self.url = url.rstrip("/")
        self.person = person
        self.channel = channel
        self._timeout = timeout

    def _place(self, person: str | None, channel: str | None) -> dict[str, str]:
        return {"as": person or self.person, "channel": channel or self.channel}

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None, extra_s: float = 0) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        headers = {CONTROL_HEADER: "1", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310 - http URL
        try:
            with urllib.request.urlopen(request, timeout=self._timeout + extra_s) as response:  # noqa: S310
                return json.load(response)
        except urllib.error.HTTPError as error:
            text = error.read().decode("utf-8", "replace")
            if error.code != 400:
                raise RuntimeError(f"{method} {path}: {error.code} {text}") from error
            reply = json.loads(text)
            raise UserError(reply["problem"], reply["remedy"]) from error


def attachment(name: str, data: bytes) -> dict[str, str]:
    """A file as the control API takes it."""
    return {"filename": name, "content_base64": base64.b64encode(data).decode("ascii")}
