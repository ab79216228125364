"""What is to be read for a command or a button: the whole channel, or what was said since a model learned it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.channels import sources
from bot.channels.readings import ReadingPlan
from bot.servers.actor import Actor
from bot.train import options as train_options
from bot.train.options import TrainFlags
from shared.errors import UserError
from shared.models import ModelRecord

if TYPE_CHECKING:
    from bot.client import Galvanic


async def plan_for(bot: Galvanic, who: Actor, flags: TrainFlags) -> ReadingPlan:
    """What `train #channel` asks for. From a model that learned this channel before: what was said since.

    Raises:
        UserError: the channel may not be learned, or not here; or what `train_options.chosen` refuses.
        discord.HTTPException: Discord is in trouble.
    """
    assert flags.source is not None
    source = await sources.find(bot, who, flags.source)
    parent = await bot.registry.choose(who.guild_id, who.here, flags.parent) if flags.parent is not None else None
    options = train_options.chosen(flags, bot.settings, parent)
    after = await _learned_until(bot, parent, source.id) if parent is not None else 0
    return ReadingPlan(source, options, speakers=flags.speakers, parent=parent, after=after)


async def update_plan(bot: Galvanic, who: Actor, model_id: str) -> ReadingPlan:
    """What "Learn new messages" asks for: what was said since, learned for as long as before.

    Raises:
        UserError: the model is gone or may not be used here, did not learn from a channel, or somebody withdrew; or as
            `plan_for`.
        discord.HTTPException: Discord is in trouble.
    """
    parent = await bot.registry.by_id(who.guild_id, who.here, model_id)
    ref = parent.corpus.transcript if parent.corpus is not None else None
    transcript = await bot.transcripts.load(ref.transcript_id) if ref is not None else None
    if ref is None:
        raise UserError(f"`{parent.name}` didn't learn from a channel.", "Only models of channels can be updated.")
    if transcript is None:
        prefix = await bot.guild_settings.prefix(who.guild_id)
        raise UserError(
            f"I no longer know what `{parent.name}` learned.",
            f"Learn the channel anew: `{prefix}train <#{ref.channel_id}>`.",
        )
    source = await sources.find(bot, who, f"<#{transcript.info.source_id}>")
    options = train_options.again(parent, bot.settings)
    name = await bot.registry.next_name(who.guild_id, who.here, parent)
    return ReadingPlan(
        source,
        options.model_copy(update={"name": name}),
        speakers=transcript.info.speakers,
        parent=parent,
        after=await _learned_until(bot, parent, source.id),
    )


async def _learned_until(bot: Galvanic, model: ModelRecord, source_id: int) -> int:
    """Up to which message a model has learned a channel; 0: not at all.

    Raises:
        UserError: a member withdrew since: it is not to be trained further.
    """
    await bot.trainings.require_current(model)
    found = [await bot.transcripts.load(ref.transcript_id) for ref in model.transcripts]
    return max((one.info.until for one in found if one is not None and one.info.source_id == source_id), default=0)
