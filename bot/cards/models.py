"""How models look in lists. Pure functions: data in, embed out."""

from __future__ import annotations

import discord
from discord.utils import escape_markdown

from bot.cards.words import BLURPLE
from shared.models import ModelRecord


def models(records: list[ModelRecord], current: str | None) -> discord.Embed:
    """The list of models that may be used in a channel."""
    lines = []
    for record in records[:20]:
        mark = "▶️" if record.model_id == current else "▫️"
        score = record.heldout_loss if record.heldout_loss is not None else record.train_loss
        kind = "held-out" if record.heldout_loss is not None else "training"
        lines.append(
            f"{mark} `{record.name}` - {escape_markdown(record.corpus_title[:60])}, {record.recipe}, "
            f"{kind} {score:.2f} nats, <t:{int(record.created_at)}:R>"
        )
    if len(records) > 20:
        lines.append(f"and {len(records) - 20} older ones.")
    embed = discord.Embed(title="Models", description="\n".join(lines), colour=BLURPLE)
    embed.set_footer(text="▶️ this channel's current model")
    return embed
