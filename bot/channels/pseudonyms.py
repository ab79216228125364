"""Names for the speakers of a text, which tell nobody who they are."""

from __future__ import annotations

import itertools
import random

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


def pseudonym(names: dict[int, str], speaker_id: int) -> str:
    """Return a speaker's name in a text, drawn at random and added to `names` when they speak first.

    No two have the same ("Robin 2" comes when all are taken). Only this table connects a name with a person.
    """
    if speaker_id not in names:
        taken = set(names.values())
        rounds = (NAMES if number == 1 else [f"{name} {number}" for name in NAMES] for number in itertools.count(1))
        free = ([name for name in candidates if name not in taken] for candidates in rounds)
        names[speaker_id] = _DRAWN.choice(next(filter(None, free)))
    return names[speaker_id]
