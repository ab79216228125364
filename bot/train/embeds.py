"""The card of a training. Pure functions: data in, embed out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import discord

from bot.train.state import TrainingState
from bot.words import (
    AMBER,
    BLURPLE,
    DESCRIPTION_LIMIT,
    FIELD_LIMIT,
    GREEN,
    GREY,
    RED,
    TITLE_LIMIT,
    Estimate,
    Fit,
    add_fields,
    as_typed,
    bar,
    bits,
    clipped,
    figure,
    in_line,
    in_minutes,
    quote,
    short_title,
)
from galvanic.options import RECIPE_WORDS, STARTER, TrainOptions
from galvanic.results import Difficulty, Doing
from galvanic.units import count, course, duration, written
from shared.events import Finished, Progress, Sample
from shared.jobs import LOSS_FILE, TrainJob

_TROUBLE: dict[Difficulty, str] = {
    "disk full": (
        "⚠️ **The worker's disk is full**, so nothing more of this training can be saved. What it has learned is kept "
        "in memory, and I try again every few seconds: the bot's operator has to make room."
    ),
    "store away": (
        "⚠️ **The model store can't be reached**, so this training can't go on. Nothing is lost, and I try again every "
        "few seconds: the bot's operator finds the cause in the worker's log."
    ),
}
_DOING: dict[Doing, str] = {
    "learning": "🧠 **Training**",
    "measuring": "📏 **Measuring** how well it predicts text that it did not learn",
    "sampling": "✍️ **Writing** a sample",
    "saving": "💾 **Saving** what it has learned so far",
    "finishing": "🏁 **Finishing**: I measure the model, have it write its samples, and save it.",
}
MOST_SAMPLES = 7


@dataclass(frozen=True)
class CardContext:
    """The things that a card shows besides its training's own events."""

    prefix: str = "!"
    worker_there: bool = True
    place: int | None = None  # how many trainings wait before it; None: it does not wait
    waiting: int = 0  # how many wait in all
    begins: Estimate | None = None  # None: nobody can say
    most_minutes: float = math.inf  # the longest that any training may learn
    control: str | None = None  # what somebody asked of it while it runs: `finish` or `cancel`
    fit: Fit = str
    quotable: bool = True  # all who read the card could have read what is learned; else it shows nothing of a model's
    ended_by: str = ""  # why a training was cancelled without being asked; empty: no such reason is known
    kept: str | None = None  # the model that its channel keeps; if another one, the new one isn't the channel's


def training(job: TrainJob, state: TrainingState, context: CardContext) -> discord.Embed:
    if state.finished is not None:
        embed = finished(job, state.finished, context)
    elif state.failed is not None:
        text = f"{state.failed.problem}\n{state.failed.remedy}".strip()
        embed = discord.Embed(title=f"Could not learn {short_title(job)}", description=text, colour=RED)
    elif state.state == "cancelled":
        text = f"{context.ended_by} Nothing was kept.".strip()
        embed = discord.Embed(title=f"Cancelled: {short_title(job)}", description=text, colour=GREY)
    else:
        embed = _unfinished(job, state, context)
    if state.finished is not None:
        extent = state.finished.model.corpus_extent  # a worker finds out the language of a chat
    else:
        extent = "" if job.is_unread else job.corpus.extent
    return embed.set_footer(text=", ".join(filter(None, [job.options.recipe, extent, f"training {job.job_id}"])))


def _learned(job: TrainJob, text: str) -> discord.Embed:
    embed = discord.Embed(title=f"Learned {short_title(job)}", description=text, colour=GREEN)
    return embed.set_footer(text=f"training {job.job_id}")


def outage(job: TrainJob, *, full: bool = False) -> discord.Embed:
    """Say that Redis is away. `full`: it is there, but its disk or its memory is full."""
    what = "can't be reached**, so"
    if full:
        what = "can't store anything**: its disk or its memory is full. The bot's operator has to make room. Until then"
    return discord.Embed(
        title=f"Learning {short_title(job)}",
        description=f"⚠️ **My memory (Redis) {what} I can't see how far this training has come.\n"
        "What is running goes on; this card is updated when I can see it again.",
        colour=AMBER,
    )


def finished_privately(job: TrainJob) -> discord.Embed:
    """The end of a training on a member's own words, as everybody sees it: neither its model's name nor its texts."""
    owner = f"<@{job.place.user_id}>"
    text = f"✅ The model is ready, for {owner} alone. My direct message names it; if you take none, use `/models`."
    return _learned(job, text)


