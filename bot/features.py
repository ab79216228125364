"""All features, in the order in which they are set up: each is given what it needs of those before it."""

import bot.admin.feature
import bot.channels.feature
import bot.models.feature
import bot.play.feature
import bot.talk.feature
import bot.train.feature
import bot.write.feature
from bot.core import Core


async def setup(core: Core) -> None:
    await core.add_cogs(core.responder, core.routing)
    models = await bot.models.feature.setup(core)
    panel = await bot.admin.feature.setup(core, registry=models.registry)
    channels = await bot.channels.feature.setup(core, models=models)
    write = await bot.write.feature.setup(core, registry=models.registry, channels=channels)
    await bot.train.feature.setup(core, models=models, channels=channels)
    await bot.talk.feature.setup(core, registry=models.registry, write=write, panel=panel)
    await bot.play.feature.setup(core, models=models, channels=channels, generating=write.generating)
