"""Wait for messages of the bot."""

import asyncio
from collections.abc import Callable


class News:
    """Wakes waiting tasks when there is something new."""

    def __init__(self) -> None:
        self._came = asyncio.Event()

    def tell(self) -> None:
        """Wake all waiting tasks: there is something new."""
        self._came.set()

    async def wait(self, until: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until a condition is true; return whether that was in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while not until():
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            return False
        return True
