"""The samples that a training wrote so far. Pure functions: data in, embed out."""

from __future__ import annotations

from collections.abc import Sequence

import discord

from bot.jobs.jobview import JobView
from bot.words import BLURPLE, DESCRIPTION_LIMIT, bits, quote, short_title
from shared.blocklist import Blocklist
from shared.events import Sample
from shared.jobs import TrainJob
from shared.units import count

MOST_SAMPLES = 7


def samples(job: TrainJob, view: JobView, blocked: Blocklist) -> discord.Embed:
    """What a training wrote epoch by epoch: the first, the newest, and some between, as many as fit."""
    learning = "How it learned" if view.over else "Learning"
    embed = discord.Embed(title=f"{learning} to write like {short_title(job)}", colour=BLURPLE)
    for most in range(MOST_SAMPLES, 1, -1):
        embed.description = "\n\n".join(_sample(one, blocked) for one in spread(view.samples, most))
        if len(embed.description) <= DESCRIPTION_LIMIT:
            break
    counted = count(len(view.samples), "sample") + ("" if view.over else " so far")
    embed.set_footer(text=f"{counted} · job {job.job_id}")
    return embed


def spread(found: Sequence[Sample], most: int) -> list[Sample]:
    """At most `most` of the samples, evenly spread, the first and the last among them."""
    if len(found) <= most:
        return list(found)
    return [found[round(step * (len(found) - 1) / (most - 1))] for step in range(most)]


def _sample(sample: Sample, blocked: Blocklist) -> str:
    known = sample.heldout_loss if sample.heldout_loss is not None else sample.train_loss
    after = "" if known is None else f" · {bits(known)}"
    return f"**After epoch {sample.epoch}**{after}\n{quote(blocked.mask(sample.text))}"
