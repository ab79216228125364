"""The list of trainings. Pure functions: data in, embed out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import discord

from bot.escape import plain
from bot.jobs.snapshot import QueuedTraining, QueueSnapshot
from bot.words import BLURPLE, DESCRIPTION_LIMIT, in_line, span
from shared.units import count


@dataclass(frozen=True)
class Row:
    standing: QueuedTraining
    own: bool  # by the person who asks
    visible: bool  # in a channel that this person can see; of others, the list shows only that they exist


def jobs(rows: Sequence[Row], outlook: QueueSnapshot, guild_id: int, prefix: str) -> discord.Embed:
    embed = discord.Embed(title="Trainings", colour=BLURPLE)
    lines: list[str] = []
    for listed, row in enumerate(rows):
        line = _line(row, outlook)
        if sum(map(len, lines)) + len(line) + len(lines) > DESCRIPTION_LIMIT - 100:
            lines.append(f"and {len(rows) - listed} more.")
            break
        lines.append(line)
    if not rows:
        lines.append(f"No training is waiting or running here. `{prefix}train frankenstein` starts one.")
    embed.description = "\n".join(lines)
    elsewhere = sum(one.job.place.guild_id != guild_id for one in outlook.trainings)
    foot = [f"{count(elsewhere, 'training')} of other servers"] if elsewhere else []
    if any(row.own for row in rows):
        foot.append(f"⭐ yours: {prefix}cancel JOB, {prefix}finish JOB")
    if foot:
        embed.set_footer(text=" · ".join(foot))
    return embed


def _line(row: Row, outlook: QueueSnapshot) -> str:
    standing = row.standing
    if not row.visible:
        return f"{_mark(row)} A training in another channel\n{_state(standing, outlook)}"
    job = standing.job
    title = plain(job.corpus.title[:80])
    card = ""
    if standing.card is not None:  # not a link on the title, which is whatever somebody called a file
        channel_id, message_id = standing.card
        card = f" · [card](https://discord.com/channels/{job.place.guild_id}/{channel_id}/{message_id})"
    star = "⭐ " if row.own else ""
    below = f"{_state(standing, outlook)} · `{job.job_id}`{card}"
    return f"{_mark(row)} {star}**{title}** · <@{job.place.user_id}>\n{below}"


def _mark(row: Row) -> str:
    return "🧠" if row.standing.runs else "🕓"


def _state(standing: QueuedTraining, outlook: QueueSnapshot) -> str:
    if standing.place is not None:
        where = in_line(standing.place, outlook.waiting, standing.begins)
        others = outlook.before(standing)
        return where + (f" ({count(others, 'training')} of other servers before it)" if others else "")
    if standing.job.imports:
        return "reading the channel"
    if standing.progress is None:
        return "reading the text"
    if standing.progress.doing == "finishing":
        return "being finished"
    done = f"{math.floor(100 * standing.progress.share)} %"
    return done if standing.ends is None else f"{done}, {span(standing.ends)} left"


def choice(standing: QueuedTraining, outlook: QueueSnapshot) -> str:
    return f"{standing.job.corpus.title[:50]} · {_state(standing, outlook)}"[:100]
