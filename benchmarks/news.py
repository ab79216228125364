"""Waiting for what the bot shows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class News:
    """Wakes whoever waits when there is something new to see."""

    def __init__(self) -> None:
        self._came = asyncio.Event()

    def tell(self) -> None:
        """There is."""
        self._came.set()

    async def wait(self, until: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until something that depends on the news is true; whether it became so in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while not until():
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            return False
        return True
