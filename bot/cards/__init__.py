"""How the bot's answers look in Discord. Pure functions: data in, embed out."""

from bot.cards.help import welcome
from bot.cards.jobs import Row, choice, jobs
from bot.cards.settings import panel as settings_panel
from bot.cards.settings import reset_question as settings_reset_question
from bot.cards.status import status
from bot.escape import code, plain
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
    "settings_panel",
    "settings_reset_question",
    "span",
    "status",
    "welcome",
]