def direct_end(job: TrainJob, state: TrainingState, prefix: str, *, channel_gone: bool) -> discord.Embed:
    """Say to the owner alone how a training ended: it is private, or its channel is gone or takes no card."""
    if state.finished is None:
        embed = training(job, state, CardContext(prefix))
    else:
        name = state.finished.model.name
        text = f"✅ The model is called `{name}`. `/models` lists it in the channels that may use it."
        if job.is_private:
            example = as_typed(prefix, "generate", "--model", name)
            share = as_typed(prefix, "model share", "name", name, "where", "server")
            lets = "lets others use it where everybody could have read these messages"
            if job.reading is not None and not job.reading.channel_id:  # of a file: it doesn't say who could read them
                lets = "lets the whole server use it, wherever you wrote those words"
            text = f"✅ `{name}` is ready, and only you can use it. In the server, try `{example}`. `{share}` {lets}."
        embed = _learned(job, text)
    if channel_gone:
        embed.description = f"The channel where you had me learn {short_title(job)} was deleted.\n{embed.description}"
    return embed


def _unfinished(job: TrainJob, state: TrainingState, context: CardContext) -> discord.Embed:
    progress = state.progress
    lines, colour = [_doing(state, context)], BLURPLE
    if state.state == "queued":
        colour = GREY
    if not context.worker_there or (state.state == "interrupted" and context.control != "cancel"):
        colour = AMBER
    if state.trouble is not None and state.state != "interrupted":
        lines.append(_TROUBLE[state.trouble])
        colour = AMBER
    if state.withdrawn:
        lines.append("🔁 A member withdrew: I begin again without their words.")
    if progress is not None:
        lines.append(f"`{bar(progress.share)}` **{math.floor(100 * progress.share)} %**")
    embed = discord.Embed(title=f"Learning {short_title(job)}", description="\n".join(lines), colour=colour)
    if progress is not None:
        _add_progress(embed, job.options, progress, state.samples, ending=context.control is not None)
    embed.add_field(name="How", value=how(job, context.most_minutes), inline=False)
    if progress is None:
        add_fields(embed, {"Text": "\n".join([job.corpus.extent, *job.corpus.notes])})
    if state.samples and context.quotable:
        sample = state.samples[-1]
        text = quote(context.fit(sample.text))
        embed.add_field(name=f"Sample {_when(sample, job)}", value=text, inline=False)
    return embed


def _doing(state: TrainingState, context: CardContext) -> str:
    """Say what happens to a training that is not over."""
    progress = state.progress
    if not context.worker_there:
        then = "It starts" if progress is None else "The training resumes from its last checkpoint"
        return (
            f"⚠️ **No worker is running**, so no training makes progress.\n{then} as soon as one is running. "
            "The bot's operator can start one with `make run` or `python -m worker serve train`."
        )
    if state.state == "queued":
        where = f": {in_line(context.place, context.waiting, context.begins)}." if context.place is not None else "…"
        return f"🕓 **Queued**{where}"
    if context.control == "cancel":
        return "🛑 **Cancelling**…"
    if state.state == "interrupted" and progress is None:
        return "⏸️ **Paused**: it waits for a worker, and begins again."
    if state.state == "interrupted":
        return "⏸️ **Paused**: the worker was interrupted. The training was saved and resumes from there."
    if context.control == "finish":
        return "🏁 **Finishing**: I keep the best so far."
    if state.state == "reading" or progress is None:
        again = "again, to go on from the last checkpoint" if state.resumed else "and getting ready"
        return f"📖 **Reading** the text {again}…"
    return _DOING[progress.doing]


def _add_progress(
    embed: discord.Embed, options: TrainOptions, progress: Progress, samples: Sequence[Sample], *, ending: bool
) -> None:
    """Add how far a training is. `ending`: somebody asked for its end, so that its plan says nothing any more."""
    # Where time decides, nobody knows how many epochs there will be.
    of = f" of {progress.epochs}" if options.by_epochs else ""
    at_most = "" if options.by_epochs else "at most "
    time_left = "estimating…" if progress.eta_s is None else f"{at_most}{duration(progress.eta_s)}"
    if ending or progress.doing == "finishing" or (progress.eta_s is not None and progress.eta_s < 1):
        time_left = "a moment"
    loss = progress.train_loss
    held_out = options.recipe != "classic"
    if held_out:  # the first one is that of the first sample
        losses = [*(sample.heldout_loss for sample in samples), progress.heldout_loss]
        loss = next((loss for loss in reversed(losses) if loss is not None), None)
    measured = bits(loss) if loss is None else f"{bits(loss)}, lower is better"
    add_fields(
        embed,
        {
            "Epoch": f"{progress.epoch}{of}",
            "Step": f"{progress.step:,} of {progress.steps:,}",
            "Time left": time_left,
            "Unseen text" if held_out else "Its own text": measured,
            "Speed": f"{progress.chars_per_s:,.0f} characters/s" if progress.chars_per_s else "…",
        },
    )


