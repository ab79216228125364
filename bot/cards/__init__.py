"""How the bot's answers look in Discord. Pure functions: data in, embed out."""

from bot.cards.help import welcome
from bot.cards.jobs import Row, choice, jobs
from bot.cards.samples import samples
from bot.cards.settings import panel as settings_panel
from bot.cards.settings import reset_question as settings_reset_question
from bot.cards.status import status
from bot.cards.training import (
    NO_FILES,
    CardContext,
    channel_gone,
    end_without_channel,
    foreign,
    outage,
    plain_end,
    training,
    without_chart,
    without_samples,
)
from bot.escape import code, plain
from bot.words import AMBER, BLURPLE, GREEN, GREY, RED, error, span
from shared.units import count

__all__ = [
    "AMBER",
    "BLURPLE",
    "GREEN",
    "GREY",
    "NO_FILES",
    "RED",
    "CardContext",
    "Row",
    "channel_gone",
    "choice",
    "code",
    "count",
    "end_without_channel",
    "error",
    "foreign",
    "jobs",
    "outage",
    "plain",
    "plain_end",
    "samples",
    "settings_panel",
    "settings_reset_question",
    "span",
    "status",
    "training",
    "welcome",
    "without_chart",
    "without_samples",
]
