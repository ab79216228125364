"""Small talk between the playground's people: the history of #tavern, and as much more as a load test asks for.

The scenes are hand-written (`tavern.txt`); a fixed seed chooses among them and their changing words, so that the same
end time gives the same history again.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

from playground.places import CHANNEL_IDS, EMOJI_IDS, USER_IDS

_SCENES = Path(__file__).with_name("tavern.txt")
_LINE = re.compile(r"^(\w+)([:>~]) (.+)$", re.MULTILINE)
_SLOT = re.compile(r"\{(\w+)\}")
_REFERENCE = re.compile(r"[@#]\w+|:\w+:")
_REFERENCES = {
    **{f"@{name}": f"<@{user_id}>" for name, user_id in USER_IDS.items()},
    **{f"#{name}": f"<#{channel_id}>" for name, channel_id in CHANNEL_IDS.items()},
    **{f":{name}:": f"<:{name}:{emoji_id}>" for name, emoji_id in EMOJI_IDS.items()},
}
"""As Discord's own client writes them."""
_WEEKS = 5
_SCENES_PER_DAY = 12
"""At most: a longer history begins earlier."""
_WAKES = time(8)
_AWAKE_H = 15

_WORDS = {
    "state": "humming|leaking|refusing to boil|making the noise|warm for no reason|blinking twice and stopping",
    "ago": "last week|two days ago|in March|before the flood|on Sunday|this morning|an hour ago|when it was still warm",
    "part": "coil|valve|left bearing|thermostat|switchboard|gasket|brass fitting|long wire|small motor|glass tube",
    "book": "Frankenstein|the lighthouse novel|the big green atlas|that thing about bees|the letters of the tide keeper"
    "|the one with the orange cover|a history of salt|the second volume",
    "small": "three|four|five|six|seven|nine|eleven|twelve|thirteen|seventeen",
    "big": "120|240|300|416|512|700|899|1000|1440|2048",
    "two": "34|17|88|52|06|71|43|29",
    "spoiler": "the boat|nobody was the brother|read page ninety twice|it was the gardener, emotionally"
    "|the weather did it|you will look at ladders differently",
    "tool": "soldering iron|long screwdriver|tape measure|hand drill|good scissors|small hammer|spirit level|magnifier",
    "thing": "spark jar|signal lamp|rain gauge|music box|printing press|pump|telegraph|barometer|lathe|arc lamp",
    "meeting": "house meeting|reading circle|tide watch|garden council|cellar inventory|moth evening",
    "day": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday",
    "hour": "six|seven|eight|nine|ten|eleven",
    "food": "lentil stew|pickled beets|onion tart|plum cake|barley soup|cheese toast|quince jam|potato salad|rye bread",
    "spice": "caraway|smoked paprika|nutmeg|mustard seed|black pepper|fennel|juniper",
    "water": "harbour|canal|river|mill pond|estuary|old lock",
    "verbed": "rinsed|ironed|unfolded|buttered|polished|tuned|borrowed",
    "percent": "2|4|7|11|13|19",
    "weather": "rain|fog|wind|frost|snow|drizzle|thunder",
    "word": "crepuscular|lopsided|sonorous|damp|galvanic|reluctant|brackish|tremulous|stubborn|cavernous",
    "topic": "tides|old radios|glass|lighthouses|sourdough|moths|clocks|knots|salt|lightning",
    "slug": "why-it-hums|notes-4|the-slow-clock|on-salt|a-better-valve|harbour-2|moths-again|third-try",
    "pet": "Ampere|Pudding|Captain|Biscuit|Leyden|Mops|Gutter",
    "pet_kind": "crow|seagull|pigeon|goose|jackdaw|hedgehog",
    "sign": "closed, probably|back before the tide|open if humming|do not feed the jar|knock twice or not at all",
    "game": "dominoes|the map game|cards|charades|the long version of the short game",
    "mood": "a wet sock|the last biscuit|a lamp at noon|an unread manual|the middle of a Tuesday|soup on a boat",
    "voice": "second alto|bass|tenor|page turner|soprano who likes stairs",
}


class Line(NamedTuple):
    speaker: str
    mark: str
    text: str


class Said(NamedTuple):
    """`replies`: to the message before; `edited`: when; None: never."""

    author_id: int
    content: str
    moment: datetime
    replies: bool
    edited: datetime | None


@cache
def scenes() -> tuple[tuple[Line, ...], ...]:
    text = "\n".join(line for line in _SCENES.read_text("utf-8").splitlines() if not line.startswith("# "))
    return tuple(tuple(Line(*line) for line in _LINE.findall(block)) for block in text.strip().split("\n\n"))


def small_talk(count: int, until: datetime, seed: int = 1818) -> Iterator[Said]:
    """About `count` messages, oldest first, the last of them shortly before `until`."""
    drawn = random.Random(seed)
    cast: list[tuple[Line, ...]] = []
    total = 0
    while total < count:
        # Every scene comes once before any comes again.
        for scene in drawn.sample(scenes(), len(scenes())):
            if total < count:
                cast.append(scene)
                total += len(scene)
    days = max(_WEEKS * 7, len(cast) // _SCENES_PER_DAY + 1)
    first = datetime.combine(until.astimezone(UTC).date() - timedelta(days=days), _WAKES, UTC)
    moment = first
    for number, scene in enumerate(cast):
        day, part = divmod(number * days / len(cast), 1)
        planned = first + timedelta(days=day, hours=_AWAKE_H * part, minutes=drawn.uniform(0, 20))
        moment = max(moment + timedelta(seconds=30), planned)
        words = {name: drawn.choice(choices.split("|")) for name, choices in _WORDS.items()}
        for line in scene:
            text = _SLOT.sub(lambda slot, words=words: words[slot[1]], line.text).replace("\\n", "\n")  # type: ignore[misc]
            edited = moment + timedelta(seconds=drawn.randint(20, 400)) if line.mark == "~" else None
            content = _REFERENCE.sub(lambda found: _REFERENCES.get(found[0], found[0]), text)
            yield Said(USER_IDS[line.speaker], content, moment, line.mark == ">", edited)
            moment += timedelta(seconds=drawn.randint(4, 25) + len(text) // 4)
