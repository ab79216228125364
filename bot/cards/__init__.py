"""How the bot's answers look in Discord. Pure functions: data in, embed out."""

from bot.cards.jobs import Row, choice, jobs
from bot.cards.models import (
    delete_question,
    deleted,
    exported,
    imported,
    model_info,
    model_list,
    not_deleted,
    pages,
    shared,
    unshared,
)
from bot.cards.samples import samples
from bot.cards.settings import panel as settings_panel
from bot.cards.settings import reset_question as settings_reset_question
from bot.cards.training import NO_FILES, CardContext, channel_gone, outage, plain_end, training, without_chart
from bot.cards.words import AMBER, BLURPLE, GREEN, GREY, RED, count, error, span
from bot.cards.writing import chatted, compared, generated, surprised, variant_names
from bot.escape import code, plain

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
    "chatted",
    "choice",
    "code",
    "compared",
    "count",
    "delete_question",
    "deleted",
    "error",
    "exported",
    "generated",
    "imported",
    "jobs",
    "model_info",
    "model_list",
    "not_deleted",
    "outage",
    "pages",
    "plain",
    "plain_end",
    "samples",
    "settings_panel",
    "settings_reset_question",
    "shared",
    "span",
    "surprised",
    "training",
    "unshared",
    "variant_names",
    "without_chart",
]
