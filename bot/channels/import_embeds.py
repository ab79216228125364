"""The card of a channel that is being read. Pure functions: data in, embed out."""

from __future__ import annotations

from dataclasses import dataclass

import discord

from bot.words import AMBER, BLURPLE, GREY, RED, bar, duration
from shared.errors import UserError
from shared.units import count


@dataclass(frozen=True)
class ReadingFacts:
    """How far a reading is.

    Attributes:
        title: of the channel, harmless.
        read: messages so far, of anybody.
        lines, chars: what was kept of them.
        people: members whose words were kept.
        reached, began, until: seconds since the epoch: date of the newest message so far, of the first one that there
            can be, and of the last one; reached None: none yet.
        place, places: which of the channel and its threads is being read, from 1, and how many there are.
        left_s: seconds that the rest takes; None: nobody can say yet.
        footer: recipe and ids.
        update: only what was said since the last time is read.
    """

    title: str
    read: int
    lines: int
    chars: int
    people: int
    reached: float | None
    began: float
    until: float
    place: int
    places: int
    left_s: float | None
    footer: str
    update: bool = False

    @property
    def share(self) -> float:
        """How much of the time to read was read, of all places."""
        if self.reached is None or self.until <= self.began:
            return 0.0
        here = min(1.0, max(0.0, (self.reached - self.began) / (self.until - self.began)))
        return (self.place - 1 + here) / max(1, self.places)


def reading(facts: ReadingFacts, problem: str = "") -> discord.Embed:
    """A channel is being read. `problem`: why that does not go on at the moment."""
    what = "what was said since in" if facts.update else ""
    embed = discord.Embed(title=f"Reading {what} {facts.title}".replace("  ", " "), colour=BLURPLE)
    embed.description = f"📖 **Reading**, the oldest messages first\n`{bar(facts.share)}` **{facts.share:.0%}**"
    if problem:
        embed.description, embed.colour = f"⚠️ {problem}\n{embed.description}", AMBER
    embed.add_field(name="Messages read", value=f"{facts.read:,}")
    embed.add_field(name="Reached", value=f"<t:{int(facts.reached)}:D>" if facts.reached is not None else "…")
    embed.add_field(name="Time left", value=duration(facts.left_s) if facts.left_s is not None else "…")
    embed.add_field(name="Kept", value=f"{count(facts.lines, 'line')}, {count(facts.chars, 'character')}")
    embed.add_field(name="Of", value=count(facts.people, "member") + " who agreed")
    if facts.places > 1:
        embed.add_field(name="Threads", value=f"{facts.place} of {facts.places}, the channel included")
    return embed.set_footer(text=facts.footer)


def reading_failed(facts: ReadingFacts, problem: UserError) -> discord.Embed:
    """A channel could not be learned from."""
    said = f"{problem.problem}\n{problem.remedy}\nNothing of it was kept.".replace("\n\n", "\n")
    embed = discord.Embed(title=f"Could not learn {facts.title}", description=said, colour=RED)
    return embed.set_footer(text=facts.footer)


def reading_cancelled(facts: ReadingFacts) -> discord.Embed:
    """Somebody cancelled a reading."""
    embed = discord.Embed(title=f"Cancelled: {facts.title}", description="Nothing of it was kept.", colour=GREY)
    return embed.set_footer(text=facts.footer)
