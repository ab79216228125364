"""The number of the data in Redis, which the bot and each worker compare at their start."""

from galvanic.errors import UserError

DATA_VERSION = 3
"""Raise it with a change of a message, a record or a script that the version before can't read: a new field of a job,
since a worker refuses what it doesn't know, but not one of an event, whose new fields are left out. Bot and workers
then refuse what an earlier version left in Redis; nothing turns it into the new form."""


class OtherVersion(UserError):
    """Redis holds data of another version of Galvanic."""


def require_version(number: bytes | None) -> None:
    """Check the number that Redis holds; None: it is empty. Raises OtherVersion."""
    if number is not None and number != b"%d" % DATA_VERSION:
        held = number.decode() if number.isdigit() and len(number) < 10 else "unknown"
        raise OtherVersion(
            f"Redis holds data of another version of Galvanic (number {held}, and this program reads {DATA_VERSION}).",
            "Update the bot and all workers to the same version, or give them an empty Redis.",
        )
