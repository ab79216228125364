"""Whatever is typed as a command, or into a slash command's options, is answered in words that help."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.fuzz import words
from tests.fuzz.hand import Hand, both_tests

LEAVES: dict[str, dict[str, Any]] = {
    "train": {"source": "", "recipe": "", "epochs": 1, "minutes": 1.0, "name": "", "from": "", "layers": 1, "lr": 0.1},
    "generate": {"seed": "", "model": "", "mix": "", "length": 1, "temperature": 1.0, "random_seed": 1, "top_p": 0.5},
    "compare": {"seed": "", "temperatures": "", "models": "", "length": 1},
    "surprise": {"text": "", "model": ""},
    "chat": {"state": ""},
    "models": {},
    "model info": {"name": ""},
    "model use": {"name": ""},
    "model temperature": {"value": ""},
    "model rename": {"name": "", "new": ""},
    "model delete": {"name": ""},
    "model share": {"name": "", "where": ""},
    "model unshare": {"name": "", "where": ""},
    "model export": {"name": ""},
    "model import": {"name": ""},
    "jobs": {},
    "cancel": {"job": ""},
    "finish": {"job": ""},
    "help": {"command": ""},
    "settings": {},
    "status": {},
    "catalogue": {},
}
NAMES = (*LEAVES, "model", "temp", "MODEL INFO", "model model", "frobnicate", "traim", "gen", "h", "model rename a")
FLAGS = tuple(sorted({f"--{flag.replace('_', '-')}" for options in LEAVES.values() for flag in options}))
PREFIXES = ("!", "! ", "!!", "<@1297000000000000031> ", "<@1297000000000000031>")

flags = st.tuples(
    st.sampled_from((*FLAGS, "--", "---", "-", "--unknown")), words.text(2) | st.sampled_from(words.NUMBERS)
)
typed = st.builds(
    lambda prefix, name, said, given: {"typed": f"{prefix}{name} {said} " + " ".join(" ".join(pair) for pair in given)},
    st.just("!") | st.sampled_from(PREFIXES),
    st.sampled_from(NAMES) | words.text(2),
    words.text(),
    st.lists(flags, max_size=4),
)


@st.composite
def called(draw: Any) -> dict[str, Any]:
    """A slash command with some of its options: those of numbers as such or as text."""
    command = draw(st.sampled_from(sorted(LEAVES)))
    kinds = {
        "str": words.text(),
        "int": st.integers(-(2**53), 2**53) | st.sampled_from((0, 1, -1)),
        "float": st.floats(-(2.0**53), 2.0**53) | st.sampled_from((0.0, 1.0)),
    }
    options = {
        name: draw(kinds[type(kind).__name__]) for name, kind in LEAVES[command].items() if draw(st.integers(0, 2))
    }
    return {"command": command, "options": options}


@st.composite
def completed(draw: Any) -> dict[str, Any]:
    """Something typed into an option that offers choices."""
    command = draw(st.sampled_from(sorted(name for name, options in LEAVES.items() if options)))
    return {"command": command, "option": draw(st.sampled_from(sorted(LEAVES[command]))), "typed": draw(words.text(4))}


cases = st.one_of(typed, typed, called(), completed())


async def carry_out(hand: Hand, case: dict[str, Any]) -> None:
    """Type it, or call it, and judge the answer."""
    hand.forget()
    match case:
        case {"command": command, "options": options}:
            await hand.call(command, options)
            hand.judge(*(value for value in options.values() if isinstance(value, str)))
        case {"command": command, "option": option, "typed": said}:
            await hand.complete(command, option, said)
            hand.judge(said)
        case {"typed": said}:
            first = said.removeprefix("!").split(" ")[0]
            await hand.write(said, answered=said.startswith("!") and first.islower() and first in LEAVES)
            hand.judge(said)


test_saved_commands, test_any_command = both_tests("commands", cases, carry_out)
