"""The list of trainings. Pure functions: data in, embed out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import discord

from bot.jobs.snapshot import QueuedTraining, QueueSnapshot
from bot.words import BLURPLE, DESCRIPTION_LIMIT, in_line, listed, plain, span
from galvanic.units import count


@dataclass(frozen=True)
class Row:
    training: QueuedTraining
    own: bool  # by the person who asks
    visible: bool  # in a channel that this person can see; of others, the list shows only that they exist


def jobs(rows: Sequence[Row], snapshot: QueueSnapshot, guild_id: int, prefix: str) -> discord.Embed:
    lines = [_line(row, snapshot) for row in rows]
    said = listed(lines, "and {} more.", DESCRIPTION_LIMIT - 101)
    none = f"No training is waiting or running here. `{prefix}train frankenstein` starts one."
    embed = discord.Embed(title="Trainings", description=said or none, colour=BLURPLE)
    elsewhere = sum(one.job.place.guild_id != guild_id for one in snapshot.trainings)
    foot = [f"{count(elsewhere, 'training')} of other servers"] if elsewhere else []
    if any(row.own for row in rows):
        foot.append(f"⭐ yours: {prefix}cancel JOB, {prefix}finish JOB")
    return embed.set_footer(text=" · ".join(foot) or None)


def _line(row: Row, snapshot: QueueSnapshot) -> str:
    training, job, card = row.training, row.training.job, ""
    mark = "🧠" if training.runs else "🕓"
    if not row.visible:
        return f"{mark} A training in another channel\n{_state(training, snapshot)}"
    if training.card is not None:  # not a link on the title, which is whatever somebody called a file
        channel_id, message_id = training.card
        card = f" · [card](https://discord.com/channels/{job.place.guild_id}/{channel_id}/{message_id})"
    above = f"{mark} {'⭐ ' if row.own else ''}**{plain(job.corpus.title[:80])}** · <@{job.place.user_id}>"
    return f"{above}\n{_state(training, snapshot)} · `{job.job_id}`{card}"


def _state(training: QueuedTraining, snapshot: QueueSnapshot) -> str:
    if training.place is not None:
        where = in_line(training.place, snapshot.waiting, training.begins)
        others = snapshot.before(training)
        return where + (f" ({count(others, 'training')} of other servers before it)" if others else "")
    if training.job.imports:
        return "reading the channel"
    if training.progress is None:
        return "reading the text"
    if training.progress.doing == "finishing":
        return "being finished"
    done = f"{math.floor(100 * training.progress.share)} %"
    return done if training.ends is None else f"{done}, {span(training.ends)} left"


def choice(training: QueuedTraining, snapshot: QueueSnapshot) -> str:
    return f"{training.job.corpus.title[:50]} · {_state(training, snapshot)}"[:100]
