"""Quizzes, their scores, and favourite texts. Pure functions: data in, embed out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import discord

from bot.components import button, view
from bot.words import AMBER, BLURPLE, GREEN, clipped, plain, shorten_words
from shared.jobs import QuizJob

LETTERS = "ABCD"
_NAMED, _RANKED, _QUOTED, _PASSAGE = 40, 20, 160, 500
_TITLE = "Real or model?"


class Favourite(NamedTuple):
    number: int  # of reactions
    link: str
    channel_id: int
    model: str
    text: str


def question(job: QuizJob, passages: Sequence[str], ends: float) -> discord.Embed:
    asked = f"One of these comes from the text that `{job.model.name}` learned; it wrote the others. Which one is real?"
    said = [asked, *_listed(passages), f"-# The answer comes <t:{round(ends)}:R>."]
    return discord.Embed(title=_TITLE, description="\n".join(said), colour=BLURPLE)


def letters(job: QuizJob) -> discord.ui.View:
    return view(*(button("guess", job.job_id, at, label=one) for at, one in enumerate(LETTERS[: job.passages])))


def answer(job: QuizJob, passages: Sequence[str], real: int, guesses: Mapping[int, int]) -> discord.Embed:
    """Draw the answer. `guesses`: by member. Their mentions are only names: an embed pings nobody."""
    right = [f"<@{user_id}>" for user_id, guess in guesses.items() if guess == real]
    actor = (
        f"{len(right)} of {len(guesses)} guessed right. {', '.join(right[:_NAMED])}" if guesses else "Nobody guessed."
    )
    said = f"**{LETTERS[real]}** comes from the text; `{job.model.name}` wrote the rest."
    return discord.Embed(title=_TITLE, description="\n".join([said, *_listed(passages, real), actor]), colour=GREEN)


def _listed(passages: Sequence[str], real: int | None = None) -> list[str]:
    shown = (clipped(passage, _PASSAGE).replace("\n", "\n> ") for passage in passages)
    pairs = enumerate(zip(LETTERS, shown, strict=False))
    return [f"**{letter}**{' ✅' if at == real else ''}\n> {text}\n" for at, (letter, text) in pairs]


def scores(found: Mapping[int, tuple[int, int]], prefix: str) -> discord.Embed:
    ranked = sorted(found.items(), key=lambda one: (-one[1][0], one[1][1]))[:_RANKED]
    lines = [f"{place}. <@{user_id}>: {right} of {of}" for place, (user_id, (right, of)) in enumerate(ranked, 1)]
    said = "\n".join(lines) or f"Nobody has guessed yet: `{prefix}quiz` shows passages to guess at."
    return discord.Embed(title="Real or model? Right guesses in this server", description=said, colour=AMBER)


def _beginning(text: str) -> str:
    short = shorten_words(text, _QUOTED)
    return plain(short) + (" …" if len(short) < len(text) else "")


def favourites(found: Sequence[Favourite], prefix: str) -> discord.Embed:
    said = "\n".join(
        f"**{one.number}** · [{plain(one.model)}]({one.link}) in <#{one.channel_id}>\n> {_beginning(one.text)}\n"
        for one in found
    )
    begin = f"Nothing to show here yet: react to a text of mine, such as one from `{prefix}generate`, and it counts."
    return discord.Embed(title="My best texts", description=said or begin, colour=AMBER)
