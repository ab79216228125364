"""What Hypothesis draws: words as hostile as people and files may send them, and JSON that is not as it should be."""

import copy
from typing import Any

from hypothesis import strategies as st

PIECES = (
    *("the sea", "Frankenstein's", "море", "海", "don’t", "“quoted”", "yes", "x" * 400),
    *("@everyone", "<@1297000000000000022>", "<@&1297000000000000001>", "**", "`", "```py\n", "||", "> ", "# ", "\\"),
    *("[a](https://example.org)", "discord.gg/abc", "<t:0:R>", ":smile:", "&amp;", "<script>alert(1)</script>"),
    *("\u202e", "\u200b", "\ufeff", "\u2028", "\r", "\n", "\x00", "\x1b[31m", "\uffff", "\U0010ffff", "👩‍👩‍👧‍👦", "ﷺ"),
    *("Z" + "\u0335\u0322\u034d" * 12, "../../etc/passwd", "C:\\CON", "nul.txt", ".", "a\x00.txt", "%s", "{0}", "${x}"),
    *("0", "-1", "1e309", "nan", "-inf", "1_0", "٣", "²", "9" * 20, "1,5", "--5", "--", "--unknown", "--no-recipe"),
)
HALVES = ("\ud800", "\udfff", "\ud83d", "\udc00\ud800")
"""Half characters, which JSON lets through and UTF-8 does not."""

words = st.lists(st.sampled_from(PIECES) | st.text(max_size=12), max_size=10).map(" ".join)
numbers = st.sampled_from((0, -1, 99, 2**32, 2**63, 10**30, 0.5, 1e300, float("inf"), float("nan")))
values = st.recursive(
    st.none() | st.booleans() | numbers | words | st.sampled_from(HALVES),
    lambda kids: st.lists(kids, max_size=3) | st.dictionaries(st.text(max_size=5), kids, max_size=3),
)


def _paths(data: Any) -> list[tuple[Any, ...]]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path for key, value in items for path in ((key,), *((key, *rest) for rest in _paths(value)))]


@st.composite
def changed(draw: Any, data: Any) -> Any:
    """The same JSON with up to two values replaced or left out; now and then something else altogether."""
    made = copy.deepcopy(data)
    for _ in range(draw(st.integers(0, 2))):
        places = _paths(made)
        if not places or not draw(st.integers(0, 19)):
            return draw(values)
        *way, last = draw(st.sampled_from(places))
        parent = made
        for step in way:
            parent = parent[step]
        if draw(st.booleans()) and isinstance(parent, dict):
            del parent[last]
        else:
            parent[last] = copy.deepcopy(draw(values))
    return made
