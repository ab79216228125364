"""Names for the speakers of a transcript, which tell nobody who they are."""

from __future__ import annotations

import random
from collections.abc import Mapping

_NAMES = """
Ada Adrian Aiko Alba Alex Alma Amari Amber Amos Anders Andrea Anika Anton Arden Ari Arlo Ash Asta Aubrey August
Avery Bailey Basil Bea Bela Beryl Blair Bo Bram Bria Brook Bruno Caleb Cameron Carmen Casey Cedar Celia Chris Clara
Clay Clem Cleo Cody Corin Cosmo Cyra Dale Dana Daria Darcy Delia Devon Dina Dora Drew Eden Edith Eira Eli Elin Ellis
Elio Ember Emery Enid Enzo Erin Esme Etta Ezra Fable Fay Felix Fern Fenn Finn Fiona Flora Floyd Flynn Frankie Freya
Gale Gemma Glen Greer Greta Gus Hadley Hana Harley Harper Haven Hazel Heath Heidi Henri Hollis Hugo Ida Ilse Imani
Indigo Ines Ira Iris Isa Ivo Ivy Jade Jamie Jan Jasper Jay Jem Jesse Jody Jona Jordan Jules June Juno Kai Kaya
Keegan Kelly Kim Kira Kit Kiran Lane Lark Laurel Leah Leif Lena Lennox Leo Liv Logan Lou Luca Lumi Luz Mabel Maeve
Malin Marlow Marin Mateo Maya Merle Mika Milan Mina Miro Moss Nadia Nell Nico Niko Nils Noa Nora Oak Odell Olive
Orin Oskar Otto Ozzie Pascal Paz Pax Pearl Perry Petra Piper Quill Quinn Raven Ray Reese Remy Ren Rhea Rio River
Robin Rory Rosa Rowan Ruben Rue Sage Sam Sasha Saul Sky Sol Sora Stevie Sunny Suri Tamsin Tate Tess Theo Toby Tove
Uma Vale Vera Vesper Vic Viola Wes Willa Winter Wren Xan Yael Yara Yuki Zane Zelda Zeno Zia Zoe
"""
NAMES = tuple(_NAMES.split())
"""Common and invented first names, in no language more than in others."""
_DRAWN = random.SystemRandom()


class Pseudonyms:
    """Who is called what in one transcript.

    A name is drawn when somebody speaks first and is theirs from then on; no two have the same. It does not follow
    from who they are: only this table connects the two.

    Args:
        names: those given so far, by the speaker's id.
    """

    def __init__(self, names: Mapping[int, str] | None = None) -> None:
        self._names = dict(names or {})
        self._taken = set(self._names.values())

    def of(self, speaker_id: int) -> str:
        """The speaker's name, now drawn if they have none yet."""
        if speaker_id not in self._names:
            name = self._draw()
            self._names[speaker_id] = name
            self._taken.add(name)
        return self._names[speaker_id]

    def forget(self, speaker_id: int) -> None:
        """Take somebody's name away; whoever comes next may get it."""
        self._taken.discard(self._names.pop(speaker_id, ""))

    def as_dict(self) -> dict[int, str]:
        """The names given so far, by the speaker's id."""
        return dict(self._names)

    def _draw(self) -> str:
        # "Robin 2" comes when all are taken. Whoever was forgotten may have left a gap below.
        newest = len(self._names) // len(NAMES) + 1
        for number in (newest, *range(1, newest)):
            free = [name for name in _numbered(number) if name not in self._taken]
            if free:
                return _DRAWN.choice(free)
        raise AssertionError("fewer speakers than names, and no name is free")


def _numbered(number: int) -> tuple[str, ...]:
    return NAMES if number == 1 else tuple(f"{name} {number}" for name in NAMES)
