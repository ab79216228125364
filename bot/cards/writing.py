"""The answers of models that write. Pure functions: data in, embed out."""

from __future__ import annotations

import discord

from bot.cards.words import BLURPLE, DESCRIPTION_LIMIT, FIELD_LIMIT, figure, percent, plain
from shared.events import Generated
from shared.jobs import GenerateJob


def generated(job: GenerateJob, answer: Generated) -> discord.Embed | None:
    """The answer to `generate`: seed in bold, then the text. None when it is too long for an embed."""
    seed, text = plain(answer.seed), plain(answer.text)
    # Discord drops bold around white space at an edge.
    body = seed.strip()
    bold = f"**{body}**" if body else ""
    glue = answer.seed[len(answer.seed.rstrip()) :]
    description = f"{bold}{glue}{text}"
    if len(description) > DESCRIPTION_LIMIT:
        return None
    embed = discord.Embed(description=description or "…", colour=BLURPLE)
    embed.set_footer(text=generated_footer(job, answer))
    if answer.notes:
        embed.add_field(name="Worth knowing", value=plain("\n".join(answer.notes))[:FIELD_LIMIT], inline=False)
    return embed


def generated_footer(job: GenerateJob, answer: Generated) -> str:
    """What one needs to get the same text again."""
    said = [voice(job), f"temperature {answer.temperature:g}"]
    limits = (("top-k", job.top_k), ("top-p", job.top_p), ("min-p", job.min_p))
    said += [f"{name} {figure(value)}" for name, value in limits if value is not None]
    if job.guard is not None:
        said.append("loop guard on" if job.guard else "loop guard off")
    return " · ".join([*said, f"random seed {answer.random_seed}", f"{answer.seconds:.2f} s"])


def voice(job: GenerateJob) -> str:
    """The model that wrote, or the mixture: `alice 70 % + dracula 30 %`."""
    if not job.mix:
        return job.model_name
    total = sum(part.weight for part in job.mix)
    return " + ".join(f"{part.name} {percent(part.weight / total)}" for part in job.mix)
