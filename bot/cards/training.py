"""The card of a training. Pure functions: data in, embed out."""

from __future__ import annotations

import math

import discord
from discord.utils import escape_markdown

from bot.cards.words import (
    AMBER,
    BLURPLE,
    FIELD_LIMIT,
    GREEN,
    GREY,
    RED,
    bar,
    count,
    duration,
    figure,
    loss,
    percent,
    plain,
    quote,
)
from bot.jobview import JobView
from shared.jobs import TrainJob, TrainOptions

LOSS_FILE = "loss.png"
_RECIPES = {
    "char": "character by character",
    "word": "word by word",
    "classic": "the tutorial's way",
}


def training(job: TrainJob, view: JobView, *, worker_there: bool, position: int | None, prefix: str) -> discord.Embed:
    """The card of a training.

    Args:
        job: what was asked for.
        view: how far it has come.
        worker_there: whether a train worker is running now.
        position: trainings waiting before this one, None when it is not waiting.
        prefix: of this server's commands.
    """
    match view.state:
        case "finished":
            embed = _finished(view, prefix)
        case "failed":
            assert view.failed is not None
            embed = discord.Embed(
                title=f"Could not learn {_title(job)}",
                description=f"{view.failed.problem}\n{view.failed.remedy}".strip(),
                colour=RED,
            )
        case "cancelled":
            embed = discord.Embed(title=f"Cancelled: {_title(job)}", description="Nothing was kept.", colour=GREY)
        case _:
            embed = _unfinished(job, view, worker_there, position)
    footer = [f"recipe {job.options.recipe}", f"{job.corpus.chars:,} characters", f"job {job.job_id}"]
    embed.set_footer(text=" · ".join(footer))
    return embed


def outage(job: TrainJob) -> discord.Embed:
    """The card while Redis is away."""
    return discord.Embed(
        title=f"Learning {_title(job)}",
        description=(
            "⚠️ **The job queue (Redis) cannot be reached**, so I can't see how far this is.\n"
            "The training itself goes on; this card catches up when the queue is back."
        ),
        colour=AMBER,
    )


def _unfinished(job: TrainJob, view: JobView, worker_there: bool, position: int | None) -> discord.Embed:
    embed = discord.Embed(title=f"Learning {_title(job)}", colour=BLURPLE)
    progress = view.progress
    if not worker_there:
        embed.colour = AMBER
        then = "It begins" if progress is None else "The training goes on from its last checkpoint"
        embed.description = (
            f"⚠️ **No worker is running**, so nothing is being learned.\n{then} as soon as one is there. "
            "Whoever runs the bot starts one with `make run` or `python -m worker serve train`."
        )
    elif view.state == "queued":
        waiting = "next in line" if not position else f"{position} before it"
        embed.description = f"🕓 **Queued**, {waiting}."
        embed.colour = GREY
    elif view.state == "interrupted":
        embed.description = "⏸️ **Paused**: the worker is restarting. It saved its place and goes on from there."
        embed.colour = AMBER
    elif progress is None:
        again = " again, from its last checkpoint" if view.resumed else ""
        embed.description = f"📖 **Reading** the text{again}…"
    else:
        embed.description = "🧠 **Training**"
    if progress is not None:
        done = (progress.epoch - 1 + progress.step / max(1, progress.steps)) / max(1, progress.epochs)
        embed.description = f"{embed.description}\n`{bar(done)}` **{math.floor(100 * min(1.0, done))} %**"
        embed.add_field(name="Epoch", value=f"{progress.epoch} of {progress.epochs}")
        embed.add_field(name="Step", value=f"{progress.step:,} of {progress.steps:,}")
        embed.add_field(name="Time left", value=duration(progress.eta_s) if progress.eta_s is not None else "…")
        embed.add_field(name="Training loss", value=loss(progress.train_loss))
        embed.add_field(name="Held-out loss", value=loss(progress.heldout_loss))
        speed = f"{progress.chars_per_s:,.0f} characters/s" if progress.chars_per_s else "…"
        embed.add_field(name="Speed", value=speed)
    embed.add_field(name="How", value=how(job), inline=False)
    if view.samples:
        sample = view.samples[-1]
        embed.add_field(name=f"It writes, after epoch {sample.epoch}", value=quote(sample.text), inline=False)
    return embed


def _finished(view: JobView, prefix: str) -> discord.Embed:
    end = view.finished
    assert end is not None
    model = end.model
    why = {
        "done": "",
        "early": " It stopped early: it no longer got better.",
        "time": " It used all of its time.",
        "finish": " It was finished early on request.",
    }[end.stopped]
    more = "" if end.stopped == "early" else f" `{prefix}train more` adds to it."
    embed = discord.Embed(
        title=f"Learned {escape_markdown(model.corpus_title)}",
        description=(
            f"✅ `{model.name}` is now this channel's model.{why}\n"
            f"Try `{prefix}generate the monster`, or any words of yours.{more}"
        ),
        colour=GREEN,
    )
    embed.add_field(name="Epochs", value=f"{model.epochs:,}" + (" in all" if model.parent is not None else ""))
    embed.add_field(name="Time", value=duration(end.seconds))
    embed.add_field(name="Size", value=f"{model.parameters:,} weights")
    embed.add_field(name="Training loss", value=loss(model.train_loss))
    embed.add_field(name="Held-out loss", value=loss(model.heldout_loss))
    speed = view.progress.chars_per_s if view.progress is not None else None
    embed.add_field(name="Learned at", value=f"{speed:,.0f} characters/s" if speed else "…")
    if model.parent is not None:
        embed.add_field(name="Went on from", value=f"`{model.parent}`")
    if model.copy_share is not None:
        embed.add_field(name="Copied", value=copied(model.copy_share))
    for number, sample in enumerate(end.samples[:3], start=1):
        embed.add_field(name=f"Sample {number}", value=quote(sample), inline=False)
    if end.notes:
        embed.add_field(name="Worth knowing", value=plain("\n".join(end.notes))[:FIELD_LIMIT], inline=False)
    embed.set_image(url=f"attachment://{LOSS_FILE}")
    return embed


def how(job: TrainJob) -> str:
    """What was asked for, in plain words: the recipe, where it starts from, and what the person chose."""
    said = [_RECIPES[job.options.recipe]]
    if job.parent is not None:
        said.append(f"goes on from `{job.parent.name}`")
    return " · ".join(said + _choices(job.options))


def _choices(options: TrainOptions) -> list[str]:
    said = []
    if options.epochs is not None:
        said.append(count(options.epochs, "epoch"))
    elif options.minutes is not None and options.recipe != "classic":
        said.append(f"at most {options.minutes:g} minute" + ("" if options.minutes == 1 else "s"))
    if options.layers is not None:
        said.append(count(options.layers, "layer"))
    if options.units is not None:
        said.append(f"{options.units:,} units" + (" in each layer" if options.layers != 1 else ""))
    if options.encoding is not None:
        said.append(f"{options.encoding} encoding")
    numbers = (
        ("embedding of", options.embedding),
        ("dropout", options.dropout),
        ("batch", options.batch),
        ("length", options.length),
        ("learning rate", options.learning_rate),
        ("random seed", options.random_seed),
    )
    said += [f"{name} {figure(value)}" for name, value in numbers if value is not None]
    if options.keep_licence:
        said.append("licence kept")
    return said


def copied(share: float) -> str:
    """A copy score in plain words."""
    if share <= 0:
        return "nothing of its samples stands word for word in the text"
    return f"{percent(share)} of its samples stand word for word in the text"


def _title(job: TrainJob) -> str:
    return escape_markdown(job.corpus.title)
