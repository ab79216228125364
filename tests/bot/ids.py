"""Ids of the playground's people and channels, by their names."""

from playground.places import CHANNEL_IDS, USER_IDS

ADA, BEN, CLEO, DORA = (USER_IDS[name] for name in ("ada", "ben", "cleo", "dora"))
LAB, LIBRARY, TAVERN, CELLAR, ATRIUM = (CHANNEL_IDS[name] for name in ("lab", "library", "tavern", "cellar", "atrium"))
