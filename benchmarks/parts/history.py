"""Measure how fast the messages of channels are cleaned. Without TensorFlow."""

import functools

from benchmarks.measure import alternate, medians, repeated
from benchmarks.record import Context
from galvanic.read.cleaning import clean as cleaned
from tests.driver.history import small_talk

MESSAGES = 20_000
PAGE = 100
"""Messages in one reply of Discord, which are cleaned at once."""


def clean(context: Context) -> None:
    """Measure megabytes of UTF-8 chat per second, cleaned in pages: of all messages, and of those that cleaning
    changes."""
    contents = [message.content for message in small_talk(MESSAGES)]
    changed = [content for content in contents if cleaned(content) != content]
    texts = {"all": contents, "changed": changed}
    contestants = {
        name: repeated(functools.partial(_in_pages, messages), 1 if context.quick else 3)
        for name, messages in texts.items()
    }
    typical = medians(alternate(contestants, 3 if context.quick else 10))
    megabytes = {name: sum(len(content.encode()) for content in messages) / 1e6 for name, messages in texts.items()}
    context.record.values["history.clean_mb_per_s"] = megabytes["all"] / typical["all"]
    context.record.raw |= {
        "history.clean_changed_mb_per_s": megabytes["changed"] / typical["changed"],
        "history.clean_us_per_message": typical["all"] / len(contents) * 1e6,
        "history.clean_bytes_per_message": megabytes["all"] / len(contents) * 1e6,
        "history.clean_changed_share": len(changed) / len(contents),
    }


def _in_pages(contents: list[str]) -> None:
    for start in range(0, len(contents), PAGE):
        for content in contents[start : start + PAGE]:
            cleaned(content)
