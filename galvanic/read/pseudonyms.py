"""Names for the speakers of a text, which tell nobody who they are."""

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
NAMES = tuple(_NAMES.split())  # common and invented first names, in no language more than in others
_RANDOM = random.SystemRandom()


def pseudonyms(count: int, random_seed: int | None = None) -> list[str]:
    """Return different names for so many speakers, drawn at random; once all are taken, "Robin 2" and so on.

    `random_seed`: gives the same names each time.
    """
    source = _RANDOM if random_seed is None else random.Random(random_seed)
    names = list[str]()
    for number in range(1, 2 + count // len(NAMES)):
        ending = "" if number == 1 else f" {number}"
        names += source.sample([f"{name}{ending}" for name in NAMES], len(NAMES))
    return names[:count]
