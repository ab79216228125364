"""Whatever is attached to `train` and `model import`: a text is learned, a model imported, or it is said why not."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.fuzz import words
from tests.fuzz.hand import Hand, both_tests
from tests.fuzz.saved import content

COMMANDS = (
    "!train",
    "!train --name x",
    "!train --recipe word",
    "!train x",
    "!model import",
    "!model import x",
    "!model import ../x",
)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7")
BEGINNINGS = (
    *("25504446", "504b0304", "504b0506", "89504e470d0a1a0a", "ffd8ff", "4d5a", "7f454c46", "1f8b08", "425a68"),
    *("efbbbf", "fffe", "feff", "fffe0000", "0000feff", "00", "0000", "80", "ff", "efbbbfefbbbf", "d800", "00d8"),
)
ENDINGS = ("", ".txt", ".TXT", ".safetensors", ".zip", ".exe", ".txt.safetensors", ".tar.gz")

files = st.one_of(
    st.fixed_dictionaries(
        {"text": words.text(), "encoding": st.sampled_from(ENCODINGS), "times": st.sampled_from((1, 1, 40, 2_000))}
    ),
    st.builds(lambda start, rest: {"hex": start + rest.hex()}, st.sampled_from(BEGINNINGS), st.binary(max_size=80)),
    st.fixed_dictionaries(
        {"hex": st.binary(min_size=1, max_size=8).map(bytes.hex), "times": st.sampled_from((300, 20_000))}
    ),
)
archives = st.lists(st.tuples(words.names, files).map(list), max_size=4).map(lambda parts: {"zip": parts})
cases = st.fixed_dictionaries(
    {
        "typed": st.sampled_from(COMMANDS) | st.builds("!train {}".format, words.text(2)),
        "name": st.builds(str.__add__, words.names, st.sampled_from(ENDINGS)),
        "file": files | archives,
    }
)


async def carry_out(hand: Hand, case: dict[str, Any]) -> None:
    """Attach it, and judge the answer."""
    hand.forget()
    await hand.attach(case["typed"], case["name"][:260], content(case["file"]))
    hand.judge(case["file"].get("text", "") * 2)


test_saved_attachments, test_any_attachment = both_tests("attachments", cases, carry_out)
