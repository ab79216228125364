"""Every key of shared/keys.py is open to the Redis users of whoever names it in the code, and to no more than that."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from shared import keys
from tests.safety.server import Server

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[2]
MODEL = "0123456789abcdef01234567"
READS_ONLY = {"VERSION"}
"""What a worker looks at and never changes."""
READS_AND_DELETES = {"job_text", "job_authors"}
"""What goes with the end of a job, and what a worker must not make live longer."""
OF_THE_BOTS_SCRIPTS = {"requests", "asked", "ownership", "OUTBOX"}
"""Named in `shared` for scripts that the bot alone runs."""
SAMPLES: dict[str, Any] = {
    **dict.fromkeys(("guild_id", "channel_id", "message_id", "application_id", "who"), 1234567890123456789),
    **dict.fromkeys(("reading_id", "model_id"), MODEL),
    **{"job_id": "1234567890123456789", "user_id": "1234567890123456789", "name": "model.zip", "sha256": "ab" * 32},
    **{"what": "train", "queue": "generate"},
}


def example(name: str) -> str | None:
    """A key by the name of what makes it; None for a name that makes no key."""
    value = getattr(keys, name)
    return value.format(**SAMPLES) if isinstance(value, str) else None


def used_in(*folders: str) -> set[str]:
    """The names of shared/keys.py that these packages use."""
    found = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "keys":
                found.add(node.attr)
    return {name for name in found if example(name) is not None}


BOTS = sorted(used_in("bot", "shared"))
WORKERS = sorted(used_in("worker", "shared") - OF_THE_BOTS_SCRIPTS)


@pytest.fixture(scope="module")
def admin() -> Iterator[redis.Redis]:
    with Server() as server, server.client("admin") as client:
        yield client


def may(admin: redis.Redis, user: str, *command: str) -> bool:
    """Whether a user may do this; nothing is done."""
    return bool(admin.execute_command("ACL DRYRUN", user, *command) == b"OK")


@pytest.mark.parametrize("name", sorted({*BOTS, *WORKERS}))
def test_the_bot_and_workers_may_use_what_they_name_alone(admin: redis.Redis, name: str) -> None:
    key = example(name)
    assert key is not None
    if name in BOTS:
        assert may(admin, "bot", "EXISTS", key)
        assert may(admin, "bot", "DEL", key)
    assert may(admin, "worker", "EXISTS", key) == (name in WORKERS)
    assert may(admin, "worker", "DEL", key) == (name in WORKERS and name not in READS_ONLY)
    assert may(admin, "worker", "EXPIRE", key, "1") == (name in WORKERS and name not in READS_ONLY | READS_AND_DELETES)


def test_what_people_said_and_chose_is_the_bots_alone() -> None:
    private = {"consent", "allowed_channels", "guild_settings", "BOT_LOCK", "FORGOTTEN", "LEARNING", "READINGS"}
    private |= {"reading", "reading_members", "reading_pages", "reading_state"}
    private |= {"synced_commands", "channel", "asked", "requests"}
    assert private <= set(BOTS) - set(WORKERS), "or a worker has begun to use what it must not see"