def finished(job: TrainJob, end: Finished, context: CardContext) -> discord.Embed:
    model = end.model
    verdict = model.verdict
    more = f" `{as_typed(context.prefix, 'train', 'source', 'more')}` trains it further."
    what = f"`{model.name}` is trained"
    advice = f"Try `{context.prefix}generate`, with words to begin with or without."
    advice += more if verdict.step in (None, "longer") else ""
    if not context.quotable:
        advice = (
            "🔒 It can't be used in this channel, and none of its texts are shown here: not everybody who reads this "
            "channel could have read what it learned from."
        )
    elif job.replaces is not None:
        what = "The model is made again"  # its own name goes with the old model
        advice = "In a moment it replaces the old one, with that one's name and in its channels."
    elif context.kept not in (None, model.name):
        example = as_typed(context.prefix, "generate", "--model", model.name)
        advice = f"This channel keeps `{context.kept}`. Try yours: `{example}`."
    else:
        what = f"`{model.name}` is now this channel's model"
    colour = {"reads": GREEN, "words": BLURPLE, "begun": AMBER, "recites": AMBER, None: BLURPLE}[verdict.kind]
    embed = discord.Embed(title=f"Learned {clipped(model.corpus_title, TITLE_LIMIT - 10)}", colour=colour)
    headline = f"**{verdict.headline}**\n" if verdict.headline else ""
    embed.description = f"{headline}{what}. {advice}"
    is_of_this_text = not (job.readings or job.replaces or job.owner_id)
    if job.scope == "channel" and is_of_this_text and set(job.sources) <= {job.place.channel_id} and context.quotable:
        share = as_typed(context.prefix, "model share", "name", model.name, "where", "server")
        embed.description += f"\nIt can be used in this channel alone; `{share}` lets the whole server use it."
    (measured_on, loss), *others = verdict.figures.items()
    went, start = course(model.epochs, end.seconds, end.stopped), "scratch" if model.parent is None else "the starter"
    if model.parent not in (None, STARTER):
        went, start = went.replace(", ", " with the models before it, ", 1), f"`{model.parent}`"
    if job.owner_id:
        start += f" of <@{job.owner_id}>, who owns this one, too"
    add_fields(embed, {measured_on: loss}, inline=False)
    add_fields(embed, {**dict(others), "Training": went, "Started from": start})
    samples = end.samples[:2] if context.quotable else ()
    below = {f"Sample {number}": quote(context.fit(text)) for number, text in enumerate(samples, start=1)}
    notes = clipped(context.fit("\n".join(end.notes)).strip(), FIELD_LIMIT)
    add_fields(embed, {**below, "Worth knowing": notes}, inline=False)
    return embed.set_image(url=f"attachment://{LOSS_FILE}")


def how(job: TrainJob, most_minutes: float) -> str:
    """Say how a training learns. `most_minutes`: the limit of all trainings."""
    options, minutes = job.options, job.options.minutes
    if options.by_epochs and minutes is not None and minutes >= most_minutes:
        minutes = None  # it ends with its epochs
    each = "" if options.layers == 1 else " in each layer"
    parent = job.parent.name if job.parent is not None else None
    named = ("dropout", "batch", "length", "learning_rate", "random_seed")
    numbers = {name.replace("_", " "): getattr(options, name) for name in named}
    parts = [
        RECIPE_WORDS[options.recipe],
        f"to be named `{options.name}`" if options.name not in (None, parent) and not job.is_private else "",
        f"continues `{parent}`" if parent is not None else "",
        {"starter": "starts from the starter", "none": "starts from scratch", None: ""}[options.start],
        "made again from what the channel has now" if job.replaces is not None else "",
        count(options.epochs, "epoch") if options.epochs is not None else "",
        f"at most {in_minutes(minutes)}" if minutes is not None else "",
        count(options.layers, "layer") if options.layers is not None else "",
        f"{options.units:,} units{each}" if options.units is not None else "",
        f"embedding of {options.embedding}" if options.embedding is not None else "",
        *(f"{name} {figure(value)}" for name, value in numbers.items() if value is not None),
    ]
    return " · ".join(filter(None, parts))


def samples(job: TrainJob, state: TrainingState, fit: Fit) -> discord.Embed:
    """Show the first sample, the newest, and some between, as many as fit."""
    learning = "How it learned" if state.over else "Learning"
    embed = discord.Embed(title=f"{learning} to write like {short_title(job)}", colour=BLURPLE)
    for most in range(MOST_SAMPLES, 1, -1):
        embed.description = "\n\n".join(_sample(sample, job, fit) for sample in spread(state.samples, most))
        if len(embed.description) <= DESCRIPTION_LIMIT:
            break
    counted = count(len(state.samples), "sample") + ("" if state.over else " so far")
    return embed.set_footer(text=f"{counted} · training {job.job_id}")


def spread(items: Sequence[Sample], most: int) -> list[Sample]:
    """Return at most `most` samples, evenly spread, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(step * (len(items) - 1) / (most - 1))] for step in range(most)]


def _when(sample: Sample, job: TrainJob) -> str:
    return written(sample, job.parent.name if job.parent is not None else "the starter")


def _sample(sample: Sample, job: TrainJob, fit: Fit) -> str:
    loss = sample.heldout_loss if sample.heldout_loss is not None else sample.train_loss
    after = "" if loss is None else f" · {bits(loss)}"
    when = _when(sample, job)
    return f"**{when[0].upper()}{when[1:]}**{after}\n{quote(fit(sample.text))}"
