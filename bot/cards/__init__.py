"""How a job, a model and an error look in Discord. Pure functions: data in, embed out."""

from bot.cards.help import ADMINS_ONLY
from bot.cards.help import HEADINGS as HELP_HEADINGS
from bot.cards.help import overview as help_overview
from bot.cards.help import page as help_page
from bot.cards.models import (
    delete_question,
    deleted,
    exported,
    imported,
    kept,
    model_info,
    model_list,
    pages,
    shared,
    unshared,
)
from bot.cards.settings import panel as settings_panel
from bot.cards.settings import sure as settings_sure
from bot.cards.training import LOSS_FILE, copied, how, outage, training
from bot.cards.words import (
    AMBER,
    BLURPLE,
    DESCRIPTION_LIMIT,
    GREEN,
    GREY,
    RED,
    bar,
    count,
    duration,
    error,
    figure,
    loss,
    percent,
    plain,
    quote,
)
from bot.cards.writing import (
    chatted,
    compared,
    generated,
    generated_footer,
    surprised,
    variant_names,
    voice,
)

__all__ = [
    "ADMINS_ONLY",
    "AMBER",
    "BLURPLE",
    "DESCRIPTION_LIMIT",
    "GREEN",
    "GREY",
    "HELP_HEADINGS",
    "LOSS_FILE",
    "RED",
    "bar",
    "chatted",
    "compared",
    "copied",
    "count",
    "delete_question",
    "deleted",
    "duration",
    "error",
    "exported",
    "figure",
    "generated",
    "generated_footer",
    "help_overview",
    "help_page",
    "how",
    "imported",
    "kept",
    "loss",
    "model_info",
    "model_list",
    "outage",
    "pages",
    "percent",
    "plain",
    "quote",
    "settings_panel",
    "settings_sure",
    "shared",
    "surprised",
    "training",
    "unshared",
    "variant_names",
    "voice",
]
