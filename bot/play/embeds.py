"""Quizzes, their scores, and favourite texts. Pure functions: data in, embed out."""

import string
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import discord

from bot.components import button, view
from bot.words import AMBER, BLURPLE, GREEN, clipped, plain, shorten_words
from shared.jobs import MOST_PASSAGES, QuizJob

LETTERS = string.ascii_uppercase[:MOST_PASSAGES]
_NAMED, _RANKED, _QUOTED, _PASSAGE = 40, 20, 160, 500
_TITLE = "Real or model?"


class Favourite(NamedTuple):
    """A text that people reacted to."""

    number: int  # of reactions
    link: str
    channel_id: int
    model: str
    text: str


def question(job: QuizJob, passages: Sequence[str], ends: float) -> discord.Embed:
    asked = f"One of these comes from the text that `{job.model.name}` learned; it wrote the others. Which one is real?"
    lines = [asked, *_listed(passages), f"-# The answer comes <t:{round(ends)}:R>."]
    return discord.Embed(title=_TITLE, description="\n".join(lines), colour=BLURPLE)


def letters(job: QuizJob) -> discord.ui.View:
    return view(*(button("guess", job.job_id, at, label=letter) for at, letter in enumerate(LETTERS[: job.passages])))


def answer(job: QuizJob, passages: Sequence[str], real: int, guesses: Mapping[int, int]) -> discord.Embed:
    """Draw the answer. `guesses`: by member. Their mentions are only names: an embed pings nobody."""
    right = [f"<@{user_id}>" for user_id, guess in guesses.items() if guess == real]
    guessed = (
        f"{len(right)} of {len(guesses)} guessed right. {', '.join(right[:_NAMED])}" if guesses else "Nobody guessed."
    )
    result = f"**{LETTERS[real]}** comes from the text; `{job.model.name}` wrote the rest."
    return discord.Embed(title=_TITLE, description="\n".join([result, *_listed(passages, real), guessed]), colour=GREEN)


def _listed(passages: Sequence[str], real: int | None = None) -> list[str]:
    shown = (clipped(passage, _PASSAGE).replace("\n", "\n> ") for passage in passages)
    pairs = enumerate(zip(LETTERS, shown, strict=False))
    return [f"**{letter}**{' ✅' if at == real else ''}\n> {text}\n" for at, (letter, text) in pairs]


def scores(guesses: Mapping[int, tuple[int, int]], prefix: str) -> discord.Embed:
    ranked = sorted(guesses.items(), key=lambda entry: (-entry[1][0], entry[1][1]))[:_RANKED]
    lines = [f"{place}. <@{user_id}>: {right} of {of}" for place, (user_id, (right, of)) in enumerate(ranked, 1)]
    description = "\n".join(lines) or f"Nobody has guessed yet: `{prefix}quiz` shows passages to guess at."
    return discord.Embed(title="Real or model? Right guesses in this server", description=description, colour=AMBER)


def _beginning(text: str) -> str:
    short = shorten_words(text, _QUOTED)
    return plain(short) + (" …" if len(short) < len(text) else "")


def favourites(texts: Sequence[Favourite], prefix: str) -> discord.Embed:
    description = "\n".join(
        f"**{text.number}** · [{plain(text.model)}]({text.link}) in <#{text.channel_id}>\n> {_beginning(text.text)}\n"
        for text in texts
    )
    begin = f"Nothing to show here yet: react to a text of mine, such as one from `{prefix}generate`, and it counts."
    return discord.Embed(title="My best texts", description=description or begin, colour=AMBER)
