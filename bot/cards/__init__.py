"""How a job, a model and an error look in Discord. Pure functions: data in, embed out."""

from bot.cards.models import models
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
from bot.cards.writing import generated, generated_footer, voice

__all__ = [
    "AMBER",
    "BLURPLE",
    "DESCRIPTION_LIMIT",
    "GREEN",
    "GREY",
    "LOSS_FILE",
    "RED",
    "bar",
    "copied",
    "count",
    "duration",
    "error",
    "figure",
    "generated",
    "generated_footer",
    "how",
    "loss",
    "models",
    "outage",
    "percent",
    "plain",
    "quote",
    "training",
    "voice",
]
