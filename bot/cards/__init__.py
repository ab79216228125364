"""How a job, a model and an error look in Discord. Pure functions: data in, embed out."""

from bot.cards.help import ADMINS_ONLY
from bot.cards.help import HEADINGS as HELP_HEADINGS
from bot.cards.help import overview as help_overview
from bot.cards.help import page as help_page
from bot.cards.jobs import Row, choice, jobs
from bot.cards.models import (
    delete_question,
    deleted,
    exported,
    imported,
    kept,
    model_info,
    model_list,
    pages,
    quality,
    shared,
    unshared,
)
from bot.cards.settings import panel as settings_panel
from bot.cards.settings import sure as settings_sure
from bot.cards.training import Around, copied, how, outage, samples, span, training
from bot.cards.words import (
    AMBER,
    BLURPLE,
    DESCRIPTION_LIMIT,
    GREEN,
    GREY,
    RED,
    about,
    bar,
    count,
    duration,
    error,
    figure,
    loss,
    percent,
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
from bot.escape import code, plain

__all__ = [
    "ADMINS_ONLY",
    "AMBER",
    "BLURPLE",
    "DESCRIPTION_LIMIT",
    "GREEN",
    "GREY",
    "HELP_HEADINGS",
    "RED",
    "Around",
    "Row",
    "about",
    "bar",
    "chatted",
    "choice",
    "code",
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
    "jobs",
    "kept",
    "loss",
    "model_info",
    "model_list",
    "outage",
    "pages",
    "percent",
    "plain",
    "quality",
    "quote",
    "samples",
    "settings_panel",
    "settings_sure",
    "shared",
    "span",
    "surprised",
    "training",
    "unshared",
    "variant_names",
    "voice",
]
