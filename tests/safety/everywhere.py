"""A pytest plugin that lets the systems of tests/e2e run under the Redis users, to see that they may do all they must.

    python -m pytest -n 0 -p tests.safety.everywhere tests/e2e/test_channels.py

Fails the last test of a system in which a user was refused anything. Not for tests that look at the launcher.
"""

from __future__ import annotations

from tests.e2e import system
from tests.safety.system import GuardedSystem


class Watched(GuardedSystem):
    """Tells what was refused when it is stopped."""

    def stop(self, number: int = 15) -> int:
        """Stop, and fail if anything was refused."""
        refused = self.server.refusals()
        super().stop(number)
        assert not refused, "\n".join(refused)
        return 0


system.started.__defaults__ = (Watched,)
