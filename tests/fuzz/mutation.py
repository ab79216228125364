"""JSON that is a little, or altogether, beside what it should be."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

from tests.fuzz import words

Path = tuple[str | int, ...]

odd = st.sampled_from(
    (
        *(None, True, False, 0, -1, 1, 2, 3, 99, 2**31, 2**32, 2**63, -(2**63), 10**30, 0.5, -0.5, 1e300, float("inf")),
        *(float("nan"), "", " ", "1", "x" * 10_000, [], {}, [[]], [None], {"": {}}, [0] * 1_000),
    )
)
values = st.one_of(
    odd,
    words.text(4),
    st.recursive(
        odd | st.text(max_size=5),
        lambda kids: st.lists(kids, max_size=3) | st.dictionaries(st.text(max_size=5), kids, max_size=3),
    ),
)


def paths(data: Any, before: Path = ()) -> list[Path]:
    """Where something stands in a JSON value."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path for key, value in items for path in ((*before, key), *paths(value, (*before, key)))]


@st.composite
def mutated(draw: Any, data: Any, most: int = 2) -> Any:
    """The same with up to so many things replaced, left out, or added."""
    made = copy.deepcopy(data)
    for _ in range(draw(st.integers(0, most))):
        found = paths(made)
        if not found or not draw(st.integers(0, 19)):
            return copy.deepcopy(draw(values))
        *way, last = draw(st.sampled_from(found))
        place = made
        for step in way:
            place = place[step]
        match draw(st.sampled_from(("replace", "replace", "replace", "drop", "add"))):
            case "replace":
                place[last] = copy.deepcopy(draw(values))
            case "drop":
                del place[last]
            case "add" if isinstance(place, dict):
                place[draw(st.text(max_size=8))] = copy.deepcopy(draw(values))
            case _:
                place.append(copy.deepcopy(draw(values)))
    return made
