"""How the bot's answers look in Discord. Pure functions: data in, embed out."""

from bot.escape import code, plain
from bot.jobs.embeds import Row, choice, jobs
from bot.words import AMBER, BLURPLE, GREEN, GREY, RED, error, span
from shared.units import count

__all__ = [
    "AMBER",
    "BLURPLE",
    "GREEN",
    "GREY",
    "RED",
    "Row",
    "choice",
    "code",
    "count",
    "error",
    "jobs",
    "plain",
    "span",
]
